/* Redirects: see redirect.h. RFC 3986 5 over text from the network. */
#include "http/redirect.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/buffer.h"
#include "base/hash.h"
#include "base/util.h"
#include "http/call.h"
#include "http/limits.h"
#include "http/url.h"

bool ration__status_redirects(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool ration__header_may_cross(const char *name, size_t length)
{
	static const char *const allowed[] = {"Accept", "Accept-Language", "Accept-Encoding",
		"Content-Type", "Content-Language", "User-Agent", "X-Request-ID", "traceparent"};

	for (size_t i = 0; i < RATION__COUNT(allowed); i++)
		if (strlen(allowed[i]) == length && strncasecmp(allowed[i], name, length) == 0)
			return true;
	return false;
}

/* ---- Location ---- */

/* The only one; NULL: none, or several that differ, of which each reader would take another. */
static const char *find_location(const struct ration__attempt *attempt)
{
	const char *found = NULL, *at = attempt->headers, *end = at + attempt->headers_length;

	while (at && at < end) {
		const char *value = at + strlen(at) + 1;

		if (strcmp(at, "location") == 0) {
			if (found && strcmp(found, value) != 0)
				return NULL;
			found = value;
		}
		at = value + strlen(value) + 1;
	}
	return found && *found ? found : NULL;
}

/* "name:" as RFC 3986 3.1 has it at the front: its length, 0 none. */
static size_t scheme_length(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char others[] = "0123456789+-.";
	size_t n = strspn(text, letters);

	if (n == 0)
		return 0;
	while (text[n] && (strchr(letters, text[n]) || strchr(others, text[n])))
		n++;
	return text[n] == ':' ? n + 1 : 0;
}

/* ---- resolution ---- */

/* Length of the path at text: up to its query. */
static size_t path_length(const char *text)
{
	return strcspn(text, "?");
}

static void drop_segment(struct ration__buffer *out, size_t origin)
{
	while (out->length > origin && out->data[--out->length] != '/')
		;
	out->data[out->length] = '\0';
}

/* Appends a path that begins with a slash, without its dots (5.2.4), segment by segment; "%2e" is a
 * dot for those who decode it later, so it is one here. */
static void add_path(struct ration__buffer *out, const char *path, size_t length)
{
	size_t origin = out->length;

	for (size_t at = 0; at < length && !out->failed;) {
		size_t begin = at + 1, dots = 0, n = begin;
		bool last;

		while (n < length && path[n] != '/') {
			bool coded = length - n >= 3 && strncasecmp(path + n, "%2e", 3) == 0;

			if (dots < 3)
				dots = path[n] == '.' || coded ? dots + 1 : 3;
			n += coded ? 3 : 1;
		}
		last = n == length;
		if (dots == 2)
			drop_segment(out, origin);
		if (dots == 0 || dots > 2)
			ration__buffer_append(out, path + at, n - at);
		else if (last)
			ration__buffer_putc(out, '/');
		at = n;
	}
	if (out->length == origin)
		ration__buffer_putc(out, '/');
}

/* The part of base's path up to its last slash, then the reference's. */
static void add_merged(
	struct ration__buffer *out, const char *base, const char *reference, size_t length)
{
	size_t kept = path_length(base);
	struct ration__buffer path;

	while (kept && base[kept - 1] != '/')
		kept--;
	ration__buffer_init(&path, 0);
	ration__buffer_append(&path, kept ? base : "/", kept ? kept : 1);
	ration__buffer_append(&path, reference, length);
	if (path.failed)
		out->failed = true;
	else
		add_path(out, path.data, path.length);
	ration__buffer_fini(&path);
}

/* What follows the origin. base: the path and query of the URL that was redirected. */
static void add_target(struct ration__buffer *out, const char *base, const char *reference)
{
	size_t length = path_length(reference);

	if (length == 0 && !*reference) { /* only a fragment: the same again */
		add_path(out, *base == '/' ? base : "/", *base == '/' ? path_length(base) : 1);
		ration__buffer_puts(out, base + path_length(base));
		return;
	}
	if (length == 0)
		add_path(out, *base == '/' ? base : "/", *base == '/' ? path_length(base) : 1);
	else if (*reference == '/')
		add_path(out, reference, length);
	else
		add_merged(out, base, reference, length);
	ration__buffer_puts(out, reference + length);
}

/* Bytes that no URL has are sent encoded, as browsers do; the fragment is dropped. Blanks in front
 * and behind are gone already. */
static bool clean(struct ration__buffer *out, const char *location)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *location && *location != '#'; location++) {
		unsigned char c = (unsigned char)*location;

		if (c < ' ' || c == 0x7f)
			return false;
		if (c >= 0x80 || strchr(" \"<>\\^`{}", c))
			ration__buffer_append(
				out, (const char[3]){'%', hex[c >> 4], hex[c & 15]}, 3);
		else
			ration__buffer_putc(out, (char)c);
	}
	return out->length <= RATION__URL_MAX;
}

/* The absolute URL that the reference means at url; *why when it means none. */
static void resolve(
	struct ration__buffer *out, const char *url, const char *reference, const char **why)
{
	size_t scheme = scheme_length(reference), authority;
	struct ration__origin origin;

