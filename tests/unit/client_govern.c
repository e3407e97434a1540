/* Governed sending: limits, breaker, concurrency, retries, deadlines, as a user sees them. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "client_fixture.h"
#include "client/internal.h"

TestSuite(client_govern, .fini = check_leaks, .timeout = 60);

static struct fixture f;

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- retries ---- */

Test(client_govern, R16_two_failures_then_a_success_in_three_sends)
{
	ration_response *r = NULL;

	fixture_init(&f);
	fixture_open(&f);
	f.server.flag = 2;
	cr_assert_eq(ration_get(f.client, "api", "/flaky", &r), 0);
	cr_assert_eq(ration_response_attempts(r), 3);
	cr_assert_eq(ration_response_status(r), 200);
	cr_assert_eq(f.server.requests, 3);
	cr_assert_geq(ration_response_wait_ms(r, "retry"), 0);
	cr_assert(strstr(ration_response_line(r), "\"attempts\":[{"));
	ration_response_free(r);
	fixture_close(&f);
}

Test(client_govern, N12_exhausted_retries_say_so_and_keep_the_cause)
{
	ration_response *r = NULL;

	fixture_init(&f);
	fixture_open(&f);
	cr_assert_eq(ration_get(f.client, "api", "/s/503", &r), RATION_EUNAVAILABLE);
	cr_assert_eq(ration_response_attempts(r), 3);
	cr_assert_eq(ration_response_status(r), 503);
	cr_assert(strstr(ration_response_message(r), "retries exhausted"), "%s",
		ration_response_message(r));
	ration_response_free(r);
	fixture_close(&f);
}

Test(client_govern, E10_unsafe_method_is_sent_once)
{
	ration_request *request = ration_request_new("api", "POST", "/s/503");
	ration_response *r = NULL;

	fixture_init(&f);
	fixture_open(&f);
	cr_assert_eq(ration_perform(f.client, request, &r), RATION_EUNAVAILABLE);
	ration_response_free(r);
	cr_assert_eq(f.server.requests, 1);
	cr_assert_eq(ration_request_set_idempotency_key(request, "k1"), 0);
	cr_assert_eq(ration_perform(f.client, request, &r), RATION_EUNAVAILABLE);
	ration_response_free(r);
	ration_request_free(request);
	cr_assert_eq(f.server.requests, 4);
	fixture_close(&f);
}

Test(client_govern, R11_request_id_is_the_same_over_retries)
{
	char first[64], second[64];
	const char *at;

	fixture_init(&f);
	fixture_open(&f);
	f.server.flag = 1;
	cr_assert_eq(get(&f, "/s/503"), RATION_EUNAVAILABLE);
	at = strcasestr(f.server.last_head, "x-request-id: ");
	cr_assert(at);
	snprintf(first, sizeof(first), "%.36s", at + 14);
	cr_assert_eq(get(&f, "/hello"), 0);
	at = strcasestr(f.server.last_head, "x-request-id: ");
	snprintf(second, sizeof(second), "%.36s", at + 14);
	cr_assert_str_neq(first, second);
	fixture_close(&f);
}

Test(client_govern, X17_retry_that_cannot_be_in_time_fails_now)
{
	ration_request *request = new_request("/s/503");
	ration_response *r = NULL;
	double begin = now_ms();

	fixture_init(&f);
	set(&f, "services.api.retry.backoff.first", "60s");
	set(&f, "services.api.retry.backoff.max", "60s");
	set(&f, "services.api.retry.backoff.jitter", "none");
	fixture_open(&f);
	ration_request_set_deadline(request, 30000);
	cr_assert_eq(ration_perform(f.client, request, &r), RATION_EUNAVAILABLE);
	cr_assert_lt(now_ms() - begin, 20000);
	cr_assert_eq(ration_response_attempts(r), 1);
	cr_assert(strstr(ration_response_message(r), "deadline"), "%s", ration_response_message(r));
	ration_response_free(r);
	ration_request_free(request);
	fixture_close(&f);
}

