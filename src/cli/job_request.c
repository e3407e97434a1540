/* A checked job line made a request. See job_line.h. */
#include "cli/job_line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/pair.h"
#include "base/units.h"
#include "http/request.h"
#include "http/url.h"

/* What one request costs beside its own bytes, for the sum of what is in memory. */
#define OVERHEAD ((size_t)512)
#define EXACT                                                                              \
	9007199254740992.0 /* 2^53: above it a real number is not the one that was written \
			    */

static int no_memory(ration_error **err)
{
	return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
}

/* A setter's answer as an error that names the member. */
static int member_failed(ration_error **err, int rc, const char *member, const char *name)
{
	if (rc == 0)
		return 0;
	if (name && !strcmp(member, "keys") && ration__key_is_ours(name))
		return ration__error_set(err, rc,
			"keys.%s: \"node\" and \"service\" are no names of yours: ration knows what "
			"they are of each attempt",
			name);
	return ration__error_set(err, rc, "%s%s%.100s: %s", member, name ? "." : "",
		name ? name : "", ration_strerror(rc));
}

/* A string, number or boolean as text; NULL: something else. Borrowed from value or number. */
static const char *scalar(const json_t *value, char number[32])
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		if (strlen(json_string_value(value)) != json_string_length(value))
			return NULL;
		return json_string_value(value);
	case JSON_INTEGER:
		snprintf(number, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return number;
	case JSON_REAL:
		if (json_real_value(value) >= EXACT || json_real_value(value) <= -EXACT)
			return NULL;
		ration__format_number(number, 32, json_real_value(value));
		return number;
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	default:
		return NULL;
	}
}

/* Calls put for each name and value of an object; arrays are several values where `many` says so.
 */
typedef int (*put_fn)(void *to, const char *name, const char *value, bool first);

static int each_pair(const json_t *object, const char *member, bool many, put_fn put, void *to,
	ration_error **err)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
	{
		bool array = many && json_is_array(value);
		size_t count = array ? json_array_size(value) : 1;

		if (json_is_null(value))
			continue;
		for (size_t i = 0; i < count; i++) {
			char number[32];
			const char *text = scalar(array ? json_array_get(value, i) : value, number);
			int rc;

			if (!text)
				return ration__error_set(err, RATION_EINVAL,
					"%s.%.100s: expected a string%s", member, name,
					many ? " or a list of strings" : "");
			rc = put(to, name, text, i == 0);
			if (rc < 0)
				return member_failed(err, rc, member, name);
		}
	}
	return 0;
}

static int put_query(void *request, const char *name, const char *value, bool first)
{
	return ration_request_add_query(request, name, value);
}

static int put_header(void *request, const char *name, const char *value, bool first)
{
	return first ? ration_request_set_header(request, name, value)
		     : ration_request_add_header(request, name, value);
}

static int put_key(void *request, const char *name, const char *value, bool first)
{
	return ration_request_set_key(request, name, value);
}

/* Percent-encoding reads the same in a form as in a query. */
static int put_form(void *buffer, const char *name, const char *value, bool first)
{
	ration__url_add_query(buffer, name, value);
	return 0;
}

static int set_form(ration_request *request, const json_t *form, size_t *bytes, ration_error **err)
{
	struct ration__buffer buffer;
	int rc;

	ration__buffer_init(&buffer, 0);
	rc = each_pair(form, "form", true, put_form, &buffer, err);
	if (rc == 0 && buffer.failed)
		rc = no_memory(err);
	if (rc == 0)
		rc = member_failed(err,
			ration_request_set_body(request, buffer.length ? buffer.data : "",
				buffer.length, "application/x-www-form-urlencoded"),
			"form", NULL);
	*bytes += buffer.length;
	ration__buffer_fini(&buffer);
	return rc;
}

static int sextet(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* RFC 4648 with padding and nothing else, in place. False: not that. */
static bool decode_base64(char *text, size_t length, size_t *decoded)
{
	size_t padding = 0, out = 0;

	if (length % 4)
		return false;
	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < length; i += 4) {
		size_t kept = i + 4 == length ? 4 - padding : 4;
		unsigned bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int value = k < kept ? sextet(text[i + k]) : 0;

			if (value < 0)
				return false;
			bits = bits << 6 | (unsigned)value;
		}
		if (kept < 4 && bits & (kept == 3 ? 0xff : 0xffff))
			return false; /* bits that say nothing must be 0: one spelling for each body
				       */
		for (size_t k = 0; k + 1 < kept; k++)
			text[out++] = (char)(bits >> (16 - 8 * k));
	}
	*decoded = out;
	return true;
}

