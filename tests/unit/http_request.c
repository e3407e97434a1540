/* Requests: what is refused, how they are packed, what they cost. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "http/call.h"
#include "http/limits.h"
#include "http_leaks.h"

TestSuite(request, .fini = check_leaks);

static struct ration__service_conf service = {
	.name = "s", .base = "http://api.example.com:8080/v1"};

/* Packs, or says why not. Free the call. */
static struct ration__call *pack_for(
	const ration_request *request, const struct ration__service_conf *conf, int *code)
{
	size_t size = 0;
	struct ration__call *call = NULL;

	*code = ration__call_measure(request, conf, &size);
	if (*code)
		return NULL;
	call = malloc(size);
	memset(call, 0xa5, size);
	ration__call_pack(request, conf, call);
	cr_assert_eq(ration__call_size(call), size);
	return call;
}

static struct ration__call *pack(const ration_request *request)
{
	int code;
	struct ration__call *call = pack_for(request, &service, &code);

	cr_assert_eq(code, 0, "%s", ration_code_name(code));
	return call;
}

static void url_of(const struct ration__call *call, const struct ration__service_conf *conf,
	char *out, size_t size)
{
	size_t length;
	const char *prefix = ration__call_prefix(call, conf->base, &length);

	snprintf(out, size, "%.*s%s", (int)length, prefix, ration__call_text(call, call->target));
}

static const char *header_of(const struct ration__call *call, unsigned i)
{
	const char *line = ration__call_text(call, call->headers);

	while (i--)
		line += strlen(line) + 1;
	return line;
}

/* What base and target make; code 0 or the refusal. */
struct join {
	const char *base, *target, *url;
	int code;
};

static void check_join(const struct join *join)
{
	struct ration__service_conf conf = {.base = join->base};
	ration_request *request = ration_request_new("s", "GET", join->target);
	int code;
	struct ration__call *call = pack_for(request, &conf, &code);
	char url[512] = "";

	cr_expect_eq(
		code, join->code, "%s + %s: %s", join->base, join->target, ration_code_name(code));
	if (call) {
		url_of(call, &conf, url, sizeof(url));
		cr_expect_str_eq(url, join->url, "%s + %s", join->base, join->target);
	}
	free(call);
	ration_request_free(request);
}

Test(request, S6_joined_with_exactly_one_slash)
{
	static const struct join joins[] = {
		{"http://h", "/a", "http://h/a", 0},
		{"http://h", "a", "http://h/a", 0},
		{"http://h/", "/a", "http://h/a", 0},
		{"http://h/v1", "/a", "http://h/v1/a", 0},
		{"http://h/v1/", "a/", "http://h/v1/a/", 0},
		{"http://h/v1//", "//evil.example/x", "http://h/v1/evil.example/x", 0},
		{"http://h/v1", "", "http://h/v1", 0},
		{"http://h/v1", "?q=1", "http://h/v1?q=1", 0},
		{"http://h", "/a?u=http://x/y", "http://h/a?u=http://x/y", 0},
		{"http://h", "/a#part", "http://h/a", 0},
		{"http://h", "/\xc3\xa4?\xc3\xb6", "http://h/%C3%A4?%C3%B6", 0},
	};

	for (size_t i = 0; i < RATION__COUNT(joins); i++)
		check_join(&joins[i]);
}

