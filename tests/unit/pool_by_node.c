/* Rules that hold for each node, through the public face: two servers of the test's own. */
#include "client_fixture.h"
#include "base/util.h"

TestSuite(by_node, .fini = check_leaks, .timeout = 60);

static struct fixture f;
static struct server other;

/* flag: the status that it answers with; 0: as the path says. */
static bool answer(const struct server_request *request)
{
	char text[96];

	if (!request->server->flag)
		return upstream(request);
	snprintf(text, sizeof(text), "HTTP/1.1 %d Status\r\nContent-Length: 0\r\n\r\n",
		(int)request->server->flag);
	return server_say(request->fd, text);
}

static void open_two(const char *const settings[][2], size_t count)
{
	char uris[128];

	fixture_init(&f);
	f.server.script = answer;
	server_start(&other, answer);
	snprintf(uris, sizeof(uris), "http://127.0.0.1:%d, http://localhost:%d", f.server.port,
		other.port);
	set(&f, "services.api.uris", uris);
	for (size_t i = 0; i < count; i++)
		set(&f, settings[i][0], settings[i][1]);
	fixture_open(&f);
}
#define OPEN_TWO(...)                                                       \
	do {                                                                \
		static const char *const settings[][2] = {__VA_ARGS__};     \
		open_two(settings, sizeof(settings) / sizeof(settings[0])); \
	} while (0)

static void close_two(void)
{
	fixture_close(&f);
	server_stop(&other);
}

static int get_by(const char *path, int64_t deadline_ms, char *text, size_t size)
{
	ration_request *request = new_request(path);
	ration_response *response = NULL;
	int code;

	ration_request_set_deadline(request, deadline_ms);
	code = ration_perform(f.client, request, &response);
	snprintf(text, size, "%s", ration_response_message(response));
	ration_request_free(request);
	ration_response_free(response);
	return code;
}

#define BREAKER                                                                           \
	{"services.api.breaker.per", "[node]"}, {"services.api.breaker.trip_after", "3"}, \
		{"services.api.breaker.open_for", "1h"},                                  \
	{                                                                                 \
		"services.api.nodes.recover_after", "1ms"                                 \
	}
/* Five calls each, at once: what is beyond them waits for longer than any test. */
#define LIMIT                                                                              \
	{"services.api.timeouts.total", "none"}, {"services.api.limits.each.rate", "1/h"}, \
		{"services.api.limits.each.burst", "5"},                                   \
	{                                                                                  \
		"services.api.limits.each.per", "[node]"                                   \
	}

/* ---- breaker ---- */

Test(by_node, X10_a_breaker_per_node)
{
	int failed = 0;

	OPEN_TWO(BREAKER, {"services.api.retry.attempts", "1"});
	other.flag = 500;
	for (int i = 0; i < 40; i++) {
		int code = get(&f, "/x");

		cr_assert(code == 0 || code == RATION_ESERVER, "%s", ration_strerror(code));
		failed += code != 0;
		usleep(1500); /* so that the other is due for a probe */
	}
	cr_assert_eq(failed, 3);
	cr_assert_eq(other.requests, 3, "then its breaker is open");
	cr_assert_eq(f.server.requests, 37, "and the other one's is not");
	close_two();
}

/* A job that goes on elsewhere is over for the node that it leaves. */
Test(by_node, X10_counts_jobs_that_go_on_to_another_node)
{
	OPEN_TWO(BREAKER, {"services.api.retry.backoff.first", "2ms"});
	other.flag = 503;
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(get(&f, "/x"), 0);
		usleep(1500);
	}
	cr_assert_eq(other.requests, 3);
	cr_assert_eq(f.server.requests, 20);
	close_two();
}

Test(by_node, X10_all_open_is_refused)
{
	char text[512];
	int sent;

	OPEN_TWO(BREAKER, {"services.api.retry.attempts", "1"});
	f.server.flag = other.flag = 500;
	for (int i = 0; i < 12; i++) {
		get(&f, "/x");
		usleep(1500);
	}
	sent = f.server.requests + other.requests;
	cr_assert_eq(sent, 6);
	cr_assert_eq(get_by("/x", 10000, text, sizeof(text)), RATION_DENIED_BREAKER);
	cr_assert(strstr(text, "breaker"), "%s", text);
	cr_assert_eq(f.server.requests + other.requests, sent);
	close_two();
}

