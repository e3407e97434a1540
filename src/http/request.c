/*
 * The public ration_request: collects and checks. A mistake is answered at once and also kept, so
 * that a caller who looks at submit's answer only learns of the first one.
 *
 * Not thread safe. Nothing here knows a service: what depends on one (the URL) is checked when the
 * request is packed (http/call.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/base64.h"
#include "base/token.h"
#include "base/util.h"
#include "http/builder.h"
#include "http/limits.h"
#include "http/url.h"

int ration__request_mistake(ration_request *request, int code)
{
	if (code && !request->error)
		request->error = code;
	return code;
}

/* Known methods in any case become upper case, as browsers do, PATCH included; others are sent as
 * given. CONNECT asks for a tunnel, which no job is. */
static int check_method(char *method)
{
	static const char *const known[] = {
		"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"};

	if (strlen(method) > RATION__METHOD_MAX || !ration__header_name_ok(method) ||
		strcasecmp(method, "CONNECT") == 0)
		return RATION_EINVAL;
	for (size_t i = 0; i < RATION__COUNT(known); i++)
		if (strcasecmp(method, known[i]) == 0)
			memcpy(method, known[i], strlen(known[i]));
	return 0;
}

/* Blanks and controls; the rest of the check needs the service. */
static int check_target(const char *target)
{
	size_t length = strnlen(target, RATION__URL_MAX + 1);

	if (length > RATION__URL_MAX)
		return RATION_ETOOBIG;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)target[i] <= ' ' || target[i] == 0x7f)
			return RATION_EURL;
	return 0;
}

ration_request *ration_request_new(const char *service, const char *method, const char *target)
{
	const char *s = service ? service : "", *m = method ? method : "",
		   *t = target ? target : "";
	size_t s_size = strlen(s) + 1, m_size = strlen(m) + 1, t_size = strlen(t) + 1;
	ration_request *request = calloc(1, sizeof(*request) + s_size + m_size + t_size);

	if (!request)
		return NULL;
	char *text = (char *)(request + 1);
	char *own_method = text + s_size;

	request->service = memcpy(text, s, s_size);
	request->method = memcpy(own_method, m, m_size);
	request->target = memcpy(own_method + m_size, t, t_size);
	request->deadline_ms = -1;
	if (!service || !*service || !method || !target)
		ration__request_mistake(request, RATION_EINVAL);
	ration__request_mistake(request, check_method(own_method));
	ration__request_mistake(request, check_target(t));
	return request;
}

void ration_request_free(ration_request *request)
{
	if (!request)
		return;
	for (size_t i = 0; i < request->header_count; i++)
		free(request->headers[i].text);
	/* A pair's value stands in the block of its name. */
	for (size_t i = 0; i < request->key_count; i++)
		free((char *)request->keys[i].name);
	for (size_t i = 0; i < request->cost_count; i++)
		free((char *)request->costs[i].unit);
	for (size_t i = 0; i < request->option_count; i++)
		free((char *)request->options[i].name);
	free(request->headers);
	free(request->keys);
	free(request->costs);
	free(request->options);
	ration__buffer_fini(&request->query);
	ration__request_body_fini(request);
	free(request->id);
	free(request->meta);
	ration_context_free(request->context);
	free(request);
}

void ration__request_view(const ration_request *request, struct ration__request_view *view)
{
	*view = (struct ration__request_view){
		.service = request->service,
		.error = request->error,
		.priority = request->priority,
		.deadline_ms = request->deadline_ms,
		.user = request->user,
		.key_count = request->key_count,
		.keys = request->keys,
		.cost_count = request->cost_count,
		.costs = request->costs,
		.option_count = request->option_count,
		.options = request->options,
		.context = ration__request_context(request),
	};
}

void ration__request_lend(ration_request *request, const ration_context *context)
{
	request->lent = context;
}

int ration_request_set_context(ration_request *request, ration_context *context)
{
	if (!request)
		return RATION_EINVAL;
	ration_context_free(request->context);
	request->context = ration_context_ref(context);
	return 0;
}

/* ---- headers ---- */

bool ration__header_is_ours(const char *name)
{
	static const char *const ours[] = {"Content-Length", "Transfer-Encoding", "Host",
		"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade",
		"Expect", "HTTP2-Settings"};

	for (size_t i = 0; i < RATION__COUNT(ours); i++)
		if (strcasecmp(name, ours[i]) == 0)
			return true;
	return false;
}

static bool header_keys(const char *name)
{
	return strcasecmp(name, "Idempotency-Key") == 0 || strcasecmp(name, "X-Request-ID") == 0;
}

static bool line_named(const struct ration__header_line *line, const char *name, size_t length)
{
	return line->name_length == length && strncasecmp(line->text, name, length) == 0;
}

bool ration__request_has_header(const ration_request *request, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < request->header_count; i++)
		if (line_named(&request->headers[i], name, length))
			return true;
	return false;
}

static void remove_headers(ration_request *request, const char *name)
{
	size_t length = strlen(name), kept = 0;

	for (size_t i = 0; i < request->header_count; i++) {
		struct ration__header_line *line = &request->headers[i];

		if (line_named(line, name, length)) {
			request->header_bytes -= line->length + 1;
			free(line->text);
		} else {
			request->headers[kept++] = *line;
		}
	}
	request->header_count = kept;
}

void *ration__request_grown(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return realloc(array, (count ? count * 2 : 1) * size);
}

