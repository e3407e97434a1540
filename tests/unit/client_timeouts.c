/* Timeouts, each its own, as a user sets them: per service and per request. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "client_fixture.h"

TestSuite(client_timeouts, .fini = check_leaks, .timeout = 60);

static struct fixture f;

/*
 *     /stall      headers and half a body, then silence
 *     /drip       a byte each 20 ms, without end
 */
static bool upstream_slow(const struct server_request *request)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf";

	if (path_number(request->head, " /stall")) {
		server_say(request->fd, head);
		usleep(20 * 1000 * 1000);
		return false;
	}
	if (path_number(request->head, " /drip")) {
		for (bool on = server_say(request->fd, head); on; usleep(20000))
			on = server_say(request->fd, ".");
		return false;
	}
	return upstream(request);
}

static void init(void)
{
	fixture_init(&f);
	f.server.script = upstream_slow;
	set(&f, "services.api.retry.attempts", "1");
}

static ration_response *ask(
	const char *method, const char *path, const char *option, const char *setting)
{
	ration_request *request = ration_request_new("api", method, path);
	ration_response *response = NULL;

	cr_assert(request);
	if (option)
		cr_assert_eq(ration_request_set_option(request, option, setting), 0);
	ration_perform(f.client, request, &response);
	cr_assert(response);
	ration_request_free(request);
	return response;
}

static void expect(ration_response *r, int code, double at_least_ms)
{
	double ms = 0;

	cr_expect_eq(ration_response_code(r), code, "%s", ration_response_message(r));
	cr_expect_str_eq(ration_code_class(code), "timeout");
	if (ration_response_attempt(r, 0, NULL, NULL, NULL, &ms) == 0)
		cr_expect_geq(ms, at_least_ms);
	ration_response_free(r);
}

Test(client_timeouts, E3_a_body_that_stalls_is_a_read_timeout)
{
	init();
	set(&f, "services.api.timeouts.read", "150ms");
	fixture_open(&f);
	expect(ask("GET", "/stall", NULL, NULL), RATION_EREADTIMEOUT, 149);
	expect(ask("GET", "/hang", NULL, NULL), RATION_EREADTIMEOUT, 149);
	fixture_close(&f);
}

Test(client_timeouts, R3_a_request_has_its_own)
{
	init();
	fixture_open(&f); /* 30 s, by default */
	expect(ask("GET", "/stall", "timeouts.read", "0.0505s"), RATION_EREADTIMEOUT, 50.4);
	expect(ask("GET", "/drip", "timeouts.attempt", "101ms"), RATION_EATTEMPTTIMEOUT, 100.9);
	expect(ask("GET", "/hang", "timeouts.total", "100ms"), RATION_EDEADLINE, 0);
	fixture_close(&f);
}

Test(client_timeouts, E3_an_attempt_ends_though_bytes_keep_coming)
{
	init();
	set(&f, "services.api.timeouts.read", "10s");
	set(&f, "services.api.timeouts.attempt", "200ms");
	fixture_open(&f);
	expect(ask("GET", "/drip", NULL, NULL), RATION_EATTEMPTTIMEOUT, 199);
	fixture_close(&f);
}

Test(client_timeouts, E3_a_server_that_takes_nothing_is_a_write_timeout)
{
	static char body[64 << 20];
	ration_request *request;
	ration_response *r = NULL;

	init();
	f.server.flag = -1; /* does not read bodies */
	set(&f, "services.api.timeouts.write", "200ms");
	fixture_open(&f);
	request = ration_request_new("api", "PUT", "/hang");
	cr_assert_eq(ration_request_set_body(request, body, sizeof(body), NULL), 0);
	ration_perform(f.client, request, &r);
	ration_request_free(request);
	cr_expect_eq(
		ration_response_cause(r), RATION_EWRITETIMEOUT, "%s", ration_response_message(r));
	cr_expect_eq(ration_response_code(r), RATION_EUNKNOWN, "a part of it was sent");
	ration_response_free(r);
	fixture_close(&f);
}

/* A listener whose queue is full answers no SYN. */
static int full_listener(int *port, int *fillers, int count)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	cr_assert_eq(listen(fd, 0), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*port = ntohs(address.sin_port);
	for (int i = 0; i < count; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fillers[i], (struct sockaddr *)&address, length);
	}
	return fd;
}

Test(client_timeouts, E3_connect)
{
	int fillers[4], port, listener = full_listener(&port, fillers, 4);
	char uri[64];
	ration_response *r;

	init();
	snprintf(uri, sizeof(uri), "http://127.0.0.1:%d", port);
	set(&f, "services.api.uris", uri);
	set(&f, "services.api.timeouts.connect", "150ms");
	fixture_open(&f);
	r = ask("POST", "/x", NULL, NULL);
	cr_expect_eq(ration_response_sent(r), 0);
	expect(r, RATION_ECONNECTTIMEOUT, 149);
	r = ask("POST", "/x", "retry.attempts", "2");
	cr_expect_eq(ration_response_attempts(r), 2, "not sent, so any method is made again");
	expect(r, RATION_ECONNECTTIMEOUT, 149);
	fixture_close(&f);
	for (int i = 0; i < 4; i++)
		close(fillers[i]);
	close(listener);
}

Test(client_timeouts, N11_total_includes_waits_and_retries)
{
	ration_response *r;

	init();
	set(&f, "services.api.timeouts.total", "300ms");
	set(&f, "services.api.retry.attempts", "1000");
	set(&f, "services.api.retry.budget.capacity", "1000000");
	fixture_open(&f);
	r = ask("GET", "/s/500", NULL, NULL);
	/* the next one would be too late, or it ran out of time while it waited or flew */
	if (ration_response_code(r) == RATION_ESERVER)
		cr_expect_eq(ration_response_exhausted(r), RATION_EXHAUSTED_TIME);
	else
		cr_expect_eq(ration_response_code(r), RATION_EDEADLINE, "%s",
			ration_response_message(r));
	cr_expect_gt(ration_response_attempts(r), 2);
	ration_response_free(r);
	fixture_close(&f);
}

Test(client_timeouts, R19_R15_ten_slow_ones_and_five_places)
{
	int ok = 0, late = 0;
	char text[256];

	init();
	set(&f, "services.api.concurrency.max", "5");
	set(&f, "services.api.timeouts.pool", "0.5s");
	set(&f, "services.api.breaker.trip_after", "1");
	fixture_open(&f);
	for (int i = 0; i < 10; i++)
		submit(&f, "/slow/2000");
	for (int i = 0; i < 10; i++) {
		int code = next_code(&f, text, sizeof(text));

		ok += code == 0;
		late += code == RATION_DENIED_CONCURRENCY;
	}
	cr_expect_eq(ok, 5);
	cr_expect_eq(late, 5);
	cr_expect_eq(f.server.requests, 5, "nothing was sent for the others");
	cr_expect_eq(counts(&f).sent, 5);
	cr_expect_eq(get(&f, "/after"), 0, "the breaker does not mind");
	fixture_close(&f);
}

Test(client_timeouts, D14_all_are_finite_by_default)
{
	static const char *const paths[] = {"connect", "read", "write", "attempt", "total", "pool"};
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	char path[64];

	cr_assert_eq(ration_config_set(config, "services.api.uris", "http://127.0.0.1", &err), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *value;

		snprintf(path, sizeof(path), "services.api.timeouts.%s", paths[i]);
		value = ration_config_get(config, path);
		cr_assert(value, "%s", path);
		cr_expect(*value >= '1' && *value <= '9', "%s: %s", path, value);
	}
	ration_config_free(config);
}