static int set_base64(
	ration_request *request, const json_t *value, size_t *bytes, ration_error **err)
{
	size_t length = json_string_length(value), decoded;
	char *copy = malloc(length + 1);
	int rc;

	if (!copy)
		return no_memory(err);
	memcpy(copy, json_string_value(value), length + 1);
	if (decode_base64(copy, length, &decoded))
		rc = member_failed(err, ration_request_set_body(request, copy, decoded, NULL),
			"body_b64", NULL);
	else
		rc = ration__error_set(err, RATION_EINVAL, "body_b64: not base64 with padding");
	*bytes += length;
	free(copy);
	return rc;
}

/* The whole of fd; RATION_EIO with errno, RATION_ETOOBIG, RATION_EINVAL (no regular file). */
static int slurp(int fd, struct ration__buffer *buffer)
{
	struct stat st;
	char chunk[16384];
	ssize_t got;

	if (fstat(fd, &st) < 0)
		return RATION_EIO;
	if (!S_ISREG(st.st_mode)) /* a FIFO or a terminal would stop the other jobs */
		return RATION_EINVAL;
	while ((got = read(fd, chunk, sizeof(chunk))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return RATION_EIO;
		if (buffer->length + (size_t)got > RATION__BODY_FILE_MAX)
			return RATION_ETOOBIG;
		ration__buffer_append(buffer, chunk, (size_t)got);
	}
	return buffer->failed ? RATION_ENOMEM : 0;
}

static int set_file(ration_request *request, const char *path, size_t *bytes, ration_error **err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct ration__buffer buffer;
	int rc;

	if (fd < 0)
		return ration__error_set(
			err, RATION_ENOFILE, "body_file: %.200s: %s", path, strerror(errno));
	ration__buffer_init(&buffer, 0);
	rc = slurp(fd, &buffer);
	if (rc < 0)
		ration__error_set(err, rc, "body_file: %.200s: %s", path,
			rc == RATION_EINVAL ? "not a regular file"
			: rc == RATION_EIO  ? strerror(errno)
					    : ration_strerror(rc));
	else
		rc = member_failed(err,
			ration_request_set_body(
				request, buffer.length ? buffer.data : "", buffer.length, NULL),
			"body_file", NULL);
	*bytes += buffer.length;
	ration__buffer_fini(&buffer);
	close(fd);
	return rc;
}

/* The setters take text that ends with a NUL: the byte after the span makes room for one. */
static int with_span(struct ration__job_line *job, const struct ration__job_span *span,
	int (*set)(ration_request *, const char *), ration_request *request)
{
	char *end = job->text + span->start + span->length;
	char kept = *end;
	int rc;

	*end = '\0';
	rc = set(request, job->text + span->start);
	*end = kept;
	return rc;
}

static int set_body(
	struct ration__job_line *job, ration_request *request, size_t *bytes, ration_error **err)
{
	static const char *const names[] = {"body", "json", "form", "body_b64", "body_file"};
	const json_t *found = NULL;
	size_t which = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const json_t *value = json_object_get(job->root, names[i]);

		if (!value || json_is_null(value))
			continue;
		if (found)
			return ration__error_set(err, RATION_EINVAL,
				"\"%s\" beside \"%s\": one body only", names[i], names[which]);
		found = value;
		which = i;
	}
	if (!found)
		return 0;
	switch (which) {
	case 0:
		*bytes += json_string_length(found);
		return member_failed(err,
			ration_request_set_body(
				request, json_string_value(found), json_string_length(found), NULL),
			"body", NULL);
	case 1:
		*bytes += job->json.length;
		return member_failed(err,
			with_span(job, &job->json, ration_request_set_json, request), "json", NULL);
	case 2:
		return set_form(request, found, bytes, err);
	case 3:
		return set_base64(request, found, bytes, err);
	default:
		if (strlen(json_string_value(found)) != json_string_length(found))
			return ration__error_set(err, RATION_EINVAL, "body_file: a NUL character");
		return set_file(request, json_string_value(found), bytes, err);
	}
}