/* Jobs that wait for a breaker do not while another node's is closed. */
Test(by_node, X10_an_open_breaker_that_is_waited_for_is_in_nobodys_way)
{
	OPEN_TWO(BREAKER, {"services.api.wait_for", "[breaker]"},
		{"services.api.timeouts.pool", "forever"}, {"services.api.timeouts.total", "none"},
		{"services.api.retry.attempts", "1"});
	other.flag = 500;
	for (int i = 0; i < 12; i++) {
		get(&f, "/x");
		usleep(1500);
	}
	cr_assert_eq(other.requests, 3);
	for (int i = 0; i < 100; i++)
		submit(&f, "/x");
	cr_assert_eq(ration_client_drain(f.client, 20000), 0);
	cr_assert_eq(other.requests, 3);
	cr_assert_eq(f.server.requests, 109);
	close_two();
}

/* ---- limits ---- */

Test(by_node, X10_a_limit_per_node)
{
	char text[512];

	OPEN_TWO(LIMIT);
	for (int i = 0; i < 10; i++)
		submit(&f, "/x");
	cr_assert_eq(ration_client_drain(f.client, 20000), 0);
	cr_assert_eq(f.server.requests, 5);
	cr_assert_eq(other.requests, 5);
	cr_assert_eq(get_by("/x", 2000, text, sizeof(text)), RATION_DENIED_DEADLINE);
	cr_assert(strstr(text, "each"), "%s", text);
	close_two();
}

/* The one that is preferred has no more: its jobs move, and each is asked for at both. */
/* A list that shrinks to one node, or began with it, leaves the rule what it is. */
Test(by_node, a_single_node_is_one_too)
{
	char uri[64], *json = NULL;

	fixture_init(&f);
	set(&f, "services.api.limits.each.max", "5");
	set(&f, "services.api.limits.each.window", "1h");
	set(&f, "services.api.limits.each.per", "[node]");
	set(&f, "services.api.limits.here.max", "5");
	set(&f, "services.api.limits.here.window", "1h");
	set(&f, "services.api.limits.here.when.keys.node", "http**");
	fixture_open(&f);
	cr_assert_eq(get(&f, "/x"), 0);
	cr_assert_eq(ration_inspect(f.config, "api", &json, NULL), 0);
	snprintf(uri, sizeof(uri), "\"node\":\"http://127.0.0.1:%d\"", f.server.port);
	cr_assert(strstr(json, uri), "%s", json);
	cr_assert_not(strstr(json, "\"remaining\":5.0,"), "both were used: %s", json);
	ration_free(json);
	fixture_close(&f);
}

Test(by_node, a_job_moves_to_where_it_may_go)
{
	OPEN_TWO(LIMIT, {"services.api.nodes.strategy", "pin"});
	for (int i = 0; i < 10; i++)
		cr_assert_eq(get(&f, "/x"), 0);
	cr_assert_eq(f.server.requests, 5);
	cr_assert_eq(other.requests, 5);
	close_two();
}

/* It is not the caller's to say: what the rules count by would be what it said, or not. */
Test(by_node, a_request_does_not_say_which_node_or_service_it_is_for)
{
	static const char *const ours[] = {"node", "service"};

	OPEN_TWO(LIMIT);
	for (size_t i = 0; i < RATION__COUNT(ours); i++) {
		ration_request *request = new_request("/x");

		cr_expect_eq(ration_request_set_key(request, ours[i], "mine"), RATION_EINVAL);
		cr_expect_eq(ration_submit(f.client, request, 0, NULL), RATION_EINVAL);
		ration_request_free(request);
	}
	close_two();
}