Test(request, R2_absolute_url_of_the_same_origin_only)
{
	static const struct join joins[] = {
		{"http://h/v1", "http://h/b", "http://h/b", 0},
		{"http://h/v1", "HTTP://H:80/b?c", "http://h/b?c", 0},
		{"https://h:443", "https://h", "https://h:443", 0},
		{"https://h", "https://h?q", "https://h?q", 0},
		{"http://[::1]:81/v1", "http://[::1]:81/x", "http://[::1]:81/x", 0},
		{"http://h", "https://h/b", NULL, RATION_EURL},
		{"http://h", "http://h:81/b", NULL, RATION_EURL},
		{"http://h", "http://h2/b", NULL, RATION_EURL},
		{"http://h", "http://h.evil/b", NULL, RATION_EURL},
		{"http://h", "http://user:secret@h/b", NULL, RATION_EURL},
		{"http://h", "http://h@evil/b", NULL, RATION_EURL},
		{"http://h", "http://h\\@evil/b", NULL, RATION_EURL},
		{"http://h", "http://h:80:80/b", NULL, RATION_EURL},
		{"http://h", "http://h:99999/b", NULL, RATION_EURL},
		{"http://h", "http:///b", NULL, RATION_EURL},
		{"http://[::1]", "http://[::1]x/b", NULL, RATION_EURL},
		{"http://[::1]", "http://[::1/b", NULL, RATION_EURL},
		{"http://h", "http://%68/b", NULL, RATION_EURL},
		{"http://h", "ftp://h/b", NULL, RATION_EURL},
		{"http://h", "file:///etc/passwd", NULL, RATION_EURL},
		{"ftp://h", "/b", NULL, RATION_EURL},
		{NULL, "/b", NULL, RATION_ESERVICE},
	};

	for (size_t i = 0; i < RATION__COUNT(joins); i++)
		check_join(&joins[i]);
}

Test(request, target_with_blanks_or_controls_is_refused)
{
	static const struct join joins[] = {
		{"http://h", "/a b", NULL, RATION_EURL},
		{"http://h", "/a\r\nX: y", NULL, RATION_EURL},
		{"http://h", "/a\tb", NULL, RATION_EURL},
		{"http://h", "/a\x7f", NULL, RATION_EURL},
		{"http://h", "/a# b", NULL, RATION_EURL},
	};

	for (size_t i = 0; i < RATION__COUNT(joins); i++)
		check_join(&joins[i]);
}

Test(request, R10_query_parameters_are_encoded)
{
	ration_request *request = ration_request_new("s", "GET", "/a?x=1");
	char url[256];

	cr_assert_eq(ration_request_add_query(request, "q", "a b&c=d/\xc3\xa4+~"), 0);
	cr_assert_eq(ration_request_add_query(request, "n&", ""), 0);
	struct ration__call *call = pack(request);

	url_of(call, &service, url, sizeof(url));
	cr_expect_str_eq(
		url, "http://api.example.com:8080/v1/a?x=1&q=a%20b%26c%3Dd%2F%C3%A4%2B~&n%26=");
	free(call);
	ration_request_free(request);

	request = ration_request_new("s", "GET", "/a");
	ration_request_add_query(request, "q", "1");
	call = pack(request);
	url_of(call, &service, url, sizeof(url));
	cr_expect_str_eq(url, "http://api.example.com:8080/v1/a?q=1");
	free(call);
	ration_request_free(request);
}

Test(request, headers_that_would_inject_are_refused)
{
	static const struct {
		const char *name, *value;
	} bad[] = {
		{"X-A", "b\r\nX-Evil: 1"},
		{"X-A", "b\n"},
		{"X-A", "b\rc"},
		{"X-A", "b\x01"},
		{"X-A", "b\x7f"},
		{"X-A", " b"},
		{"X-A:", "b"},
		{"X A", "b"},
		{"", "b"},
		{"X-A\r\nX-Evil", "b"},
		{"X\xc3\xa4", "b"},
		{"Content-Length", "5"},
		{"content-length", "5"},
		{"Transfer-Encoding", "chunked"},
		{"Host", "evil"},
		{"Connection", "close"},
		{"Keep-Alive", "1"},
		{"Proxy-Connection", "1"},
		{"TE", "x"},
		{"Trailer", "x"},
		{"Upgrade", "h2c"},
		{"Expect", "100-continue"},
	};

	for (size_t i = 0; i < RATION__COUNT(bad); i++) {
		ration_request *request = ration_request_new("s", "GET", "/");
		int code;

		cr_expect_eq(ration_request_set_header(request, bad[i].name, bad[i].value),
			RATION_EHEADER, "set %s", bad[i].name);
		cr_expect_eq(ration_request_add_header(request, bad[i].name, bad[i].value),
			RATION_EHEADER, "add %s", bad[i].name);
		struct ration__call *call = pack_for(request, &service, &code);

		cr_expect_null(call);
		cr_expect_eq(code, RATION_EHEADER, "the mistake is kept");
		free(call);
		ration_request_free(request);
	}
}