Test(client_govern, X1_sent_unanswered_and_unsafe_is_unknown)
{
	ration_request *request = ration_request_new("api", "POST", "/hang");
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.timeouts.read", "50ms");
	fixture_open(&f);
	cr_assert_eq(ration_perform(f.client, request, &r), RATION_EUNKNOWN);
	cr_assert(strstr(ration_response_line(r), "\"outcome\":\"unknown\""));
	ration_response_free(r);
	ration_request_free(request);
	cr_assert_eq(f.server.requests, 1);
	fixture_close(&f);
}

/* ---- breaker ---- */

Test(client_govern, R17_breaker_counts_jobs_and_refuses_without_a_send)
{
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.breaker.trip_after", "3");
	set(&f, "services.api.breaker.open_for", "60s");
	fixture_open(&f);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(get(&f, "/s/503"), RATION_EUNAVAILABLE);
	cr_assert_eq(f.server.requests, 9);
	cr_assert_eq(ration_get(f.client, "api", "/hello", &r), RATION_DENIED_BREAKER);
	cr_assert(strstr(ration_response_message(r), "breaker"), "%s", ration_response_message(r));
	cr_assert_eq(ration_response_sent(r), 0);
	ration_response_free(r);
	cr_assert_eq(f.server.requests, 9);
	fixture_close(&f);
}

static void count_opened(void *arg, enum ration_log_level level, const char *text)
{
	if (level == RATION_LOG_WARNING && strstr(text, "circuit breaker opened"))
		atomic_fetch_add((atomic_int *)arg, 1);
}

Test(client_govern, R20_a_breaker_that_opens_is_logged_once)
{
	atomic_int opened = 0;

	fixture_init(&f);
	set(&f, "services.api.breaker.trip_after", "1");
	ration_config_on_log(f.config, count_opened, &opened);
	fixture_open(&f);
	cr_assert_eq(get(&f, "/s/503"), RATION_EUNAVAILABLE);
	cr_assert_eq(get(&f, "/hello"), RATION_DENIED_BREAKER);
	fixture_close(&f);
	cr_assert_eq(opened, 1);
}

Test(client_govern, N8_a_job_that_waits_for_the_breaker_goes_as_its_probe)
{
	fixture_init(&f);
	set(&f, "services.api.breaker.trip_after", "1");
	set(&f, "services.api.breaker.open_for", "200ms");
	set(&f, "services.api.wait_for", "[breaker]");
	set(&f, "services.api.retry.attempts", "1");
	fixture_open(&f);
	cr_assert_eq(get(&f, "/s/500"), RATION_ESERVER);
	cr_assert_eq(get(&f, "/hello"), 0);
	cr_assert_eq(get(&f, "/hello"), 0);
	fixture_close(&f);
}

/* ---- concurrency ---- */

Test(client_govern, R19_five_of_ten_get_a_place_in_time)
{
	int ok = 0, denied = 0;
	char text[256];

	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "5");
	set(&f, "services.api.concurrency.wait", "500ms");
	fixture_open(&f);
	for (int i = 0; i < 10; i++)
		submit(&f, "/slow/1500");
	for (int i = 0; i < 10; i++) {
		int code = next_code(&f, text, sizeof(text));

		ok += code == 0;
		denied += code == RATION_DENIED_CONCURRENCY;
	}
	cr_assert_eq(ok, 5);
	cr_assert_eq(denied, 5);
	cr_assert_eq(f.server.requests, 5);
	fixture_close(&f);
}

Test(client_govern, X16_who_may_not_wait_goes_where_there_is_room)
{
	char text[256];

	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "1");
	set(&f, "services.api.concurrency.wait", "0");
	fixture_open(&f);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(get(&f, "/hello"), 0);
	submit(&f, "/slow/1000");
	submit(&f, "/hello");
	cr_assert_eq(next_code(&f, text, sizeof(text)), RATION_DENIED_CONCURRENCY, "%s", text);
	cr_assert_eq(next_code(&f, text, sizeof(text)), 0, "%s", text);
	fixture_close(&f);
}