static int set_costs(ration_request *request, const json_t *cost, ration_error **err)
{
	const char *unit;
	json_t *value;

	if (json_is_number(cost))
		return member_failed(err,
			ration_request_set_cost(request, "", json_number_value(cost)), "cost",
			NULL);
	json_object_foreach((json_t *)cost, unit, value)
	{
		int rc;

		if (!json_is_number(value))
			return ration__error_set(
				err, RATION_EINVAL, "cost.%.100s: expected a number", unit);
		rc = ration_request_set_cost(request, unit, json_number_value(value));
		if (rc < 0)
			return member_failed(err, rc, "cost", unit);
	}
	return 0;
}

static int set_rest(struct ration__job_line *job, ration_request *request, ration_error **err)
{
	const json_t *root = job->root;
	const json_t *priority = json_object_get(root, "priority");
	const json_t *key = json_object_get(root, "idempotency_key");
	int rc = each_pair(json_object_get(root, "query"), "query", true, put_query, request, err);

	/* after the body, whose content type these may replace */
	if (rc == 0)
		rc = each_pair(json_object_get(root, "headers"), "headers", true, put_header,
			request, err);
	if (rc == 0)
		rc = each_pair(json_object_get(root, "keys"), "keys", false, put_key, request, err);
	if (rc == 0)
		rc = set_costs(request, json_object_get(root, "cost"), err);
	if (rc == 0 && json_is_number(priority)) {
		double wanted = json_number_value(priority);

		if (wanted < -100 || wanted > 100)
			return ration__error_set(err, RATION_EINVAL,
				"priority: expected an integer from -100 to 100");
		rc = member_failed(
			err, ration_request_set_priority(request, (int)wanted), "priority", NULL);
	}
	if (rc == 0 && json_is_string(key)) {
		if (strlen(json_string_value(key)) != json_string_length(key))
			return ration__error_set(
				err, RATION_EINVAL, "idempotency_key: a NUL character");
		rc = member_failed(err,
			ration_request_set_idempotency_key(request, json_string_value(key)),
			"idempotency_key", NULL);
	}
	if (rc == 0 && job->meta.length)
		rc = member_failed(err,
			with_span(job, &job->meta, ration_request_set_meta, request), "meta", NULL);
	return rc;
}

/* A body without a method is a POST, as in curl. */
static const char *method_of(const struct ration__job_line *job)
{
	const json_t *root = job->root;

	if (job->method)
		return job->method;
	if (job->json.length || json_is_string(json_object_get(root, "body")) ||
		json_is_object(json_object_get(root, "form")) ||
		json_is_string(json_object_get(root, "body_b64")) ||
		json_is_string(json_object_get(root, "body_file")))
		return "POST";
	return "GET";
}

/* A mistake in what the request was made of, which the library knows by its code only. What is
 * wrong with a URL it says itself. */
static int blame_part(
	const struct ration__job_line *job, const ration_request *made, ration_error **err)
{
	struct ration__request_view view;

	ration__request_view(made, &view);
	if (view.error == RATION_EINVAL)
		return ration__error_set(err, view.error,
			"method: \"%.40s\": expected an HTTP method, and not CONNECT",
			method_of(job));
	if (view.error == RATION_ETOOBIG)
		return member_failed(err, view.error, job->url ? "url" : "path", NULL);
	return 0;
}

int ration__job_line_request(struct ration__job_line *job, const char *service,
	ration_request **request, size_t *bytes, ration_error **err)
{
	const char *target = job->url ? job->url : job->path;
	size_t held = OVERHEAD + strlen(target) + job->meta.length;
	ration_request *made = ration_request_new(service, method_of(job), target);
	int rc;

	if (!made)
		return no_memory(err);
	rc = blame_part(job, made, err);
	if (rc == 0 && job->id)
		rc = member_failed(err, ration_request_set_id(made, job->id), "id", NULL);
	if (rc == 0)
		rc = set_body(job, made, &held, err);
	if (rc == 0)
		rc = set_rest(job, made, err);
	if (rc < 0) {
		ration_request_free(made);
		return rc;
	}
	*request = made;
	*bytes = held;
	return 0;
}