Test(request, set_replaces_add_adds)
{
	ration_request *request = ration_request_new("s", "GET", "/");

	cr_assert_eq(ration_request_add_header(request, "X-A", "1"), 0);
	cr_assert_eq(ration_request_add_header(request, "x-a", "2"), 0);
	cr_assert_eq(ration_request_add_header(request, "X-B", ""), 0);
	cr_assert_eq(ration_request_set_header(request, "X-b", "tab\tand \xc3\xa4"), 0);
	struct ration__call *call = pack(request);

	cr_assert_eq(call->header_count, 3);
	cr_expect_str_eq(header_of(call, 0), "X-A: 1");
	cr_expect_str_eq(header_of(call, 1), "x-a: 2");
	cr_expect_str_eq(header_of(call, 2), "X-b: tab\tand \xc3\xa4");
	free(call);
	cr_assert_eq(ration_request_set_header(request, "X-A", ""), 0);
	call = pack(request);
	cr_assert_eq(call->header_count, 2);
	cr_expect_str_eq(header_of(call, 1), "X-A;", "libcurl's spelling of an empty value");
	free(call);
	ration_request_free(request);
}

Test(request, X1_what_may_be_repeated)
{
	static const struct {
		const char *method, *header;
		bool repeatable;
	} rows[] = {
		{"GET", NULL, true},
		{"HEAD", NULL, true},
		{"OPTIONS", NULL, true},
		{"get", NULL, true},
		{"POST", NULL, false},
		{"PUT", NULL, false},
		{"DELETE", NULL, false},
		{"PATCH", NULL, false},
		{"POST", "Idempotency-Key", true},
		{"POST", "x-request-id", true},
		{"POST", "X-Other", false},
	};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		ration_request *request = ration_request_new("s", rows[i].method, "/");

		if (rows[i].header)
			cr_assert_eq(ration_request_set_header(request, rows[i].header, "k"), 0);
		struct ration__call *call = pack(request);

		cr_expect_eq(ration__call_repeatable(call), rows[i].repeatable, "%s %s",
			rows[i].method, rows[i].header ? rows[i].header : "");
		free(call);
		ration_request_free(request);
	}
}

Test(request, idempotency_key_is_a_quoted_string)
{
	ration_request *request = ration_request_new("s", "POST", "/");

	cr_assert_eq(ration_request_set_idempotency_key(request, "first"), 0);
	cr_assert_eq(ration_request_set_idempotency_key(request, "a\"b\\c"), 0);
	struct ration__call *call = pack(request);

	cr_assert_eq(call->header_count, 1);
	cr_expect_str_eq(header_of(call, 0), "Idempotency-Key: \"a\\\"b\\\\c\"");
	cr_expect(ration__call_repeatable(call));
	free(call);
	cr_assert_eq(ration_request_add_header(request, "idempotency-key", "raw"), 0);
	call = pack(request);
	cr_assert_eq(call->header_count, 1, "two would leave the choice to the server");
	cr_expect_str_eq(header_of(call, 0), "idempotency-key: raw");
	free(call);
	cr_expect_eq(ration_request_set_idempotency_key(request, "a\nb"), RATION_EHEADER);
	ration_request_free(request);
}

