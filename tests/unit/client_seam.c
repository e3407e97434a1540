/* A transport of the test's own in place of the network: what it sees, and that the rest of the
 * library works as if it were one. */
#include <ration/ration.h>
#include <stdatomic.h>
#include "base/util.h"
#include "client_fixture.h"

TestSuite(seam, .fini = check_leaks, .timeout = 60);

static struct fixture f;
static atomic_int calls;
static atomic_int sum; /* of what a sink was given */

static void seam_open(ration_transport_fn fn)
{
	ration_config_set_transport(f.config, fn, &f);
	fixture_open(&f);
}

static void seam_close(void)
{
	cr_expect_eq(f.server.connections, 0, "the network was used");
	fixture_close(&f);
}

static ration_response *perform(const char *method, const char *target, int code)
{
	ration_request *request = ration_request_new("api", method, target);
	ration_response *r = NULL;

	cr_assert(request);
	cr_expect_eq(ration_perform(f.client, request, &r), code, "%s %s", method, target);
	cr_assert(r);
	ration_request_free(request);
	return r;
}

/* ---- what it sees ---- */

static void look(void *arg, ration_exchange *e)
{
	static const char *const headers[] = {
		"X-Answer", "yes", "Content-Type", "text/plain", NULL};
	char url[96];
	const char *name, *value;
	size_t length = 0, count = 0;
	bool id = false;

	cr_expect_eq(arg, &f);
	cr_expect_str_eq(ration_exchange_service(e), "api");
	cr_expect_str_eq(ration_exchange_method(e), "POST");
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1/x?a=b%%20c", f.server.port);
	cr_expect_str_eq(ration_exchange_url(e), url);
	cr_expect_str_eq(ration_exchange_header(e, "content-type"), "application/json");
	cr_expect_str_eq(ration_exchange_header(e, "X-Own"), "mine");
	cr_expect_str_eq(ration_exchange_header(e, "X-Empty"), "");
	cr_expect_eq(strncmp(ration_exchange_header(e, "User-Agent"), "libration/", 10), 0);
	cr_expect_eq(strlen(ration_exchange_header(e, "X-Request-ID")), 36);
	cr_expect_null(ration_exchange_header(e, "X-None"));
	cr_expect_null(ration_exchange_header(e, "Expect"));
	cr_expect_null(ration_exchange_header(e, NULL));
	while (ration_exchange_header_at(e, count, &name, &value) == 0) {
		id |= strcmp(name, "X-Request-ID") == 0;
		count++;
	}
	cr_expect(id && count >= 5, "%zu", count);
	cr_expect_str_eq(ration_exchange_body(e, &length), "{\"n\":1}");
	cr_expect_eq(length, 7);
	cr_expect_eq(ration_exchange_timeout_ms(e), 7000);
	cr_expect_eq(ration_exchange_attempt(e), 1);
	cr_expect_eq(ration_exchange_answer(e, 201, headers, "a\0b", 3), 0);
	calls++;
}

Test(seam, R24_sees_what_would_be_sent_and_answers)
{
	ration_request *request = ration_request_new("api", "POST", "/v1/x");
	ration_response *r = NULL;
	size_t length;

	fixture_init(&f);
	set(&f, "services.api.timeouts.attempt", "7s");
	seam_open(look);
	cr_assert_eq(ration_request_add_query(request, "a", "b c"), 0);
	cr_assert_eq(ration_request_set_header(request, "X-Own", "mine"), 0);
	cr_assert_eq(ration_request_set_header(request, "X-Empty", ""), 0);
	cr_assert_eq(ration_request_set_json(request, "{\"n\":1}"), 0);
	cr_assert_eq(ration_perform(f.client, request, &r), 0, "%s",
		r ? ration_response_message(r) : "");
	cr_expect_eq(ration_response_status(r), 201);
	cr_expect_eq(ration_response_sent(r), 1);
	cr_expect_str_eq(ration_response_header(r, "x-answer"), "yes");
	cr_expect_eq(memcmp(ration_response_body(r, &length), "a\0b", 3), 0);
	cr_expect_eq(length, 3);
	cr_expect_eq(calls, 1);
	ration_response_free(r);
	ration_request_free(request);
	seam_close();
}

