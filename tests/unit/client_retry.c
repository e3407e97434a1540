/* What is sent again and what is not, as a user sees it; the server's own log is the judge. */
#include "client_fixture.h"

TestSuite(client_retry, .fini = check_leaks, .timeout = 60);

static struct fixture f;

/*
 * Beside what the fixture's upstream does:
 *     /stale     a reset for every request on a connection but the first
 *     /busy/N    409 until it was asked N times, then 200
 *     /vanish    takes the request and closes
 */
static bool upstream_retry(const struct server_request *request)
{
	const char *number = path_number(request->head, " /busy/");

	if (path_number(request->head, " /stale")) {
		note_request(request->head);
		if (request->nth == 1)
			return server_ok(request, "ok");
		server_reset(request->fd);
		return false;
	}
	if (path_number(request->head, " /vanish")) {
		note_request(request->head);
		return false;
	}
	if (number) {
		note_request(request->head);
		if (++request->server->flag > atoi(number))
			return server_ok(request, "ok");
		return server_say(
			request->fd, "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n");
	}
	return upstream(request);
}

static void init(void)
{
	fixture_init(&f);
	f.server.script = upstream_retry;
	set(&f, "workers.threads", "1");
	set(&f, "services.api.breaker.trip_after", "off");
}

/* How often the path was asked. */
static int asked(const char *path)
{
	size_t length = strlen(path);
	int count = 0;

	pthread_mutex_lock(&f.mutex);
	for (const char *at = f.log; *at; at = strchr(at, '\n') + 1)
		count += strncmp(at, path, length) == 0 && at[length] == '\n';
	pthread_mutex_unlock(&f.mutex);
	return count;
}

struct made {
	const char *method, *path;
	const char *header, *value; /* NULL: none */
	const char *key;	    /* Idempotency-Key; NULL */
	const char *option, *setting;
};

static ration_response *make(struct made made)
{
	ration_request *request = ration_request_new("api", made.method, made.path);
	ration_response *response = NULL;

	cr_assert(request);
	if (made.header)
		cr_assert_eq(ration_request_set_header(request, made.header, made.value), 0);
	if (made.key)
		cr_assert_eq(ration_request_set_idempotency_key(request, made.key), 0);
	if (made.option)
		cr_assert_eq(ration_request_set_option(request, made.option, made.setting), 0);
	ration_perform(f.client, request, &response);
	cr_assert(response);
	ration_request_free(request);
	return response;
}

/* Number of sends, as the server counted. */
static int sends(struct made made, int *code)
{
	int before = asked(made.path);
	ration_response *response = make(made);

	*code = ration_response_code(response);
	cr_expect_eq(asked(made.path) - before, ration_response_attempts(response), "%s %s",
		made.method, made.path);
	ration_response_free(response);
	return asked(made.path) - before;
}

/* ---- a reused connection that dies ---- */

Test(client_retry, a_stale_connection_repeats_a_get_at_once_and_never_a_post)
{
	ration_response *r;
	const char *node;
	int code, status;

	init();
	/* there is no time for a backoff */
	set(&f, "services.api.retry.backoff.first", "1h");
	set(&f, "services.api.retry.backoff.max", "1h");
	set(&f, "services.api.retry.backoff.jitter", "none");
	set(&f, "services.api.breaker.trip_after", "1");
	fixture_open(&f);
	cr_assert_eq(get(&f, "/warm"), 0);
	r = make((struct made){.method = "POST", .path = "/stale"});
	cr_expect_eq(ration_response_code(r), RATION_EUNKNOWN);
	cr_expect_eq(ration_response_cause(r), RATION_ERESET);
	cr_expect_eq(ration_response_sent(r), 1);
	ration_response_free(r);
	cr_expect_eq(asked("/stale"), 1, "a POST reaches the server once");
	cr_assert_eq(get(&f, "/warm"), 0, "the breaker stayed closed");
	r = make((struct made){.method = "GET", .path = "/stale"});
	cr_expect_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
	cr_expect_eq(ration_response_attempts(r), 2);
	cr_assert_eq(ration_response_attempt(r, 0, &node, &code, &status, NULL), 0);
	cr_expect_eq(code, RATION_ERESET);
	cr_expect_eq(status, 0);
	cr_expect(strstr(node, "127.0.0.1"));
	cr_assert_eq(ration_response_attempt(r, 1, NULL, &code, &status, NULL), 0);
	cr_expect_eq(code, 0);
	cr_expect_eq(status, 200);
	cr_expect_eq(ration_response_attempt(r, 2, NULL, NULL, NULL, NULL), RATION_EEMPTY);
	ration_response_free(r);
	cr_expect_eq(asked("/stale"), 3, "a GET is repeated");
	fixture_close(&f);
}