Test(client_govern, E9_a_place_goes_to_the_first_in_line)
{
	char text[256];

	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "1");
	fixture_open(&f);
	for (int i = 0; i < 8; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/slow/2%d", i);
		submit(&f, path);
	}
	for (int i = 0; i < 8; i++)
		cr_assert_eq(next_code(&f, text, sizeof(text)), 0);
	cr_assert_str_eq(f.log,
		"/slow/20\n/slow/21\n/slow/22\n/slow/23\n/slow/24\n/slow/25\n/slow/26\n/slow/27\n");
	fixture_close(&f);
}

Test(client_govern, priority_goes_first)
{
	const int priorities[] = {0, -5, 7, 100};
	char text[256];

	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "1");
	fixture_open(&f);
	submit(&f, "/slow/300");
	UNTIL(f.server.requests == 1);
	for (int i = 0; i < 4; i++) {
		ration_request *request;
		char path[32];

		snprintf(path, sizeof(path), "/p%d", priorities[i]);
		request = new_request(path);
		ration_request_set_priority(request, priorities[i]);
		cr_assert_eq(ration_submit(f.client, request, 0, NULL), 0);
	}
	for (int i = 0; i < 5; i++)
		cr_assert_eq(next_code(&f, text, sizeof(text)), 0);
	cr_assert_str_eq(f.log, "/slow/300\n/p100\n/p7\n/p0\n/p-5\n");
	fixture_close(&f);
}

/* ---- rate ---- */

Test(client_govern, N1_burst_then_the_rest_waits_and_says_for_what)
{
	char text[256], *waiting = NULL;

	fixture_init(&f);
	set(&f, "services.api.limits.requests.rate", "1/h");
	set(&f, "services.api.limits.requests.burst", "5");
	set(&f, "services.api.timeouts.total", "none");
	set(&f, "services.api.concurrency.wait", "48h");
	fixture_open(&f);
	for (int i = 0; i < 7; i++)
		submit(&f, "/hello");
	for (int i = 0; i < 5; i++)
		cr_assert_eq(next_code(&f, text, sizeof(text)), 0);
	UNTIL(counts(&f).queued == 2);
	UNTIL(ration_client_waiting(f.client, &waiting) == 0 && waiting[0]);
	cr_assert(strstr(waiting, "requests"), "%s", waiting);
	ration_free(waiting);
	cr_assert_eq(f.server.requests, 5);
	fixture_close(&f);
}

Test(client_govern, deadline_that_cannot_be_met_is_refused_now)
{
	ration_request *request = new_request("/hello");
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.limits.requests.rate", "1/h");
	set(&f, "services.api.limits.requests.burst", "1");
	fixture_open(&f);
	cr_assert_eq(get(&f, "/hello"), 0);
	ration_request_set_deadline(request, 20000);
	cr_assert_eq(ration_perform(f.client, request, &r), RATION_DENIED_DEADLINE);
	cr_assert(strstr(ration_response_message(r), "requests"), "%s", ration_response_message(r));
	ration_response_free(r);
	ration_request_free(request);
	/* in time, but longer than the library waits unless told */
	request = new_request("/hello");
	cr_assert_eq(ration_perform(f.client, request, &r), RATION_DENIED_DEADLINE);
	ration_response_free(r);
	ration_request_set_deadline(request, 24 * 3600 * 1000);
	cr_assert_eq(ration_perform(f.client, request, &r), RATION_DENIED_RATE);
	ration_response_free(r);
	ration_request_free(request);
	fixture_close(&f);
}

Test(client_govern, wait_is_told_by_reason)
{
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.limits.requests.rate", "10/s");
	set(&f, "services.api.limits.requests.burst", "1");
	fixture_open(&f);
	cr_assert_eq(get(&f, "/hello"), 0);
	cr_assert_eq(ration_get(f.client, "api", "/hello", &r), 0);
	cr_assert_gt(
		ration_response_wait_ms(r, "limit:requests"), 20.0, "%s", ration_response_line(r));
	cr_assert_lt(ration_response_wait_ms(r, "queue"), ration_response_wait_ms(r, NULL));
	ration_response_free(r);
	fixture_close(&f);
}

