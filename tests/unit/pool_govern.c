/* The pool with its guard and its sockets: turns, retries, costs, and what is only observed. */
#include "client/internal.h"
#include "client_fixture.h"

TestSuite(pool_govern, .fini = check_leaks, .timeout = 60);

static struct fixture f;
static char said[64][256]; /* the log */
static atomic_int lines;

static void keep(void *arg, enum ration_log_level level, const char *text)
{
	int line = atomic_fetch_add(&lines, 1);

	if (line < 64)
		snprintf(said[line], sizeof(said[line]), "%d %s", (int)level, text);
}

static const char *find_said(const char *text)
{
	for (int i = 0; i < 64 && i < lines; i++)
		if (strstr(said[i], text))
			return said[i];
	return NULL;
}

static void submit_for(const char *method, const char *tenant, const char *path)
{
	ration_request *request = ration_request_new("api", method, path);

	cr_assert(request);
	cr_assert_eq(ration_request_set_key(request, "tenant", tenant), 0);
	cr_assert_eq(ration_submit(f.client, request, 0, NULL), 0);
}

static int requests_of(const char *path)
{
	int count = 0;

	pthread_mutex_lock(&f.mutex);
	for (const char *at = f.log; (at = strstr(at, path)) != NULL; at++)
		count++;
	pthread_mutex_unlock(&f.mutex);
	return count;
}

/* ---- turns ---- */

static const struct ration__fair_weight weights[] = {{"acme", 3}};
static const struct ration__fairness by_tenant = {
	.per = "tenant", .weights = weights, .weight_count = 1};

static void be_fair(void)
{
	ration__pool_fair(ration__client_service(f.client, "api")->pool, &by_tenant);
}

static void check_shares(int of)
{
	UNTIL(f.server.requests >= of);
	cr_assert_geq(requests_of("/acme"), of * 3 / 4 - 4, "%s", f.log);
	cr_assert_geq(requests_of("/globex"), of / 4 - 4, "%s", f.log);
}

Test(pool_govern, rate_is_shared_by_weights)
{
	fixture_init(&f);
	set(&f, "services.api.limits.requests.rate", "80/s");
	set(&f, "services.api.limits.requests.burst", "1");
	fixture_open(&f);
	be_fair();
	for (int i = 0; i < 400; i++)
		submit_for("GET", "acme", "/acme");
	for (int i = 0; i < 100; i++)
		submit_for("GET", "globex", "/globex");
	check_shares(60);
	fixture_close(&f);
}

Test(pool_govern, rate_is_shared_by_weights_among_many_lanes)
{
	fixture_init(&f);
	set(&f, "services.api.limits.requests.rate", "80/s");
	set(&f, "services.api.limits.requests.burst", "1");
	fixture_open(&f);
	be_fair();
	for (int i = 0; i < 200; i++) {
		ration_request *request = new_request(i % 5 ? "/acme" : "/globex");
		char agent[16];

		snprintf(agent, sizeof(agent), "%d", i / 2);
		ration_request_set_key(request, "tenant", i % 5 ? "acme" : "globex");
		ration_request_set_key(request, "agent", agent);
		cr_assert_eq(ration_submit(f.client, request, 0, NULL), 0);
	}
	check_shares(60);
	fixture_close(&f);
}

Test(pool_govern, permits_are_shared_by_weights)
{
	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "1");
	fixture_open(&f);
	be_fair();
	for (int i = 0; i < 200; i++)
		submit_for("GET", "acme", "/slow/5/acme");
	for (int i = 0; i < 50; i++)
		submit_for("GET", "globex", "/slow/5/globex");
	check_shares(60);
	fixture_close(&f);
}

/* ---- limits by method ---- */