Test(request, idempotency_key_quoted_once_or_raw)
{
	static const struct {
		const char *key, *quoted, *raw;
	} rows[] = {
		{"k1", "\"k1\"", "k1"},
		{"a\"b\\c", "\"a\\\"b\\\\c\"", "a\"b\\c"},
		{"\"k1\"", "\"k1\"", "\"k1\""}, /* is one already */
		{"\"a\\\"b\"", "\"a\\\"b\"", "\"a\\\"b\""},
		{"\"a\\b\"", "\"\\\"a\\\\b\\\"\"", "\"a\\b\""}, /* a bad escape: is none */
		{"\"a\"b\"", "\"\\\"a\\\"b\\\"\"", "\"a\"b\""},
		{"\"", "\"\\\"\"", "\""},
		{"\"a\\", "\"\\\"a\\\\\"", "\"a\\"},
	};
	struct ration__service_conf raw = service;
	char want[128];

	raw.idempotency_raw = 1;
	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		ration_request *request = ration_request_new("s", "POST", "/");
		struct ration__call *call;
		int code;

		cr_assert_eq(ration_request_set_idempotency_key(request, rows[i].key), 0);
		call = pack(request);
		snprintf(want, sizeof(want), "Idempotency-Key: %s", rows[i].quoted);
		cr_expect_str_eq(header_of(call, 0), want);
		cr_expect(ration__call_keyed(call));
		cr_expect(ration__call_rewinds(call));
		free(call);
		call = pack_for(request, &raw, &code);
		snprintf(want, sizeof(want), "Idempotency-Key: %s", rows[i].raw);
		cr_expect_str_eq(header_of(call, 0), want);
		free(call);
		ration_request_free(request);
	}
}

Test(request, methods)
{
	static const struct {
		const char *method, *sent;
	} rows[] = {{"post", "POST"}, {"Patch", "PATCH"}, {"PURGE", "PURGE"}, {"purge", "purge"},
		{"GET ", NULL}, {"GET\r\n", NULL}, {"", NULL}, {"CONNECT", NULL}, {"G/T", NULL},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHI", NULL}};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		ration_request *request = ration_request_new("s", rows[i].method, "/");
		int code;
		struct ration__call *call = pack_for(request, &service, &code);

		if (rows[i].sent)
			cr_expect_str_eq(ration__call_method(call), rows[i].sent);
		else
			cr_expect_eq(code, RATION_EINVAL, "%s", rows[i].method);
		free(call);
		ration_request_free(request);
	}
}

Test(request, body_and_json)
{
	ration_request *request = ration_request_new("s", "POST", "/");

	cr_assert_eq(ration_request_set_body(request, "a\0b", 3, "text/plain"), 0);
	struct ration__call *call = pack(request);

	cr_assert_eq(call->body_length, 3);
	cr_expect_arr_eq(ration__call_text(call, call->body), "a\0b", 3);
	cr_expect_str_eq(header_of(call, 0), "Content-Type: text/plain");
	free(call);
	cr_assert_eq(ration_request_set_json(request, "{ \"x\": 1 }"), 0);
	call = pack(request);
	cr_assert_eq(call->header_count, 1);
	cr_expect_str_eq(header_of(call, 0), "Content-Type: application/json");
	cr_expect_arr_eq(ration__call_text(call, call->body), "{ \"x\": 1 }", 10);
	free(call);
	cr_expect_eq(ration_request_set_body(request, "x", 1, "a\r\nb"), RATION_EHEADER);
	ration_request_free(request);

	request = ration_request_new("s", "POST", "/");
	cr_expect_eq(ration_request_set_json(request, "{x:1}"), RATION_EJSON);
	ration_request_free(request);

	/* Neither end agrees what such a body means. */
	request = ration_request_new("s", "HEAD", "/");
	cr_assert_eq(ration_request_set_body(request, "x", 1, NULL), 0);
	int code;

	cr_expect_null(pack_for(request, &service, &code));
	cr_expect_eq(code, RATION_EINVAL);
	ration_request_free(request);
}