static bool wait_a_minute(const struct server_request *request)
{
	const char *number = path_number(request->head, " /s/");
	char answer[128];

	if (!number)
		return server_ok(request, "ok");
	snprintf(answer, sizeof(answer),
		"HTTP/1.1 %d Status\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n", atoi(number));
	return server_say(request->fd, answer);
}

/* What the next request gets to hear after one that was answered so. */
static int after_status(int status)
{
	char target[16];
	int rc;

	fixture_init(&f);
	f.server.script = wait_a_minute;
	set(&f, "services.api.retry.attempts", "1");
	set(&f, "services.api.timeouts.total", "5s");
	fixture_open(&f);
	snprintf(target, sizeof(target), "/s/%d", status);
	rc = get(&f, target);
	cr_assert_eq(rc == 0, status / 100 == 2, "%d: %d", status, rc);
	rc = get(&f, "/hello");
	fixture_close(&f);
	return rc;
}

Test(client_govern, D5_retry_after_of_429_and_503_stops_all_and_of_others_nobody)
{
	static const int others[] = {200, 202, 404, 409, 500};

	for (size_t i = 0; i < 5; i++)
		cr_expect_eq(after_status(others[i]), 0, "%d", others[i]);
	cr_expect_eq(after_status(429), RATION_DENIED_DEADLINE);
	cr_expect_eq(after_status(503), RATION_DENIED_DEADLINE);
}

static bool throttle_now_or_whenever(const struct server_request *request)
{
	if (strstr(request->head, " /now "))
		return server_say(request->fd,
			"HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
	if (strstr(request->head, " /whenever "))
		return server_say(request->fd, "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n");
	return server_ok(request, "ok");
}

static int after_throttle(const char *target)
{
	int rc;

	fixture_init(&f);
	f.server.script = throttle_now_or_whenever;
	set(&f, "services.api.limits.learned.initial", "50/s");
	set(&f, "services.api.limits.learned.cooldown_min", "1h");
	set(&f, "services.api.limits.learned.cooldown_max", "1h");
	set(&f, "services.api.retry.throttled_attempts", "1");
	set(&f, "services.api.timeouts.total", "5s");
	fixture_open(&f);
	cr_assert_eq(get(&f, target), RATION_ETHROTTLED);
	rc = get(&f, "/hello");
	fixture_close(&f);
	return rc;
}

Test(client_govern, D6_a_server_that_says_at_once_is_believed)
{
	cr_expect_eq(after_throttle("/now"), 0);
	cr_expect_eq(after_throttle("/whenever"), RATION_DENIED_DEADLINE);
}

Test(client_govern, D2_every_send_takes_its_token)
{
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.limits.requests.rate", "1/h");
	set(&f, "services.api.limits.requests.burst", "2");
	set(&f, "services.api.concurrency.wait", "1s");
	set(&f, "services.api.timeouts.total", "none");
	fixture_open(&f);
	cr_assert_eq(ration_get(f.client, "api", "/s/503", &r), RATION_DENIED_RATE);
	cr_assert_eq(ration_response_attempts(r), 2);
	cr_assert_eq(ration_response_status(r), 503, "how its last attempt ended");
	ration_response_free(r);
	cr_assert_eq(f.server.requests, 2);
	fixture_close(&f);
}

Test(client_govern, N2_a_lane_that_waits_blocks_no_other)
{
	char text[256];

	fixture_init(&f);
	set(&f, "services.api.limits.requests.rate", "1/h");
	set(&f, "services.api.limits.requests.burst", "1");
	set(&f, "services.api.limits.requests.per", "[tenant]");
	set(&f, "services.api.timeouts.total", "none");
	set(&f, "services.api.concurrency.wait", "48h");
	fixture_open(&f);
	for (int i = 0; i < 40; i++) {
		ration_request *request = new_request("/hello");

		cr_assert_eq(
			ration_request_set_key(request, "tenant", i < 20 ? "acme" : "globex"), 0);
		cr_assert_eq(ration_submit(f.client, request, 0, NULL), 0);
	}
	cr_assert_eq(next_code(&f, text, sizeof(text)), 0);
	cr_assert_eq(next_code(&f, text, sizeof(text)), 0);
	UNTIL(counts(&f).queued == 38);
	cr_assert_eq(f.server.requests, 2);
	fixture_close(&f);
}

Test(client_govern, required_key_is_named)
{
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.required_keys", "[tenant]");
	fixture_open(&f);
	cr_assert_eq(ration_get(f.client, "api", "/hello", &r), RATION_EKEY);
	cr_assert(strstr(ration_response_message(r), "tenant"), "%s", ration_response_message(r));
	cr_assert_eq(ration_response_sent(r), 0);
	ration_response_free(r);
	fixture_close(&f);
}

Test(client_govern, quota_refuses_at_once_and_names_itself)
{
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.quotas.daily.max", "3");
	set(&f, "services.api.quotas.daily.window", "24h");
	fixture_open(&f);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(get(&f, "/hello"), 0);
	cr_assert_eq(ration_get(f.client, "api", "/hello", &r), RATION_DENIED_QUOTA);
	cr_assert(strstr(ration_response_message(r), "daily"), "%s", ration_response_message(r));
	ration_response_free(r);
	cr_assert_eq(f.server.requests, 3);
	fixture_close(&f);
}

/* ---- deadlines ---- */

Test(client_govern, N11_deadline_ends_a_job_on_the_wire_and_one_in_line)
{
	ration_request *request = new_request("/hang");
	char text[256];

	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "1");
	fixture_open(&f);
	ration_request_set_deadline(request, 300);
	cr_assert_eq(ration_submit(f.client, request, 0, NULL), 0);
	UNTIL(f.server.requests == 1);
	request = new_request("/hello");
	ration_request_set_deadline(request, 60);
	cr_assert_eq(ration_submit(f.client, request, 0, NULL), 0);
	cr_assert_eq(next_code(&f, text, sizeof(text)), RATION_EDEADLINE);
	cr_assert(strstr(text, "concurrency"), "%s", text);
	cr_assert_eq(next_code(&f, text, sizeof(text)), RATION_EDEADLINE);
	cr_assert_eq(get(&f, "/hello"), 0, "its permit came back");
	fixture_close(&f);
}