	if (!scheme && strncmp(reference, "//", 2) != 0) {
		size_t length = ration__call_origin_length(url);

		ration__buffer_append(out, url, length);
		add_target(out, url + length, reference);
		return;
	}
	if (scheme && strncasecmp(reference, "http://", 7) != 0 &&
		strncasecmp(reference, "https://", 8) != 0) {
		*why = "neither http nor https";
		return;
	}
	if (!scheme)
		ration__buffer_append(out, url, strcspn(url, ":") + 1);
	ration__buffer_puts(out, reference);
	if (out->failed)
		return;
	authority = ration__call_origin_length(out->data);
	if (memchr(out->data, '@', authority))
		*why = "user information in Location";
	else if (ration__url_origin(out->data, &origin))
		*why = "bad Location";
	if (*why)
		return;
	reference += authority - (out->length - strlen(reference));
	out->length = authority;
	add_target(out, "/", *reference ? reference : "/");
}

/* ---- policy ---- */

/* The origin that url has, or one of the service's nodes: these are all trusted alike. */
static bool is_own(const struct ration__service_conf *service, const struct ration__origin *from,
	const struct ration__origin *to)
{
	struct ration__origin node;

	if (ration__origin_equal(from, to))
		return true;
	for (size_t i = 0; i < service->node_count; i++)
		if (!ration__url_origin(service->nodes[i], &node) &&
			ration__origin_equal(&node, to))
			return true;
	return false;
}

/* NULL: may be followed. */
static const char *refusal(const struct ration__service_conf *service, const char *url,
	const struct ration__hop *before, const char *next, bool *foreign)
{
	struct ration__origin from, to;

	*foreign = before && before->foreign;
	if (ration__url_origin(url, &from) || ration__url_origin(next, &to))
		return "bad Location";
	if (from.tls && !to.tls)
		return "https to http";
	if (is_own(service, &from, &to))
		return NULL;
	*foreign = true;
	return service->redirects == RATION__REDIRECTS_ANY ? NULL : "to another origin";
}

static const char *method_of(const struct ration__call *call, bool get)
{
	const char *method = ration__call_method(call);

	return get && strcmp(method, "HEAD") != 0 ? "GET" : method;
}

/* Whether the next hop is made by GET: 301 and 302 as everybody does, 303 as its definition says.
 */
static bool becomes_get(int status, const char *method)
{
	if (status == 303)
		return strcmp(method, "HEAD") != 0;
	return (status == 301 || status == 302) && strcmp(method, "POST") == 0;
}

static uint64_t hash_of(const char *method, const char *url)
{
	uint64_t pair[2] = {
		ration__hash64(method, strlen(method)), ration__hash64(url, strlen(url))};

	return ration__hash64(pair, sizeof(pair));
}

static bool seen(const struct ration__hop *hop, uint64_t hash)
{
	for (uint32_t i = 0; i < hop->count; i++)
		if (hop->seen[i] == hash)
			return true;
	return false;
}

/* before with one more; NULL: out of memory. */
static struct ration__hop *make_hop(const struct ration__hop *before, const char *url)
{
	size_t size = strlen(url) + 1;
	struct ration__hop *hop = calloc(1, sizeof(*hop) + size);

	if (!hop)
		return NULL;
	if (before)
		memcpy(hop, before, sizeof(*hop));
	memcpy(hop->url, url, size);
	hop->count++;
	return hop;
}

/* url leads to `to`. */
static int follow(const struct ration__service_conf *service, const struct ration__call *call,
	const char *url, const struct ration__hop *before, int status, const char *to,
	struct ration__hop **next, const char **why)
{
	const char *method = method_of(call, before && before->get);
	struct ration__hop *hop;
	bool foreign, get;
	uint64_t hash;

	*why = refusal(service, url, before, to, &foreign);
	if (*why)
		return RATION_EREDIRECT;
	get = (before && before->get) || becomes_get(status, method);
	if (!get && !ration__call_rewinds(call)) {
		*why = "its body cannot be sent again";
		return RATION_EREDIRECT;
	}
	hop = make_hop(before, to);
	if (!hop)
		return RATION_ENOMEM;
	hop->seen[hop->count - 1] = hash_of(method, url);
	hop->get = get;
	hop->foreign = foreign;
	hop->pinned = status == 308 && (!before || before->pinned);
	hash = hash_of(method_of(call, get), to);
	if (!seen(hop, hash)) {
		*next = hop;
		return 0;
	}
	*why = "it leads back to where it was";
	free(hop);
	return RATION_EREDIRECT;
}

int ration__redirect_next(const struct ration__service_conf *service,
	const struct ration__call *call, const char *url, const struct ration__hop *before,
	const struct ration__attempt *attempt, struct ration__hop **next, const char **why)
{
	const char *location = find_location(attempt);
	struct ration__buffer reference, to;
	int rc = RATION_EREDIRECT;

	*why = NULL;
	if (service->redirects == RATION__REDIRECTS_NONE)
		*why = "not followed";
	else if ((before ? before->count : 0) >=
		 ration__min64(service->redirect_max, RATION__HOPS_MAX))
		*why = "too many";
	else if (!location)
		*why = "no Location, or more than one";
	if (*why)
		return rc;
	ration__buffer_init(&reference, 0);
	ration__buffer_init(&to, 0);
	ration__buffer_puts(&reference, "");
	if (!clean(&reference, location))
		*why = "bad Location";
	else if (!reference.failed)
		resolve(&to, url, reference.data, why);
	if (reference.failed || to.failed)
		rc = RATION_ENOMEM;
	else if (!*why && to.length > RATION__URL_MAX)
		*why = "Location is too long";
	else if (!*why)
		rc = follow(service, call, url, before, attempt->status, to.data, next, why);
	ration__buffer_fini(&reference);
	ration__buffer_fini(&to);
	return rc;
}