static void misuse(void *arg, ration_exchange *e)
{
	static const char *const odd[] = {"X-Name", NULL};
	static const char *const split[] = {"X-Name", "a\r\nX-Other: b", NULL};
	static const char *const name[] = {"X Name", "a", NULL};

	cr_expect_eq(ration_exchange_answer(e, 100, NULL, NULL, 0), RATION_EINVAL);
	cr_expect_eq(ration_exchange_answer(e, 600, NULL, NULL, 0), RATION_EINVAL);
	cr_expect_eq(ration_exchange_answer(e, 200, NULL, NULL, 1), RATION_EINVAL);
	cr_expect_eq(ration_exchange_answer(e, 200, odd, NULL, 0), RATION_EHEADER);
	cr_expect_eq(ration_exchange_answer(e, 200, split, NULL, 0), RATION_EHEADER);
	cr_expect_eq(ration_exchange_answer(e, 200, name, NULL, 0), RATION_EHEADER);
	cr_expect_eq(ration_exchange_fail(e, RATION_EAUTH), RATION_EINVAL);
	cr_expect_eq(ration_exchange_fail(e, 0), RATION_EINVAL);
	cr_expect_eq(ration_exchange_fail(e, RATION_EDEADLINE), RATION_EINVAL);
	cr_expect_eq(ration_exchange_delay(e, -1), RATION_EINVAL);
	cr_expect_eq(ration_exchange_answer(e, 404, NULL, "no", 2), 0);
	cr_expect_eq(ration_exchange_answer(e, 200, NULL, NULL, 0), RATION_EBUSY);
	cr_expect_eq(ration_exchange_fail(e, RATION_ERESET), RATION_EBUSY);
}

Test(seam, says_one_thing_and_says_it_right)
{
	fixture_init(&f);
	seam_open(misuse);
	ration_response_free(perform("GET", "/x", RATION_ENOTFOUND));
	/* no body after HEAD, whatever is given */
	ration_response *r = perform("HEAD", "/x", RATION_ENOTFOUND);
	size_t length = 9;

	ration_response_body(r, &length);
	cr_expect_eq(length, 0);
	ration_response_free(r);
	seam_close();
}

/* ---- the rest of the library ---- */

/* The path says what: /answer/N, /fail/N (a code, negated), /twice: 503 until the third attempt. */
static void obey(void *arg, ration_exchange *e)
{
	static const char *const to[] = {"Location", "/answer/200?hop", NULL};
	const char *url = ration_exchange_url(e), *at;

	calls++;
	if ((at = strstr(url, "/answer/")))
		ration_exchange_answer(e, atoi(at + 8), NULL, "body", 4);
	else if ((at = strstr(url, "/fail/")))
		cr_expect_eq(ration_exchange_fail(e, -atoi(at + 6)), 0, "%s", url);
	else if (strstr(url, "/twice"))
		ration_exchange_answer(
			e, ration_exchange_attempt(e) < 3 ? 503 : 200, NULL, NULL, 0);
	else if (strstr(url, "/moved"))
		ration_exchange_answer(e, 302, to, NULL, 0);
}

Test(seam, R24_retries_and_redirects_are_as_with_the_network)
{
	ration_response *r;

	fixture_init(&f);
	set(&f, "services.api.retry.backoff.first", "1ms");
	seam_open(obey);
	r = perform("GET", "/twice", 0);
	cr_expect_eq(ration_response_attempts(r), 3);
	cr_expect_eq(calls, 3);
	ration_response_free(r);
	r = perform("GET", "/moved", 0);
	cr_expect_eq(calls, 5);
	cr_expect(strstr(ration_response_url(r), "/answer/200?hop"), "%s", ration_response_url(r));
	ration_response_free(r);
	r = perform("POST", "/answer/503", RATION_EUNAVAILABLE);
	cr_expect_eq(calls, 6, "not safe to repeat");
	ration_response_free(r);
	seam_close();
}