static int put_header(ration_request *request, const char *name, const char *value, bool replace)
{
	size_t name_length = strlen(name), value_length = strlen(value);
	size_t length = name_length + (value_length ? 2 + value_length : 1);
	char *text;

	if (request->header_bytes + length + 1 > RATION__HEADERS_MAX ||
		request->header_count >= RATION__HEADER_COUNT_MAX)
		return RATION_ETOOBIG;
	void *lines = ration__request_grown(
		request->headers, request->header_count, sizeof(*request->headers));

	if (!lines)
		return RATION_ENOMEM;
	request->headers = lines;
	text = malloc(length + 1);
	if (!text)
		return RATION_ENOMEM;
	memcpy(text, name, name_length);
	memcpy(text + name_length, value_length ? ": " : ";", value_length ? 2 : 1);
	memcpy(text + length - value_length, value, value_length + 1);
	if (replace)
		remove_headers(request, name);
	request->headers[request->header_count++] = (struct ration__header_line){
		.text = text, .name_length = name_length, .length = length};
	request->header_bytes += length + 1;
	return 0;
}

int ration__request_header(
	ration_request *request, const char *name, const char *value, bool replace)
{
	if (!name || !value)
		return RATION_EINVAL;
	if (!ration__header_name_ok(name) || !ration__header_value_ok(value) ||
		ration__header_is_ours(name))
		return RATION_EHEADER;
	/* One of each, or servers disagree on which counts. */
	int code = put_header(request, name, value, replace || header_keys(name));

	if (!code && header_keys(name) && *value)
		request->keyed = true;
	return code;
}

int ration_request_set_header(ration_request *request, const char *name, const char *value)
{
	return request ? ration__request_mistake(
				 request, ration__request_header(request, name, value, true))
		       : RATION_EINVAL;
}

int ration_request_add_header(ration_request *request, const char *name, const char *value)
{
	return request ? ration__request_mistake(
				 request, ration__request_header(request, name, value, false))
		       : RATION_EINVAL;
}

/* Whether the key is a structured-field string already: it is not quoted twice. */
static bool is_quoted(const char *key)
{
	size_t n = 1;

	if (*key != '"')
		return false;
	for (; key[n] && key[n] != '"'; n++)
		if (key[n] == '\\' && key[++n] != '"' && key[n] != '\\')
			return false;
	return n > 1 && key[n] == '"' && !key[n + 1];
}

/* Sent as a structured-field string (RFC 8941 3.3.3): quoted, '"' and '\' escaped, printable ASCII
 * only. */
static int set_idempotency_key(ration_request *request, const char *key)
{
	char quoted[2 * RATION__IDEMPOTENCY_KEY_MAX + 3];
	size_t n = 0;
	int code;

	if (!key || !*key)
		return RATION_EINVAL;
	if (strlen(key) > RATION__IDEMPOTENCY_KEY_MAX)
		return RATION_ETOOBIG;
	for (size_t i = 0; key[i]; i++)
		if (key[i] < 0x20 || key[i] > 0x7e)
			return RATION_EHEADER;
	if (is_quoted(key))
		return ration__request_header(request, "Idempotency-Key", key, true);
	quoted[n++] = '"';
	for (; *key; key++) {
		if (*key == '"' || *key == '\\')
			quoted[n++] = '\\';
		quoted[n++] = *key;
	}
	quoted[n++] = '"';
	quoted[n] = '\0';
	code = ration__request_header(request, "Idempotency-Key", quoted, true);
	if (code == 0)
		request->headers[request->header_count - 1].quoted = true;
	return code;
}

int ration_request_set_idempotency_key(ration_request *request, const char *key)
{
	return request ? ration__request_mistake(request, set_idempotency_key(request, key))
		       : RATION_EINVAL;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

/* RFC 7617: the user's name ends at the first colon, so it can have none. */
static int set_basic_auth(ration_request *request, const char *user, const char *password)
{
	static const char scheme[] = "Basic ";
	char pair[2 * RATION__CREDENTIAL_MAX + 2];
	char value[sizeof(scheme) + sizeof(pair) * 4 / 3 + 4];
	size_t length;
	int code;

	if (!user || !password)
		return RATION_EINVAL;
	if (strlen(user) > RATION__CREDENTIAL_MAX || strlen(password) > RATION__CREDENTIAL_MAX)
		return RATION_ETOOBIG;
	if (strchr(user, ':') || has_control(user) || has_control(password))
		return RATION_EHEADER;
	length = (size_t)snprintf(pair, sizeof(pair), "%s:%s", user, password);
	memcpy(value, scheme, sizeof(scheme));
	ration__base64(pair, length, value + sizeof(scheme) - 1);
	code = ration__request_header(request, "Authorization", value, true);
	explicit_bzero(pair, sizeof(pair));
	explicit_bzero(value, sizeof(value));
	return code;
}

int ration_request_set_basic_auth(ration_request *request, const char *user, const char *password)
{
	return request ? ration__request_mistake(request, set_basic_auth(request, user, password))
		       : RATION_EINVAL;
}

/* ---- target ---- */

static int add_query(ration_request *request, const char *name, const char *value)
{
	size_t before = request->query.length;

	if (!name || !value)
		return RATION_EINVAL;
	/* Each byte may become three; the whole is measured again with its URL. */
	if (strlen(name) + strlen(value) > RATION__URL_MAX)
		return RATION_ETOOBIG;
	ration__url_add_query(&request->query, name, value);
	if (!request->query.failed && request->query.length <= RATION__URL_MAX)
		return 0;
	int code = request->query.failed ? RATION_ENOMEM : RATION_ETOOBIG;

	request->query.failed = false;
	request->query.length = before;
	if (request->query.data)
		request->query.data[before] = '\0';
	return code;
}

int ration_request_add_query(ration_request *request, const char *name, const char *value)
{
	return request ? ration__request_mistake(request, add_query(request, name, value))
		       : RATION_EINVAL;
}
