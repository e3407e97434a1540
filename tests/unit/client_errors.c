/* Errors as a caller sees them: which status and which failure is what, what is tried again, and
 * what may be shown of it. */
#include <curl/curl.h>
#include "base/util.h"
#include "client_fixture.h"
#include "http/curlcode.h"

TestSuite(client_errors, .fini = check_leaks, .timeout = 60);

static struct fixture f;

/* ---- statuses ---- */

static const struct {
	int status, code;
	const char *kind;
	int sends; /* of a GET with three attempts, and three throttled ones */
	int connection;
} statuses[] = {
	{400, RATION_EREQUEST, "INVALID_INPUT", 1, 0},
	{401, RATION_EAUTH, "UNAUTHORIZED", 1, 0},
	{402, RATION_ESTATUS, "REQUEST_REFUSED", 1, 0},
	{403, RATION_EAUTH, "FORBIDDEN", 1, 0},
	{404, RATION_ENOTFOUND, "NOT_FOUND", 1, 0},
	{405, RATION_ESTATUS, "REQUEST_REFUSED", 1, 0},
	{408, RATION_ESERVERTIMEOUT, "REQUEST_TIMEOUT", 3, 1},
	{409, RATION_ESTATUS, "REQUEST_REFUSED", 1, 0},
	{410, RATION_ESTATUS, "REQUEST_REFUSED", 1, 0},
	{418, RATION_ESTATUS, "REQUEST_REFUSED", 1, 0},
	{422, RATION_EREQUEST, "INVALID_INPUT", 1, 0},
	{429, RATION_ETHROTTLED, "RATE_LIMITED", 3, 0},
	{451, RATION_ESTATUS, "REQUEST_REFUSED", 1, 0},
	{500, RATION_ESERVER, "SERVER_ERROR", 3, 1},
	{501, RATION_ESERVER, "SERVER_ERROR", 3, 1},
	{502, RATION_EUNAVAILABLE, "SERVICE_UNAVAILABLE", 3, 1},
	{503, RATION_EUNAVAILABLE, "SERVICE_UNAVAILABLE", 3, 1},
	{504, RATION_EUNAVAILABLE, "SERVICE_UNAVAILABLE", 3, 1},
	{599, RATION_ESERVER, "SERVER_ERROR", 3, 1},
};

Test(client_errors, R13_R14_S5_each_status_is_what_the_rows_say)
{
	fixture_init(&f);
	set(&f, "services.api.breaker", "off");
	set(&f, "services.api.retry.throttled_attempts", "3");
	set(&f, "services.api.retry.throttle.first", "1ms");
	set(&f, "services.api.retry.backoff.first", "1ms");
	fixture_open(&f);
	for (size_t i = 0; i < RATION__COUNT(statuses); i++) {
		ration_response *r = NULL;
		int before = f.server.requests, code = statuses[i].code;
		bool again = statuses[i].sends > 1;
		char path[32];

		snprintf(path, sizeof(path), "/s/%d", statuses[i].status);
		cr_expect_eq(ration_get(f.client, "api", path, &r), code, "%s", path);
		cr_assert(r);
		cr_expect_eq(ration_response_status(r), statuses[i].status);
		cr_expect_eq(f.server.requests - before, statuses[i].sends, "%s", path);
		cr_expect_str_eq(ration_response_kind(r),
			again ? "RETRIES_EXHAUSTED" : statuses[i].kind, "%s", path);
		if (statuses[i].status != 403)
			cr_expect_str_eq(ration_code_kind(code), statuses[i].kind, "%s", path);
		cr_expect_eq(ration_code_retryable(code), again, "%s", path);
		cr_expect_eq(ration_code_is_connection(code), statuses[i].connection, "%s", path);
		cr_expect_str_eq(ration_code_class(code), "status");
		ration_response_free(r);
	}
	fixture_close(&f);
}

Test(client_errors, R13_a_403_is_no_401)
{
	ration_response *r = NULL;

	fixture_init(&f);
	fixture_open(&f);
	cr_assert_eq(ration_get(f.client, "api", "/s/403", &r), RATION_EAUTH);
	cr_expect_str_eq(ration_response_kind(r), "FORBIDDEN");
	cr_expect_eq(strncmp(ration_response_summary(r), "[FORBIDDEN] ", 12), 0);
	ration_response_free(r);
	fixture_close(&f);
}

/* ---- libcurl ---- */

Test(client_errors, each_result_of_libcurl_has_its_line)
{
	cr_expect_not(ration__curl_listed(CURLE_OK));
	for (int i = 1; i < CURL_LAST; i++) {
		struct ration__curl_meaning sent = ration__curl_meaning(i, true),
					    unsent = ration__curl_meaning(i, false);

		cr_expect(ration__curl_listed(i), "%d: %s", i, curl_easy_strerror((CURLcode)i));
		cr_expect_str_neq(ration_code_kind(sent.code), "UNKNOWN", "%d", i);
		cr_expect_str_neq(ration_code_kind(unsent.code), "UNKNOWN", "%d", i);
		/* what was sent may have arrived, what was not has not */
		cr_expect_neq(sent.end, RATION__END_NOT_SENT, "%d", i);
		cr_expect_neq(unsent.end, RATION__END_AMBIGUOUS, "%d", i);
	}
	cr_expect_not(ration__curl_listed(CURL_LAST));
}