static const struct {
	int code, get_calls, post_calls, post_code;
	int8_t sent;
} failures[] = {
	{RATION_ECONNECT, 3, 3, RATION_ECONNECT, 0},
	{RATION_EDNS, 3, 3, RATION_EDNS, 0},
	{RATION_ETLS, 3, 3, RATION_ETLS, 0},
	{RATION_ECONNECTTIMEOUT, 3, 3, RATION_ECONNECTTIMEOUT, 0},
	{RATION_EADDRESS, 1, 1, RATION_EADDRESS, 0},
	{RATION_ERESET, 3, 1, RATION_EUNKNOWN, 1},
	{RATION_EREADTIMEOUT, 3, 1, RATION_EUNKNOWN, 1},
	{RATION_ETIMEOUT, 3, 1, RATION_EUNKNOWN, 1},
};

Test(seam, R24_X5_failures_mean_what_they_mean_on_the_network)
{
	fixture_init(&f);
	set(&f, "services.api.breaker", "off");
	set(&f, "services.api.retry.backoff.first", "1ms");
	seam_open(obey);
	for (size_t i = 0; i < RATION__COUNT(failures); i++) {
		const char *name = ration_code_name(failures[i].code);
		char path[32];
		ration_response *r;

		snprintf(path, sizeof(path), "/fail/%d", -failures[i].code);
		calls = 0;
		r = perform("GET", path, failures[i].code);
		cr_expect_eq(calls, failures[i].get_calls, "%s: %d", name, calls);
		cr_expect_eq(ration_response_sent(r), failures[i].sent, "%s", name);
		ration_response_free(r);
		calls = 0;
		r = perform("POST", path, failures[i].post_code);
		cr_expect_eq(calls, failures[i].post_calls, "%s: %d", name, calls);
		ration_response_free(r);
	}
	seam_close();
}

Test(seam, R24_limits_hold)
{
	ration_response *r;

	fixture_init(&f);
	set(&f, "services.api.retry.attempts", "1");
	set(&f, "services.api.breaker.trip_after", "2");
	set(&f, "services.api.response.body_max", "3");
	seam_open(obey);
	r = perform("GET", "/answer/200", RATION_EBODY);
	cr_expect_eq(ration_response_truncated(r), 1);
	ration_response_free(r);
	ration_response_free(perform("GET", "/answer/500", RATION_ESERVER));
	ration_response_free(perform("GET", "/answer/500", RATION_ESERVER));
	calls = 0;
	ration_response_free(perform("GET", "/answer/200", RATION_DENIED_BREAKER));
	cr_expect_eq(calls, 0);
	seam_close();
}

/* ---- time ---- */