Test(client_retry, a_stale_connection_costs_no_budget)
{
	ration_response *r;
	int code;

	init();
	set(&f, "services.api.retry.budget.capacity", "14");
	fixture_open(&f);
	r = make((struct made){.method = "GET", .path = "/vanish"});
	cr_expect_eq(ration_response_exhausted(r), RATION_EXHAUSTED_BUDGET);
	cr_expect_eq(ration_response_attempts(r), 2, "one retry, then the budget is empty");
	ration_response_free(r);
	cr_assert_eq(get(&f, "/warm"), 0);
	cr_expect_eq(sends((struct made){.method = "GET", .path = "/stale"}, &code), 2);
	cr_expect_eq(code, 0);
	fixture_close(&f);
}

/* libcurl counts them for each of its handles, and says something else of every sixth. */
Test(client_retry, a_stale_connection_is_one_the_sixth_time_too)
{
	int code;

	init();
	set(&f, "services.api.retry.backoff.first", "1h");
	set(&f, "services.api.retry.backoff.max", "1h");
	set(&f, "services.api.retry.backoff.jitter", "none");
	fixture_open(&f);
	cr_assert_eq(get(&f, "/warm"), 0);
	for (int i = 0; i < 20; i++) {
		cr_expect_eq(sends((struct made){.method = "GET", .path = "/stale"}, &code), 2);
		cr_expect_eq(code, 0, "time %d", i);
	}
	fixture_close(&f);
}

Test(client_retry, a_keyed_post_is_repeated_on_a_stale_connection)
{
	int code;

	init();
	fixture_open(&f);
	cr_assert_eq(get(&f, "/warm"), 0);
	cr_expect_eq(
		sends((struct made){.method = "POST", .path = "/stale", .key = "k"}, &code), 2);
	cr_expect_eq(code, 0);
	fixture_close(&f);
}

Test(client_retry, a_new_connection_that_dies_is_a_failure)
{
	int code;

	init();
	set(&f, "services.api.breaker.trip_after", "1");
	fixture_open(&f);
	cr_expect_eq(sends((struct made){.method = "GET", .path = "/vanish"}, &code), 3);
	cr_expect_eq(code, RATION_ERESET);
	cr_expect_eq(get(&f, "/warm"), RATION_DENIED_BREAKER);
	fixture_close(&f);
}

/* ---- which methods ---- */

Test(client_retry, E10_by_method)
{
	static const struct {
		const char *method;
		int safe, idempotent, all, none;
	} rows[] = {{"GET", 3, 3, 3, 1}, {"HEAD", 3, 3, 3, 1}, {"OPTIONS", 3, 3, 3, 1},
		{"POST", 1, 1, 3, 1}, {"PATCH", 1, 1, 3, 1}, {"PUT", 1, 3, 3, 1},
		{"DELETE", 1, 3, 3, 1}, {"PURGE", 1, 1, 3, 1}};
	int code;

	init();
	fixture_open(&f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made made = {.method = rows[i].method, .path = "/s/503"};

		cr_expect_eq(sends(made, &code), rows[i].safe, "%s", made.method);
		cr_expect_eq(code, RATION_EUNAVAILABLE);
		made.option = "retry.methods";
		made.setting = "idempotent";
		cr_expect_eq(sends(made, &code), rows[i].idempotent, "%s", made.method);
		made.setting = "all"; /* X1: marked idempotent */
		cr_expect_eq(sends(made, &code), rows[i].all, "%s", made.method);
		made.setting = "none";
		cr_expect_eq(sends(made, &code), rows[i].none, "%s", made.method);
	}
	fixture_close(&f);
}