Test(by_node, a_call_by_absolute_url_goes_nowhere_else)
{
	char url[64], text[512];

	OPEN_TWO(LIMIT);
	snprintf(url, sizeof(url), "http://localhost:%d/x", other.port);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(get_by(url, 10000, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(get_by(url, 1000, text, sizeof(text)), RATION_DENIED_DEADLINE);
	cr_assert_eq(other.requests, 5);
	cr_assert_eq(f.server.requests, 0);
	close_two();
}

/* One that may go elsewhere does not stand behind those that may not. */
Test(by_node, nobody_waits_behind_others_without_need)
{
	char url[64];

	OPEN_TWO(LIMIT, {"services.api.timeouts.pool", "forever"},
		{"services.api.nodes.strategy", "pin"});
	snprintf(url, sizeof(url), "http://localhost:%d/x", other.port);
	for (int i = 0; i < 8; i++)
		submit(&f, url);
	UNTIL(counts(&f).completed == 5);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(get(&f, "/x"), 0);
	cr_assert_eq(f.server.requests, 5);
	cr_assert_eq(counts(&f).queued, 3);
	close_two();
}

Test(by_node, places_per_node)
{
	OPEN_TWO({"services.api.concurrency.per_key.per", "[node]"},
		{"services.api.concurrency.per_key.max", "2"},
		{"services.api.nodes.strategy", "pin"});
	for (int i = 0; i < 5; i++)
		submit(&f, "/slow/300");
	UNTIL(f.server.requests + other.requests >= 4);
	cr_assert_eq(counts(&f).in_flight, 4, "two each, and one waits");
	cr_assert_eq(f.server.requests, 2);
	cr_assert_eq(other.requests, 2);
	for (int i = 0; i < 40; i++)
		submit(&f, "/x");
	cr_assert_eq(ration_client_drain(f.client, 20000), 0);
	cr_assert_eq(f.server.requests + other.requests, 45);
	close_two();
}

/* ---- the rest goes on as it does ---- */

Test(by_node, E16_round_robin_is_even)
{
	OPEN_TWO(BREAKER);
	for (int i = 0; i < 100; i++)
		submit(&f, "/x");
	cr_assert_eq(ration_client_drain(f.client, 20000), 0);
	cr_assert_eq(f.server.requests, 50);
	cr_assert_eq(other.requests, 50);
	close_two();
}

Test(by_node, balanced_by_the_jobs_that_wait)
{
	OPEN_TWO({"services.api.concurrency.max", "1"},
		{"services.api.concurrency.per_key.per", "[node]"},
		{"services.api.concurrency.per_key.max", "9"},
		{"services.api.nodes.strategy", "balanced"});
	for (int i = 0; i < 40; i++)
		submit(&f, "/x");
	cr_assert_eq(ration_client_drain(f.client, 20000), 0);
	cr_assert_eq(f.server.requests + other.requests, 40);
	cr_assert_geq(f.server.requests, 15);
	cr_assert_geq(other.requests, 15);
	close_two();
}

Test(by_node, cancelled_and_late_while_they_wait)
{
	ration_ticket tickets[8];
	char text[512];
	int codes[3] = {0};

	OPEN_TWO(LIMIT, {"services.api.timeouts.pool", "forever"});
	for (int i = 0; i < 10; i++)
		cr_assert_eq(get(&f, "/x"), 0);
	for (int i = 0; i < 8; i++)
		tickets[i] = submit(&f, "/x");
	UNTIL(counts(&f).queued == 8);
	for (int i = 0; i < 8; i += 2)
		cr_assert_eq(ration_cancel(f.client, tickets[i]), 0);
	for (int i = 0; i < 4; i++)
		codes[0] += next_code(&f, text, sizeof(text)) == RATION_ECANCELLED;
	for (int i = 0; i < 4; i++)
		codes[1] += get_by("/x", 30, text, sizeof(text)) != 0;
	cr_assert_eq(codes[0], 4);
	cr_assert_eq(codes[1], 4);
	cr_assert_eq(counts(&f).queued, 4, "%d", (int)counts(&f).queued);
	cr_assert_eq(f.server.requests + other.requests, 10);
	close_two(); /* with four that wait */
}

/* Tokens come while jobs wait at both: each node's own. */
Test(by_node, drained_at_the_rate_of_both)
{
	OPEN_TWO({"services.api.limits.each.rate", "200/s"},
		{"services.api.limits.each.burst", "1"},
		{"services.api.limits.each.per", "[node]"});
	for (int i = 0; i < 200; i++)
		submit(&f, "/x");
	cr_assert_eq(ration_client_drain(f.client, 30000), 0);
	cr_assert_eq(f.server.requests + other.requests, 200);
	cr_assert_geq(f.server.requests, 80);
	cr_assert_geq(other.requests, 80);
	close_two();
}