/* /later/MS: 200 after that; /never: nothing. */
static void wait_first(void *arg, ration_exchange *e)
{
	const char *at = strstr(ration_exchange_url(e), "/later/");

	calls++;
	if (!at)
		return;
	cr_expect_eq(ration_exchange_delay(e, atoi(at + 7)), 0);
	cr_expect_eq(ration_exchange_answer(e, 200, NULL, "late", 4), 0);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

Test(seam, R24_answers_come_later_or_never)
{
	double start;

	fixture_init(&f);
	set(&f, "services.api.retry.attempts", "1");
	set(&f, "services.api.timeouts.read", "80ms");
	seam_open(wait_first);
	start = now_ms();
	ration_response_free(perform("GET", "/later/40", 0));
	cr_expect_geq(now_ms() - start, 39);
	ration_response_free(perform("GET", "/later/600000", RATION_EREADTIMEOUT));
	ration_response_free(perform("GET", "/never", RATION_EREADTIMEOUT));
	seam_close();
}

Test(seam, R24_an_attempt_has_its_timeout)
{
	fixture_init(&f);
	set(&f, "services.api.retry.attempts", "1");
	set(&f, "services.api.timeouts.attempt", "50ms");
	seam_open(wait_first);
	ration_response_free(perform("GET", "/never", RATION_EATTEMPTTIMEOUT));
	seam_close();
}

Test(seam, R24_R21_what_waits_can_be_cancelled)
{
	ration_response *r = NULL;
	ration_ticket ticket;

	fixture_init(&f);
	set(&f, "services.api.concurrency", "1");
	seam_open(wait_first);
	ticket = submit(&f, "/later/600000");
	UNTIL(calls == 1);
	cr_assert_eq(ration_cancel(f.client, ticket), 0);
	cr_assert_eq(ration_next(f.client, -1, &r), 0);
	cr_expect_eq(ration_response_code(r), RATION_ECANCELLED);
	ration_response_free(r);
	ration_response_free(perform("GET", "/later/0", 0)); /* its place is free */
	submit(&f, "/later/600000");			     /* left to close */
	UNTIL(calls == 3);
	seam_close();
}

/* ---- streams ---- */

static int take(void *arg, ration_ticket ticket, const void *data, size_t length)
{
	static bool refused;

	if (!data)
		return 0;
	refused = !refused;
	if (refused) { /* each piece once: there is back-pressure */
		ration_resume(f.client, ticket);
		return RATION_EAGAIN;
	}
	sum += (int)length;
	return 0;
}

static void answer_much(void *arg, ration_exchange *e)
{
	static char much[100000];
	size_t length;

	ration_exchange_body(e, &length);
	cr_expect_eq(length, 30000);
	ration_exchange_answer(e, 200, NULL, much, sizeof(much));
}

static ptrdiff_t give(void *arg, ration_ticket ticket, void *buffer, size_t size)
{
	static size_t given, asked;

	if (given == 30000)
		return 0;
	if (asked++ % 2 == 0) {
		ration_resume(f.client, ticket);
		return RATION_EAGAIN;
	}
	memset(buffer, 'x', size);
	size = size < 30000 - given ? size : 30000 - given;
	given += size;
	return (ptrdiff_t)size;
}

Test(seam, R24_sources_and_sinks_may_pause)
{
	ration_request *request = ration_request_new("api", "POST", "/x");
	ration_response *r = NULL;

	fixture_init(&f);
	seam_open(answer_much);
	cr_assert_eq(ration_request_set_body_fn(request, give, NULL, NULL, 30000, NULL), 0);
	cr_assert_eq(ration_request_set_sink(request, take, NULL), 0);
	cr_expect_eq(ration_perform(f.client, request, &r), 0, "%s",
		r ? ration_response_message(r) : "");
	cr_expect_eq(sum, 100000);
	ration_response_free(r);
	ration_request_free(request);
	seam_close();
}

/* ---- many ---- */

static void at_random(void *arg, ration_exchange *e)
{
	unsigned n = (unsigned)atoi(strstr(ration_exchange_url(e), "/n/") + 3);

	ration_exchange_delay(e, n % 7);
	if (n % 5 == 0)
		ration_exchange_fail(e, RATION_ERESET);
	else if (n % 11)
		ration_exchange_answer(e, 200, NULL, "x", 1);
}

Test(seam, each_of_many_jobs_ends_once)
{
	enum { JOBS = 3000 };
	static ration_ticket tickets[JOBS];
	ration_response *r;
	int ended = 0;

	fixture_init(&f);
	set(&f, "services.api.breaker", "off");
	set(&f, "services.api.retry.attempts", "1");
	set(&f, "services.api.timeouts.read", "20ms");
	seam_open(at_random);
	for (int i = 0; i < JOBS; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/n/%d", i);
		tickets[i] = submit(&f, path);
	}
	for (int i = 0; i < JOBS; i += 3)
		ration_cancel(f.client, tickets[i]);
	while (ration_next(f.client, -1, &r) == 0) {
		int code = ration_response_code(r);

		ended++;
		cr_expect(code == 0 || code == RATION_ERESET || code == RATION_EREADTIMEOUT ||
				  code == RATION_ECANCELLED,
			"%s", ration_response_message(r));
		ration_response_free(r);
	}
	cr_expect_eq(ended, JOBS);
	seam_close();
}