Test(client_retry, X9_a_callers_id_is_a_key_an_automatic_one_is_not)
{
	int code;

	init();
	fixture_open(&f);
	cr_expect_eq(sends((struct made){.method = "POST", .path = "/s/503"}, &code), 1);
	cr_expect(strcasestr(f.server.last_head, "x-request-id: "));
	cr_expect_eq(sends((struct made){.method = "POST",
				   .path = "/s/503",
				   .header = "X-Request-ID",
				   .value = "mine"},
			     &code),
		3);
	cr_expect_eq(
		sends((struct made){.method = "POST", .path = "/s/503", .key = "k1"}, &code), 3);
	cr_expect(strstr(f.server.last_head, "Idempotency-Key: \"k1\"\r\n"));
	fixture_close(&f);
}

Test(client_retry, X2_a_429_is_repeated_whatever_the_method)
{
	int code;

	init();
	set(&f, "services.api.retry.throttled_attempts", "4");
	set(&f, "services.api.retry.throttle.first", "1ms");
	fixture_open(&f);
	cr_expect_eq(sends((struct made){.method = "POST", .path = "/s/429"}, &code), 4);
	cr_expect_eq(code, RATION_ETHROTTLED);
	fixture_close(&f);
}

/* ---- which statuses ---- */

Test(client_retry, E15_S5_R13_X3_X4_other_answers_are_final)
{
	static const int never[] = {304, 400, 401, 403, 404, 405, 409, 410, 418, 422, 451};
	static const int again[] = {408, 500, 502, 503, 504, 599};
	char path[16];
	int code;

	init();
	fixture_open(&f);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		snprintf(path, sizeof(path), "/s/%d", never[i]);
		cr_expect_eq(
			sends((struct made){.method = "GET", .path = path}, &code), 1, "%s", path);
		cr_expect_lt(code, 0);
		cr_expect_not(ration_code_retryable(code), "%s", path);
	}
	for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++) {
		snprintf(path, sizeof(path), "/s/%d", again[i]);
		cr_expect_eq(
			sends((struct made){.method = "GET", .path = path}, &code), 3, "%s", path);
		cr_expect(ration_code_retryable(code), "%s", path);
	}
	fixture_close(&f);
}

Test(client_retry, a_key_in_progress_is_asked_again_unchanged)
{
	ration_response *r;
	int code;

	init();
	fixture_open(&f);
	r = make((struct made){.method = "POST", .path = "/busy/2", .key = "k2"});
	cr_expect_eq(ration_response_code(r), 0);
	cr_expect_eq(ration_response_attempts(r), 3);
	cr_expect(strstr(f.server.last_head, "Idempotency-Key: \"k2\"\r\n"));
	ration_response_free(r);
	f.server.flag = 0;
	cr_expect_eq(sends((struct made){.method = "POST",
				   .path = "/busy/1",
				   .header = "X-Request-ID",
				   .value = "mine"},
			     &code),
		1, "only an idempotency key is in progress");
	cr_expect_eq(
		sends((struct made){.method = "POST", .path = "/s/422", .key = "k"}, &code), 1);
	cr_expect_eq(code, RATION_EREQUEST);
	fixture_close(&f);
}