/* ---- what is given to a client later, or from outside ---- */

Test(client_govern, service_is_added_to_an_open_client)
{
	ration_response *r = NULL;
	char uri[64];

	fixture_init(&f);
	fixture_open(&f);
	cr_assert_eq(ration_get(f.client, "later", "/hello", &r), RATION_ESERVICE);
	snprintf(uri, sizeof(uri), "http://127.0.0.1:%d", f.server.port);
	set(&f, "services.later.uris", uri);
	cr_assert_eq(ration__client_add_service(f.client, f.config, "later", NULL), 0);
	cr_assert_eq(ration__client_add_service(f.client, f.config, "later", NULL), 0);
	cr_assert_eq(ration_get(f.client, "later", "/hello", &r), 0);
	ration_response_free(r);
	fixture_close(&f);
}

/* A process that takes the store's gate and stops inside the transaction. */
static pid_t stop_a_peer(const char *path)
{
	int ready[2], status;
	pid_t pid;
	char c;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct ration__store_options options = {.path = path};
		struct ration__store *store;
		struct ration__txn *txn;

		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
		if (ration__store_open(&options, &store, NULL) < 0 ||
			ration__store_begin(store, -1, &txn) < 0 || write(ready[1], "!", 1) != 1)
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	cr_assert_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
	cr_assert(WIFSTOPPED(status));
	return pid;
}

static void let_go(pid_t peer)
{
	kill(peer, SIGKILL);
	cr_assert_eq(waitpid(peer, NULL, 0), peer);
}