Test(pool_govern, N19_writes_wait_and_reads_go)
{
	char text[256], *waiting = NULL;

	fixture_init(&f);
	set(&f, "services.api.limits.writes.rate", "1/h");
	set(&f, "services.api.limits.writes.burst", "1");
	set(&f, "services.api.limits.writes.when.methods", "[POST, PUT]");
	set(&f, "services.api.timeouts.total", "none");
	set(&f, "services.api.concurrency.wait", "48h");
	fixture_open(&f);
	for (int i = 0; i < 3; i++)
		submit_for("POST", "a", "/write");
	cr_assert_eq(next_code(&f, text, sizeof(text)), 0, "%s", text);
	for (int i = 0; i < 20; i++)
		submit_for("GET", "a", "/read");
	for (int i = 0; i < 20; i++)
		cr_assert_eq(next_code(&f, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(requests_of("/write"), 1);
	cr_assert_eq(counts(&f).queued, 2);
	UNTIL(ration_client_waiting(f.client, &waiting) == 0 && strstr(waiting, "writes"));
	ration_free(waiting);
	fixture_close(&f);
}

/* ---- retries ---- */

Test(pool_govern, D8_X19_throttled_attempts_have_their_own_count_and_words)
{
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.retry.attempts", "2");
	set(&f, "services.api.retry.throttled_attempts", "5");
	set(&f, "services.api.retry.throttle.first", "5ms");
	fixture_open(&f);
	cr_assert_eq(ration_get(f.client, "api", "/s/429", &r), RATION_ETHROTTLED);
	cr_assert_eq(ration_response_attempts(r), 5);
	cr_assert(strstr(ration_response_message(r), "gave up after 5 throttled attempts"), "%s",
		ration_response_message(r));
	ration_response_free(r);
	fixture_close(&f);
}

Test(pool_govern, retry_budget_is_spent_and_said)
{
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.retry.attempts", "10");
	set(&f, "services.api.retry.budget.capacity", "30"); /* two retries of 14 */
	set(&f, "services.api.retry.backoff.first", "300ms");
	set(&f, "services.api.retry.backoff.max", "300ms");
	set(&f, "services.api.retry.backoff.jitter", "none");
	fixture_open(&f);
	cr_assert_eq(ration_get(f.client, "api", "/s/500", &r), RATION_ESERVER);
	cr_assert_eq(ration_response_attempts(r), 3);
	cr_assert(strstr(ration_response_message(r), "retry budget is spent"), "%s",
		ration_response_message(r));
	cr_assert_lt(ration_response_wait_ms(r, "retry"), 850, "the third is not waited for");
	ration_response_free(r);
	cr_assert_eq(counts(&f).waiting, 0);
	cr_assert_eq(get(&f, "/hello"), 0, "first tries are free");
	cr_assert_eq(ration_get(f.client, "api", "/s/500", &r), RATION_ESERVER);
	cr_assert_eq(ration_response_attempts(r), 1);
	ration_response_free(r);
	fixture_close(&f);
}

Test(pool_govern, retry_that_succeeds_gives_its_cost_back)
{
	fixture_init(&f);
	set(&f, "services.api.retry.attempts", "3");
	set(&f, "services.api.retry.budget.capacity", "30");
	fixture_open(&f);
	for (int i = 0; i < 10; i++) {
		f.server.flag = 1;
		cr_assert_eq(get(&f, "/flaky"), 0, "%d", i);
	}
	fixture_close(&f);
}

/* ---- queue ---- */

Test(pool_govern, E9_who_was_cancelled_is_skipped_in_line)
{
	ration_ticket tickets[4];
	char text[256];

	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "1");
	fixture_open(&f);
	for (int i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "/slow/20%d", i);
		tickets[i] = submit(&f, text);
	}
	UNTIL(f.server.requests == 1);
	cr_assert_eq(ration_cancel(f.client, tickets[1]), 0);
	cr_assert_eq(next_code(&f, text, sizeof(text)), RATION_ECANCELLED);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(next_code(&f, text, sizeof(text)), 0);
	cr_assert_str_eq(f.log, "/slow/200\n/slow/202\n/slow/203\n");
	fixture_close(&f);
}