Test(client_retry, D6_statuses_are_a_setting)
{
	int code;

	init();
	set(&f, "services.api.retry.throttle.statuses", "[529]");
	set(&f, "services.api.retry.throttle.first", "1ms");
	set(&f, "services.api.retry.throttled_attempts", "5");
	set(&f, "services.api.retry.statuses", "[425]");
	fixture_open(&f);
	cr_expect_eq(sends((struct made){.method = "POST", .path = "/s/529"}, &code), 5);
	cr_expect_eq(sends((struct made){.method = "GET", .path = "/s/425"}, &code), 3);
	cr_expect_eq(sends((struct made){.method = "POST", .path = "/s/425"}, &code), 1);
	cr_expect_eq(sends((struct made){.method = "GET", .path = "/s/503"}, &code), 1);
	cr_expect_eq(sends((struct made){.method = "GET", .path = "/s/429"}, &code), 1);
	fixture_close(&f);
}

/* ---- exhausted ---- */

static void expect_end(ration_response *r, int code, int exhausted, int cause, const char *name)
{
	char field[64];

	cr_expect_eq(ration_response_code(r), code, "%s", ration_response_message(r));
	cr_expect_eq(ration_response_exhausted(r), exhausted, "%s", ration_response_message(r));
	cr_expect_eq(ration_response_cause(r), cause, "%s", ration_response_message(r));
	snprintf(field, sizeof(field), "\"exhausted\":\"%s\"", name ? name : "");
	cr_expect_eq(strstr(ration_response_line(r), name ? field : "\"exhausted\"") != NULL,
		name != NULL, "%s", ration_response_line(r));
	ration_response_free(r);
}

Test(client_retry, N12_D15_exhausted_with_its_cause)
{
	init();
	set(&f, "services.api.breaker.trip_after", "1");
	fixture_open(&f);
	expect_end(make((struct made){.method = "POST", .path = "/s/404"}), RATION_ENOTFOUND,
		RATION_EXHAUSTED_NOT, RATION_ENOTFOUND, NULL);
	expect_end(make((struct made){.method = "GET",
			   .path = "/vanish",
			   .option = "retry.attempts",
			   .setting = "2"}),
		RATION_ERESET, RATION_EXHAUSTED_ATTEMPTS, RATION_ERESET, "attempts");
	expect_end(make((struct made){.method = "GET", .path = "/warm"}), RATION_DENIED_BREAKER,
		RATION_EXHAUSTED_NOT, 0, NULL);
	fixture_close(&f);
}

Test(client_retry, E4_without_retries_nothing_is_exhausted)
{
	init();
	set(&f, "services.api.retry.retries", "0");
	fixture_open(&f);
	expect_end(make((struct made){.method = "GET", .path = "/s/503"}), RATION_EUNAVAILABLE,
		RATION_EXHAUSTED_NOT, RATION_EUNAVAILABLE, NULL);
	cr_expect_eq(asked("/s/503"), 1);
	fixture_close(&f);
}

Test(client_retry, D8_throttled_attempts_end_with_their_own_error)
{
	init();
	set(&f, "services.api.retry.throttle.first", "1ms");
	fixture_open(&f);
	expect_end(make((struct made){.method = "GET", .path = "/s/429"}), RATION_ETHROTTLED,
		RATION_EXHAUSTED_THROTTLED, RATION_ETHROTTLED, "throttled");
	cr_expect_eq(asked("/s/429"), 20);
	fixture_close(&f);
}

Test(client_retry, an_empty_budget_and_a_near_deadline_are_told)
{
	init();
	set(&f, "services.api.retry.budget.capacity", "20");
	set(&f, "services.api.retry.attempts", "9");
	fixture_open(&f);
	expect_end(make((struct made){.method = "GET", .path = "/s/503"}), RATION_EUNAVAILABLE,
		RATION_EXHAUSTED_BUDGET, RATION_EUNAVAILABLE, "budget");
	cr_expect_eq(asked("/s/503"), 5, "4 retries at 5 each");
	fixture_close(&f);
	init();
	set(&f, "services.api.retry.backoff.first", "1h");
	set(&f, "services.api.retry.backoff.max", "1h");
	set(&f, "services.api.retry.backoff.jitter", "none");
	fixture_open(&f); /* X17: of 2 min, the default */
	expect_end(make((struct made){.method = "GET", .path = "/s/503"}), RATION_EUNAVAILABLE,
		RATION_EXHAUSTED_TIME, RATION_EUNAVAILABLE, "time");
	cr_expect_eq(asked("/s/503"), 1);
	fixture_close(&f);
}