Test(client_govern, a_stopped_peer_keeps_nothing_from_ending_and_closed_lets_nothing_start)
{
	char text[256], *waiting = NULL;
	pid_t peer;

	fixture_init(&f);
	set(&f, "services.api.on_store_failure", "closed");
	fixture_open(&f);
	submit(&f, "/slow/500");
	UNTIL(f.server.requests == 1);
	peer = stop_a_peer(f.store);
	submit(&f, "/hello");
	cr_assert_eq(next_code(&f, text, sizeof(text)), 0, "the slow one: %s", text);
	cr_assert_eq(f.server.requests, 1);
	UNTIL(ration_client_waiting(f.client, &waiting) == 0 && strstr(waiting, "store"));
	ration_free(waiting);
	let_go(peer);
	cr_assert_eq(next_code(&f, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(get(&f, "/hello"), 0);
	fixture_close(&f);
}

Test(client_govern, local_goes_on_with_its_share_and_says_so)
{
	ration_response *r = NULL;
	char text[256];
	pid_t peer;

	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "4");
	fixture_open(&f);
	f.server.flag = 1;
	submit(&f, "/slow/400"); /* admitted by the store, ended without it */
	UNTIL(f.server.requests == 1);
	peer = stop_a_peer(f.store);
	cr_assert_eq(ration_get(f.client, "api", "/flaky", &r), 0, "%s", text);
	cr_assert(strstr(ration_response_line(r), "\"mode\":\"local\""), "%s",
		ration_response_line(r));
	cr_assert_str_eq(ration_response_mode(r), "local");
	cr_assert_eq(ration_response_attempts(r), 2);
	ration_response_free(r);
	cr_assert_eq(next_code(&f, text, sizeof(text)), 0, "%s", text);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(get(&f, "/hello"), 0);
	let_go(peer);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(get(&f, "/hello"), 0);
	fixture_close(&f);
}

/* The mode of a no, and of a peek, is that of the decision, whatever the last yes was. */
static void mode_of_a_denial(const char *policy, const char *rule)
{
	ration_guard *guard = NULL;
	ration_permit *permit;
	pid_t peer;

	fixture_init(&f);
	set(&f, "services.api.on_store_failure", policy);
	set(&f, "services.api.limits.calls.rate", "1/min");
	fixture_open(&f);
	cr_assert_eq(ration_guard_open(f.config, "api", &guard, NULL), 0);
	permit = ration_permit_new(guard);
	cr_assert_eq(ration_permit_acquire(permit, 0), 0);
	cr_assert_eq(ration_permit_release(permit, RATION_SUCCESS), 0);
	cr_assert_gt(ration_permit_acquire(permit, 0), 0);
	cr_assert_str_eq(ration_permit_mode(permit), "exact");
	peer = stop_a_peer(f.store);
	cr_assert_eq(ration_permit_acquire(permit, 0) > 0, rule[0] != 0);
	cr_assert_str_eq(ration_permit_mode(permit), policy);
	cr_assert_str_eq(ration_permit_rule(permit), rule);
	ration_permit_release(permit, RATION_SUCCESS);
	cr_assert_eq(ration_permit_peek(permit) > 0, rule[0] != 0);
	cr_assert_str_eq(ration_permit_mode(permit), policy);
	let_go(peer);
	cr_assert_gt(ration_permit_acquire(permit, 0), 0);
	cr_assert_str_eq(ration_permit_mode(permit), "exact");
	ration_permit_free(permit);
	ration_guard_close(guard);
	fixture_close(&f);
}

Test(client_govern, a_denial_says_how_it_was_decided_without_the_store)
{
	mode_of_a_denial("local", "calls");
	mode_of_a_denial("closed", "store");
	mode_of_a_denial("open", "");
}

Test(client_govern, a_quota_that_waits_for_the_store_is_not_called_closed)
{
	ration_guard *guard = NULL;
	ration_permit *permit;
	pid_t peer;

	fixture_init(&f);
	set(&f, "services.api.quotas.daily.max", "10");
	set(&f, "services.api.quotas.daily.window", "24h");
	fixture_open(&f);
	cr_assert_eq(ration_guard_open(f.config, "api", &guard, NULL), 0);
	permit = ration_permit_new(guard);
	peer = stop_a_peer(f.store);
	cr_assert_eq(ration_permit_acquire(permit, 0), RATION_DENIED_STORE);
	cr_assert_str_eq(ration_permit_mode(permit), "local");
	cr_assert(strstr(ration_permit_why(permit), "cannot answer"));
	cr_assert_not(strstr(ration_permit_why(permit), "closed"), "%s", ration_permit_why(permit));
	let_go(peer);
	ration_permit_free(permit);
	ration_guard_close(guard);
	fixture_close(&f);
}

Test(client_govern, retry_goes_on_when_the_store_does_not_take_its_first_permit_back)
{
	ration_request *request = new_request("/slow/300/flaky");
	char text[256];
	pid_t peer;

	fixture_init(&f);
	set(&f, "services.api.concurrency.max", "4");
	set(&f, "services.api.retry.backoff.first", "600ms");
	set(&f, "services.api.retry.backoff.max", "600ms");
	set(&f, "services.api.retry.backoff.jitter", "none");
	fixture_open(&f);
	f.server.flag = 1;
	ration_request_set_id(request, "again");
	cr_assert_eq(ration_submit(f.client, request, 0, NULL), 0);
	UNTIL(f.server.requests == 1);
	peer = stop_a_peer(f.store);
	cr_assert_eq(next_code(&f, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(f.server.requests, 2);
	let_go(peer);
	cr_assert_eq(get(&f, "/hello"), 0);
	fixture_close(&f);
}

static _Atomic int64_t fake_ns = INT64_C(5000000000000);

static int64_t fake_clock(void *arg, enum ration_clock which)
{
	return fake_ns + (which == RATION_CLOCK_WALL ? INT64_C(1700000000000000000) : 0);
}

Test(client_govern, injected_clock_decides_and_sockets_live_in_real_time)
{
	char text[256];

	fixture_init(&f);
	set(&f, "services.api.limits.requests.rate", "1/h");
	set(&f, "services.api.limits.requests.burst", "1");
	set(&f, "services.api.concurrency.wait", "48h");
	set(&f, "services.api.timeouts.total", "none");
	ration_config_set_clock(f.config, fake_clock, NULL);
	fixture_open(&f);
	cr_assert_eq(get(&f, "/slow/50"), 0);
	submit(&f, "/hello");
	UNTIL(counts(&f).queued == 1);
	usleep(20000);
	cr_assert_eq(f.server.requests, 1);
	fake_ns += INT64_C(3600000000000) + 1000;
	cr_assert_eq(next_code(&f, text, sizeof(text)), 0, "%s", text);
	fixture_close(&f);
}

/* ---- whose turn it is ---- */

static void submit_of(const char *tenant, const char *path)
{
	ration_request *request = new_request(path);

	cr_assert_eq(ration_request_set_key(request, "tenant", tenant), 0);
	cr_assert_eq(ration_submit(f.client, request, 0, NULL), 0);
}

Test(client_govern, weights_of_the_configuration_share_the_turns)
{
	char text[256];
	int acme = 0, globex = 0;

	fixture_init(&f);
	set(&f, "workers.threads", "1");
	set(&f, "services.api.concurrency", "1");
	set(&f, "services.api.fairness.per", "tenant");
	set(&f, "services.api.fairness.weights.acme", "3");
	fixture_open(&f);
	submit_of("first", "/slow/300"); /* meanwhile the others are queued */
	for (int i = 0; i < 12; i++)
		submit_of("acme", "/acme");
	for (int i = 0; i < 4; i++)
		submit_of("globex", "/globex");
	for (int i = 0; i < 17; i++)
		cr_assert_eq(next_code(&f, text, sizeof(text)), 0, "%s", text);
	for (char *line = strtok(f.log, "\n"); line; line = strtok(NULL, "\n")) {
		acme += !strcmp(line, "/acme");
		globex += !strcmp(line, "/globex");
		cr_assert_leq(acme, 3 * (globex + 1), "after %d of the other", globex);
		cr_assert_leq(3 * globex, acme + 3, "after %d of the other", acme);
	}
	cr_assert_eq(acme + globex, 16);
	fixture_close(&f);
}