/* ---- forms ---- */

static bool is_debug_id(const char *id)
{
	return strlen(id) == 8 && strspn(id, "0123456789abcdef") == 8;
}

static ration_response *get_with_secrets(const char *path)
{
	ration_request *request = ration_request_new("api", "GET", path);
	ration_response *r = NULL;

	cr_assert_eq(ration_request_add_query(request, "key", "CANARY-query"), 0);
	cr_assert_eq(
		ration_request_set_header(request, "Authorization", "Bearer CANARY-header"), 0);
	cr_assert_eq(ration_request_set_body(request, "CANARY-body", 11, NULL), 0);
	ration_perform(f.client, request, &r);
	cr_assert(r);
	ration_request_free(request);
	return r;
}

/* What is told to anyone, and to developers. */
static void check_forms(ration_response *r, const char *kind)
{
	char want[1024], *json = NULL, *debug = NULL;

	cr_expect_str_eq(ration_response_kind(r), kind);
	cr_expect(is_debug_id(ration_response_debug_id(r)));
	snprintf(want, sizeof(want), "[%s] %s", kind, ration_response_message(r));
	cr_expect_str_eq(ration_response_summary(r), want);
	cr_assert_eq(ration_response_error(r, &json), 0);
	snprintf(want, sizeof(want), "{\"code\":\"%s\",\"message\":\"%s\",\"debug_id\":\"%s\"}",
		kind, ration_response_message(r), ration_response_debug_id(r));
	cr_expect_str_eq(json, want);
	cr_expect_not(strstr(json, "CANARY"), "%s", json);
	cr_assert_eq(ration_response_debug(r, &debug), 0);
	cr_expect_not(strstr(debug, "CANARY"), "%s", debug);
	cr_expect(strstr(debug, ration_response_debug_id(r)), "%s", debug);
	cr_expect(strstr(debug, ration_code_name(ration_response_code(r))), "%s", debug);
	cr_expect(strstr(debug, "attempt 1: "), "%s", debug);
	cr_expect(strstr(debug, "127.0.0.1"), "%s", debug);
	ration_free(json);
	ration_free(debug);
	ration_response_free(r);
}

Test(client_errors, S3_code_safe_message_debug_message_and_debug_id)
{
	ration_response *r, *other;

	fixture_init(&f);
	set(&f, "services.api.retry.backoff.first", "1ms");
	fixture_open(&f);
	check_forms(get_with_secrets("/s/404"), "NOT_FOUND");
	check_forms(get_with_secrets("/s/503"), "RETRIES_EXHAUSTED");
	r = get_with_secrets("/s/404");
	other = get_with_secrets("/s/404");
	cr_expect_str_neq(ration_response_debug_id(r), ration_response_debug_id(other));
	cr_expect_eq(ration_response_error(r, NULL), RATION_EINVAL);
	cr_expect_eq(ration_response_debug(r, NULL), RATION_EINVAL);
	ration_response_free(r);
	ration_response_free(other);
	fixture_close(&f);
}

Test(client_errors, S3_what_libcurl_says_is_for_developers_only)
{
	ration_response *r = NULL;
	char *debug = NULL;

	fixture_init(&f);
	set(&f, "services.api.uris", "http://127.0.0.1:1");
	set(&f, "services.api.retry.attempts", "1");
	fixture_open(&f);
	cr_assert_eq(ration_get(f.client, "api", "/x?key=CANARY", &r), RATION_ECONNECT);
	cr_expect_str_eq(ration_response_message(r), "connection failed: Connection refused");
	cr_assert_eq(ration_response_debug(r, &debug), 0);
	cr_expect(strstr(debug, "127.0.0.1 port 1"), "%s", debug);
	cr_expect(strstr(debug, "libcurl 7 ("), "%s", debug);
	ration_free(debug);
	check_forms(r, "CONNECTION_ERROR");
	fixture_close(&f);
}

Test(client_errors, S3_success_is_no_error)
{
	ration_response *r = NULL;
	char *debug = NULL;

	fixture_init(&f);
	fixture_open(&f);
	cr_assert_eq(ration_get(f.client, "api", "/hello", &r), 0);
	cr_expect_str_eq(ration_response_kind(r), "OK");
	cr_expect_str_eq(ration_response_summary(r), "[OK] ok");
	cr_expect_str_eq(ration_response_debug_id(r), "");
	cr_assert_eq(ration_response_debug(r, &debug), 0);
	cr_expect(strstr(debug, "attempt 1: OK (status 200)"), "%s", debug);
	ration_free(debug);
	ration_response_free(r);
	fixture_close(&f);
}