Test(request, limits_have_their_error)
{
	static char big[RATION__URL_MAX + 2];

	memset(big, 'a', sizeof(big) - 1);
	ration_request *request = ration_request_new("s", "GET", big);
	int code;

	cr_expect_null(pack_for(request, &service, &code));
	cr_expect_eq(code, RATION_ETOOBIG);
	ration_request_free(request);

	/* In time, but not once encoded. */
	request = ration_request_new("s", "GET", "/");
	memset(big, '/', RATION__URL_MAX / 2);
	big[RATION__URL_MAX / 2] = '\0';
	cr_expect_eq(ration_request_add_query(request, "q", big), RATION_ETOOBIG);
	ration_request_free(request);

	request = ration_request_new("s", "GET", "/");
	memset(big, 'a', sizeof(big) - 1);
	for (code = 0; !code;)
		code = ration_request_add_header(request, "X-A", big);
	cr_expect_eq(code, RATION_ETOOBIG);
	big[RATION__ID_MAX + 1] = '\0';
	cr_expect_eq(ration_request_set_id(request, big), RATION_ETOOBIG);
	cr_expect_eq(ration_request_set_key(request, "k", big), RATION_ETOOBIG);
	cr_expect_eq(ration_request_set_idempotency_key(request, big), RATION_ETOOBIG);
	cr_expect_eq(ration_request_set_priority(request, 101), RATION_EINVAL);
	cr_expect_eq(ration_request_set_cost(request, "", -1), RATION_EINVAL);
	cr_expect_eq(ration_request_set_cost(request, "", 0.0 / 0.0), RATION_EINVAL);
	cr_expect_eq(ration_request_set_deadline(request, -2), RATION_EINVAL);
	cr_expect_eq(ration_request_set_meta(request, "{"), RATION_EJSON);
	ration_request_free(request);
}

Test(request, view_shows_what_the_pool_asks_for)
{
	ration_request *request = ration_request_new("svc", "GET", "/");
	struct ration__request_view view;
	int here;

	cr_assert_eq(ration_request_set_key(request, "tenant", "acme"), 0);
	cr_assert_eq(ration_request_set_key(request, "agent", "a"), 0);
	cr_assert_eq(ration_request_set_key(request, "zone", "z"), 0);
	cr_assert_eq(ration_request_set_key(request, "agent", "b"), 0);
	cr_assert_eq(ration_request_set_cost(request, "tokens", 350), 0);
	cr_assert_eq(ration_request_set_cost(request, "tokens", 351), 0);
	cr_assert_eq(ration_request_set_option(request, "timeouts.read", "1s"), 0);
	cr_assert_eq(ration_request_set_priority(request, -100), 0);
	cr_assert_eq(ration_request_set_deadline(request, 5), 0);
	ration_request_set_user(request, &here);
	ration__request_view(request, &view);
	cr_expect_str_eq(view.service, "svc");
	cr_assert_eq(view.key_count, 3);
	cr_expect_str_eq(view.keys[0].name, "agent");
	cr_expect_str_eq(view.keys[0].value, "b");
	cr_expect_str_eq(view.keys[1].name, "tenant");
	cr_expect_str_eq(view.keys[2].value, "z");
	cr_assert_eq(view.cost_count, 1);
	cr_expect_eq(view.costs[0].cost, 351);
	cr_assert_eq(view.option_count, 1);
	cr_expect_str_eq(view.options[0].value, "1s");
	cr_expect_eq(view.priority, -100);
	cr_expect_eq(view.deadline_ms, 5);
	cr_expect_eq(view.user, &here);
	cr_expect_eq(view.error, 0);
	ration_request_free(request);
}

Test(request, packed_call_costs_little_over_its_own_bytes)
{
	static const char meta[] = "{\"row\":7}", body[] = "hello";
	ration_request *request = ration_request_new("s", "POST", "/pages");

	ration_request_set_body(request, body, 5, "text/plain");
	ration_request_set_id(request, "42");
	ration_request_set_meta(request, meta);
	size_t own = strlen("POST") + strlen("/pages") + strlen("Content-Type: text/plain") +
		     strlen("42") + strlen(meta) + strlen(body);
	struct ration__call *call = pack(request);

	cr_expect_leq(ration__call_size(call), own + 56);
	cr_expect_str_eq(ration__call_text(call, call->meta), meta);
	free(call);
	ration_request_free(request);
}

Test(request, misuse_is_answered)
{
	ration_request *request = ration_request_new(NULL, NULL, NULL);
	struct ration__request_view view;

	ration__request_view(request, &view);
	cr_expect_eq(view.error, RATION_EINVAL);
	cr_expect_eq(ration_request_set_header(request, NULL, "x"), RATION_EINVAL);
	cr_expect_eq(ration_request_set_body(request, NULL, 3, NULL), RATION_EINVAL);
	cr_expect_eq(ration_request_set_key(NULL, "a", "b"), RATION_EINVAL);
	ration_request_free(request);
	ration_request_free(NULL);
}