Test(pool_govern, R15_more_than_may_wait_are_refused_at_once_and_nothing_is_sent)
{
	int refused = 0, ok = 0;
	char text[256];

	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "2");
	set(&f, "services.api.concurrency.queue", "3");
	fixture_open(&f);
	for (int i = 0; i < 10; i++)
		submit(&f, "/slow/300");
	for (int i = 0; i < 10; i++) {
		int code = next_code(&f, text, sizeof(text));

		ok += code == 0;
		refused += code == RATION_DENIED_QUEUE;
		if (code)
			cr_assert(strstr(text, "too many wait already"), "%s", text);
	}
	cr_assert_eq(ok, 5);
	cr_assert_eq(refused, 5);
	cr_assert_eq(f.server.requests, 5);
	fixture_close(&f);
}

/* ---- observe ---- */

Test(pool_govern, observe_delays_and_refuses_nothing_and_says_what_would_have_been)
{
	ration_response *r = NULL;
	char text[256];

	fixture_init(&f);
	set(&f, "services.api.mode", "observe");
	set(&f, "services.api.limits.requests.rate", "1/h");
	set(&f, "services.api.limits.requests.burst", "2");
	ration_config_on_log(f.config, keep, NULL);
	fixture_open(&f);
	for (int i = 0; i < 20; i++)
		submit(&f, "/hello");
	for (int i = 0; i < 20; i++)
		cr_assert_eq(next_code(&f, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(f.server.requests, 20);
	cr_assert_eq(ration_get(f.client, "api", "/hello", &r), 0);
	cr_assert(strstr(ration_response_line(r), "\"mode\":\"observe\""), "%s",
		ration_response_line(r));
	ration_response_free(r);
	cr_assert(find_said("service api: observe: would have waited"), "%s", said[0]);
	cr_assert(strstr(find_said("would have waited"), "for limit:requests ("));
	cr_assert_geq(ration__client_service(f.client, "api")->pool->observed.waits, 18);
	cr_assert_lt(lines, 10, "at most one a second");
	fixture_close(&f);
}

Test(pool_govern, observe_keeps_nobody_from_a_retry)
{
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.mode", "observe");
	set(&f, "services.api.retry.budget.capacity", "14");
	set(&f, "services.api.limits.requests.rate", "1/h");
	set(&f, "services.api.limits.requests.burst", "1");
	fixture_open(&f);
	cr_assert_eq(get(&f, "/hello"), 0);
	cr_assert_eq(ration_get(f.client, "api", "/s/500", &r), RATION_ESERVER);
	cr_assert_eq(ration_response_attempts(r), 3);
	ration_response_free(r);
	fixture_close(&f);
}

/* ---- what a call really cost ---- */

static bool expensive(const struct server_request *request)
{
	return server_say(
		request->fd, "HTTP/1.1 200 OK\r\nX-Cost: 50\r\nContent-Length: 2\r\n\r\nok");
}

Test(pool_govern, true_cost_is_settled)
{
	ration_response *r = NULL;

	fixture_init(&f);
	f.server.script = expensive;
	set(&f, "services.api.limits.tokens.rate", "100/h");
	set(&f, "services.api.limits.tokens.burst", "100");
	set(&f, "services.api.limits.tokens.unit", "tokens");
	set(&f, "services.api.limits.tokens.estimate", "1");
	set(&f, "services.api.limits.tokens.actual", "header:x-cost");
	set(&f, "services.api.concurrency.wait", "1s");
	set(&f, "services.api.timeouts.total", "none");
	fixture_open(&f);
	cr_assert_eq(get(&f, "/one"), 0);
	cr_assert_eq(get(&f, "/two"), 0);
	cr_assert_eq(ration_get(f.client, "api", "/three", &r), RATION_DENIED_RATE, "%s",
		ration_response_message(r));
	ration_response_free(r);
	cr_assert_eq(f.server.requests, 2);
	fixture_close(&f);
}