Test(client_retry, X13_timeouts_by_what_became_of_them)
{
	ration_request *request;
	ration_response *r = NULL;

	init();
	set(&f, "services.api.timeouts.read", "50ms");
	set(&f, "services.api.retry.attempts", "2");
	fixture_open(&f);
	expect_end(make((struct made){.method = "GET", .path = "/hang"}), RATION_EREADTIMEOUT,
		RATION_EXHAUSTED_ATTEMPTS, RATION_EREADTIMEOUT, "attempts");
	expect_end(make((struct made){.method = "GET",
			   .path = "/hang",
			   .option = "retry.attempts",
			   .setting = "1"}),
		RATION_EREADTIMEOUT, RATION_EXHAUSTED_NOT, RATION_EREADTIMEOUT, NULL);
	expect_end(make((struct made){.method = "POST", .path = "/hang"}), RATION_EUNKNOWN,
		RATION_EXHAUSTED_NOT, RATION_EREADTIMEOUT, NULL);
	request = new_request("/slow/20000");
	cr_assert_eq(ration_request_set_option(request, "timeouts.read", "10s"), 0);
	ration_request_set_deadline(request, 100);
	ration_perform(f.client, request, &r);
	ration_request_free(request);
	expect_end(r, RATION_EDEADLINE, RATION_EXHAUSTED_NOT, RATION_EDEADLINE, NULL);
	fixture_close(&f);
}

/* ---- breaker and slots ---- */

Test(client_retry, R18_after_its_time_success_closes_and_failure_opens)
{
	int code;

	init();
	set(&f, "services.api.retry.attempts", "1");
	set(&f, "services.api.breaker.trip_after", "1");
	set(&f, "services.api.breaker.open_for", "50ms");
	fixture_open(&f);
	cr_expect_eq(get(&f, "/s/503"), RATION_EUNAVAILABLE);
	UNTIL((code = get(&f, "/probe")) != RATION_DENIED_BREAKER);
	cr_expect_eq(code, 0);
	cr_expect_eq(asked("/probe"), 1);
	cr_expect_eq(get(&f, "/closed"), 0);
	cr_expect_eq(get(&f, "/s/503"), RATION_EUNAVAILABLE);
	UNTIL((code = get(&f, "/s/500")) != RATION_DENIED_BREAKER);
	cr_expect_eq(code, RATION_ESERVER);
	UNTIL((code = get(&f, "/s/502")) != RATION_DENIED_BREAKER);
	cr_expect_eq(code, RATION_EUNAVAILABLE);
	cr_expect_eq(asked("/s/500"), 1, "open again: a probe is one");
	fixture_close(&f);
}

Test(client_retry, R21_cancel_and_backoff_free_the_slot)
{
	ration_ticket ticket;
	char text[256];

	init();
	set(&f, "services.api.concurrency.max", "1");
	set(&f, "services.api.retry.backoff.first", "30s");
	set(&f, "services.api.retry.backoff.jitter", "none");
	set(&f, "services.api.retry.backoff.max", "30s");
	fixture_open(&f);
	ticket = submit(&f, "/hang");
	UNTIL(asked("/hang") == 1);
	cr_assert_eq(ration_cancel(f.client, ticket), 0);
	cr_expect_eq(next_code(&f, text, sizeof(text)), RATION_ECANCELLED);
	cr_expect_eq(get(&f, "/after"), 0);
	ticket = submit(&f, "/s/503"); /* which rests for half a minute now */
	UNTIL(counts(&f).waiting == 1);
	cr_expect_eq(get(&f, "/meanwhile"), 0);
	cr_assert_eq(ration_cancel(f.client, ticket), 0);
	cr_expect_eq(next_code(&f, text, sizeof(text)), RATION_ECANCELLED);
	fixture_close(&f);
}