/* ---- told apart ---- */

struct end {
	int code, exhausted;
	char kind[32], class_name[16];
};

static struct end end_of(int code, ration_response *r)
{
	struct end end = {.code = code, .exhausted = ration_response_exhausted(r)};

	snprintf(end.kind, sizeof(end.kind), "%s", ration_response_kind(r));
	snprintf(end.class_name, sizeof(end.class_name), "%s", ration_code_class(code));
	ration_response_free(r);
	return end;
}

static struct end end_get(const char *service, const char *path)
{
	ration_response *r = NULL;
	int code = ration_get(f.client, service, path, &r);

	cr_assert(r);
	return end_of(code, r);
}

static void add_service(const char *name)
{
	char path[64], uri[64];

	snprintf(path, sizeof(path), "services.%s.uris", name);
	snprintf(uri, sizeof(uri), "http://127.0.0.1:%d", f.server.port);
	set(&f, path, uri);
}

Test(client_errors, D15_E26_R15_each_way_to_fail_is_its_own)
{
	ration_response *r = NULL;
	struct end ends[6];
	ration_ticket ticket;

	fixture_init(&f);
	set(&f, "services.gone.uris", "http://127.0.0.1:1");
	set(&f, "services.gone.retry.attempts", "1");
	set(&f, "services.api.retry.backoff.first", "1ms");
	add_service("slow");
	set(&f, "services.slow.timeouts.read", "30ms");
	set(&f, "services.slow.retry.attempts", "1");
	add_service("broken");
	set(&f, "services.broken.retry.attempts", "1");
	set(&f, "services.broken.breaker.trip_after", "1");
	add_service("full");
	set(&f, "services.full.concurrency", "1");
	set(&f, "services.full.concurrency.wait", "30ms");
	set(&f, "services.full.breaker.trip_after", "1");
	fixture_open(&f);

	ends[0] = end_get("gone", "/x");
	cr_expect_eq(ends[0].code, RATION_ECONNECT);
	cr_expect_str_eq(ends[0].kind, "CONNECTION_ERROR");
	cr_expect_str_eq(ends[0].class_name, "transport");

	ends[1] = end_get("slow", "/hang");
	cr_expect_eq(ends[1].code, RATION_EREADTIMEOUT);
	cr_expect_str_eq(ends[1].kind, "TIMEOUT");
	cr_expect_str_eq(ends[1].class_name, "timeout");

	ends[2] = end_get("broken", "/s/500");
	cr_expect_eq(ends[2].code, RATION_ESERVER);
	cr_expect_str_eq(ends[2].kind, "SERVER_ERROR");
	cr_expect_str_eq(ends[2].class_name, "status");

	ends[3] = end_get("api", "/s/503");
	cr_expect_eq(ends[3].code, RATION_EUNAVAILABLE);
	cr_expect_eq(ends[3].exhausted, RATION_EXHAUSTED_ATTEMPTS);
	cr_expect_str_eq(ends[3].kind, "RETRIES_EXHAUSTED");

	int before = f.server.requests;

	ends[4] = end_get("broken", "/hello");
	cr_expect_eq(ends[4].code, RATION_DENIED_BREAKER);
	cr_expect_str_eq(ends[4].kind, "CIRCUIT_OPEN");
	cr_expect_str_eq(ends[4].class_name, "denied");
	cr_expect_eq(f.server.requests, before, "nothing is sent while the breaker is open");

	/* the one place is taken: a timeout of the pool, with nothing sent, that no breaker counts
	 */
	cr_assert_eq(
		ration_submit(f.client, ration_request_new("full", "GET", "/hang"), 0, &ticket), 0);
	UNTIL(f.server.requests == before + 1);
	cr_assert_eq(ration_get(f.client, "full", "/hello", &r), RATION_DENIED_CONCURRENCY);
	cr_expect_eq(ration_response_sent(r), 0);
	cr_expect_eq(ration_response_attempts(r), 0);
	ends[5] = end_of(RATION_DENIED_CONCURRENCY, r);
	cr_expect_str_eq(ends[5].kind, "POOL_TIMEOUT");
	cr_expect_str_eq(ends[5].class_name, "denied");
	cr_expect_eq(f.server.requests, before + 1);
	cr_assert_eq(ration_cancel(f.client, ticket), 0);
	cr_assert_eq(ration_next(f.client, -1, &r), 0);
	cr_expect_str_eq(ration_response_kind(r), "CANCELLED");
	ration_response_free(r);
	cr_expect_eq(end_get("full", "/hello").code, 0, "the breaker is as it was");

	for (int i = 0; i < 6; i++)
		for (int j = 0; j < i; j++) {
			cr_expect_str_neq(ends[i].kind, ends[j].kind);
			cr_expect_neq(ends[i].code, ends[j].code);
		}
	fixture_close(&f);
}
