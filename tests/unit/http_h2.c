/* HTTP/2 with nginx and nghttpd: what is negotiated, and what streams of one connection do not do
 * to each other. */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "http_leaks.h"
#include "http_loop.h"
#include "http_peer.h"

TestSuite(h2, .fini = check_leaks, .timeout = 110);

#define SAY "location / { return 200 $server_protocol; }"

static struct kit kit;
static struct peer peer;
static struct loop l;
static char base[64];

static bool nobody(const struct server_request *r)
{
	return server_ok(r, "");
}

/* The peer is there already. */
static void begin(const char *scheme, server_script script, uint8_t http)
{
	loop_init(&l, script);
	snprintf(base, sizeof(base), "%s://127.0.0.1:%d", scheme, peer.port);
	l.service.base = base;
	l.service.http = http;
	l.service.tls = (struct ration__tls_conf){.ca = kit_path(&kit, "ca.pem"), .verify = 1};
}

static void finish(void)
{
	loop_fini(&l);
	peer_stop(&peer);
	kit_fini(&kit);
}

static void expect_body(const char *expected)
{
	struct ration__attempt a;

	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, 0, "%s", a.message);
	cr_expect_eq(a.status, 200);
	cr_expect_eq(a.sent, 1);
	cr_expect_str_eq(a.body ? a.body : "", expected);
	ration__attempt_fini(&a);
}

static bool older_than(unsigned version)
{
	return curl_version_info(CURLVERSION_NOW)->version_num < version;
}

Test(h2, E21_where_offered_else_1_1)
{
	kit_init(&kit);
	peer_nginx(&peer, &kit, "ssl http2", SAY);
	begin("https", nobody, RATION__HTTP_2);
	expect_body("HTTP/2.0");
	l.service.http = RATION__HTTP_1_1;
	expect_body("HTTP/1.1");
	l.service.http = RATION__HTTP_2;
	expect_body("HTTP/2.0");
	l.service.http = RATION__HTTP_AUTO;
	expect_body(older_than(0x080400) ? "HTTP/1.1" : "HTTP/2.0");
	finish();
}

Test(h2, E21_not_offered)
{
	kit_init(&kit);
	peer_nginx(&peer, &kit, "ssl", SAY);
	begin("https", nobody, RATION__HTTP_2);
	expect_body("HTTP/1.1");
	expect_body("HTTP/1.1");
	peer_stop(&peer);
	peer_nginx(&peer, &kit, "", SAY); /* in the clear nobody is asked */
	snprintf(base, sizeof(base), "http://127.0.0.1:%d", peer.port);
	expect_body("HTTP/1.1");
	finish();
}

/* Starts, cancels, and waits at random; the same seed each time. */
static void rush(int count, int at_once)
{
	struct ration__transfer *running[256] = {NULL};
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/hello"));
	struct ration__attempt a;
	int started = 0, ended = 0, cancelled = 0, active = 0;
	unsigned seed = 1;

	while (ended + cancelled < count) {
		while (started < count && active < at_once) {
			int place = 0;

			while (running[place])
				place++;
			running[place] = loop_start(&l, call, &running[place]);
			started++;
			active++;
		}
		seed = seed * 1103515245 + 12345;
		int victim = (int)(seed >> 16) % at_once;

		if (seed >> 28 == 0 && running[victim]) {
			ration__multi_cancel(l.multi, running[victim]);
			running[victim] = NULL;
			cancelled++;
			active--;
			continue;
		}
		struct ration__transfer **place = loop_wait(&l, &a);

		cr_assert_not_null(place);
		cr_assert_eq(a.code, 0, "%s", a.message);
		cr_assert_eq(a.status, 200);
		cr_assert_str_eq(a.body, "hello\n");
		ration__attempt_fini(&a);
		*place = NULL;
		ended++;
		active--;
	}
	cr_expect_gt(cancelled, 0);
	free(call);
}

/* libcurl before 8.0 cannot use such a connection twice. */
Test(h2, in_the_clear_without_asking)
{
	struct ration__multi_stats stats;

	kit_init(&kit);
	peer_nghttpd(&peer, &kit, 0);
	begin("http", nobody, RATION__HTTP_2_PRIOR);
	rush(500, 20);
	ration__multi_stats(l.multi, &stats);
	if (older_than(0x080000))
		cr_expect_eq(stats.reused, 0);
	else
		cr_expect_eq(stats.connects, 1);
	cr_expect_eq(stats.handshakes, 0);
	finish();
}

Test(h2, E21_streams_share_a_connection_with_tls)
{
	struct ration__multi_stats stats;

	kit_init(&kit);
	peer_nghttpd(&peer, &kit, 1);
	begin("https", nobody, RATION__HTTP_2);
	rush(3000, 90);
	ration__multi_stats(l.multi, &stats);
	cr_expect_eq(stats.connects, 1);
	cr_expect_eq(stats.handshakes, 1);
	finish();
}

/* More than fit onto a connection: others are opened, none is lost. */
Test(h2, more_streams_than_a_connection_takes)
{
	struct ration__multi_stats stats;

	kit_init(&kit);
	peer_nghttpd(&peer, &kit, 1);
	begin("https", nobody, RATION__HTTP_2);
	rush(3000, 250);
	ration__multi_stats(l.multi, &stats);
	/* how many depends on when their settings come; far fewer than requests in any case */
	cr_expect_lt(stats.connects, 750, "%lu", (unsigned long)stats.connects);
	finish();
}

/* ---- one stream's silence is its own ---- */

/* Behind nginx: /stall answers when the flag is set, /drip never stops until then. */
static bool stall(const struct server_request *r)
{
	if (strncmp(r->head, "GET /drip", 9) == 0) {
		server_say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
		while (!r->server->flag && server_say(r->fd, "."))
			usleep(20000);
		return false;
	}
	if (strncmp(r->head, "GET /stall", 10) == 0)
		while (!r->server->flag)
			usleep(1000);
	return server_ok(r, "there");
}

static void begin_behind_nginx(void)
{
	char conf[256];

	kit_init(&kit);
	loop_init(&l, stall);
	snprintf(conf, sizeof(conf),
		"location / { proxy_pass http://127.0.0.1:%d; proxy_http_version 1.1; "
		"proxy_set_header Connection \"\"; proxy_buffering off; }",
		l.server.port);
	peer_nginx(&peer, &kit, "ssl http2", conf);
	snprintf(base, sizeof(base), "https://127.0.0.1:%d", peer.port);
	l.service.base = base;
	l.service.tls.ca = kit_path(&kit, "ca.pem");
	l.service.tls.verify = 1;
	l.service.http = RATION__HTTP_2;
}

/* The same service for calls that have all the time of a slow machine. */
static struct ration__service_conf patient;

static void start_patient(const struct ration__call *call, void *user)
{
	struct ration__send send = {.service = &patient, .call = call, .id = "the-id"};
	struct ration__transfer *transfer;

	cr_assert_eq(ration__multi_start(l.multi, &send, loop_now(&l), user, &transfer), 0);
}

Test(h2, a_silent_stream_times_out_beside_a_busy_one)
{
	struct ration__attempt a;
	int64_t until;
	void *user;
	int silent, busy, ended = 0;

	begin_behind_nginx();
	expect_body("there");
	struct ration__call *stalled = loop_pack(&l, ration_request_new("s", "GET", "/stall"));
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/"));

	patient = l.service;
	l.service.timeouts.read_ns = 300 * RATION__NS_PER_MS;
	loop_start(&l, stalled, &silent);
	until = loop_now(&l) + 10 * RATION__NS_PER_S;
	start_patient(call, &busy);
	while ((user = loop_wait(&l, &a)) == &busy && loop_now(&l) < until) {
		cr_assert_eq(a.code, 0, "%s", a.message);
		ration__attempt_fini(&a);
		ended++;
		start_patient(call, &busy);
	}
	cr_expect_eq(user, &silent);
	cr_expect_eq(a.code, RATION_EREADTIMEOUT, "%s", a.message);
	cr_expect_gt(ended, 0);
	ration__attempt_fini(&a);
	/* its connection is not to blame */
	cr_assert_eq(loop_wait(&l, &a), &busy);
	cr_expect_eq(a.code, 0, "%s", a.message);
	ration__attempt_fini(&a);
	l.server.flag = 1;
	struct ration__multi_stats stats;

	ration__multi_stats(l.multi, &stats);
	cr_expect_eq(stats.connects, 1);
	free(stalled);
	free(call);
	finish();
}

/* What comes for another stream of the connection is no sign of life. */
Test(h2, a_silent_stream_times_out_beside_one_that_drips)
{
	struct ration__attempt a;
	int silent, drips;

	begin_behind_nginx();
	expect_body("there");
	struct ration__call *stalled = loop_pack(&l, ration_request_new("s", "GET", "/stall"));
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/drip"));

	l.service.timeouts.read_ns = 500 * RATION__NS_PER_MS;
	struct ration__transfer *dripping = loop_start(&l, call, &drips);

	for (int i = 0; i < 50; i++)
		loop_turn(&l, 5);
	loop_start(&l, stalled, &silent);
	cr_assert_eq(loop_wait(&l, &a), &silent);
	cr_expect_eq(a.code, RATION_EREADTIMEOUT, "%s", a.message);
	ration__attempt_fini(&a);
	ration__multi_cancel(l.multi, dripping);
	l.server.flag = 1;
	free(stalled);
	free(call);
	finish();
}

/* A large body goes up in one stream: that it moves is seen although its socket's events say
 * nothing about a stream. */
Test(h2, an_upload_that_moves_does_not_time_out)
{
	static char bytes[64 << 20];
	ration_request *request = ration_request_new("s", "POST", "/");
	struct ration__attempt a;

	kit_init(&kit);
	peer_nginx(&peer, &kit, "ssl http2",
		"client_max_body_size 64m; location / { proxy_pass http://127.0.0.1:1; }");
	begin("https", nobody, RATION__HTTP_2);
	l.service.timeouts.write_ns = 250 * RATION__NS_PER_MS;
	memset(bytes, 'x', sizeof(bytes));
	ration_request_set_body(request, bytes, sizeof(bytes), "text/plain");
	loop_run(&l, request, &a);
	cr_expect_eq(a.status, 502, "%s", a.message); /* nginx has taken it all, to ask nobody */
	ration__attempt_fini(&a);
	finish();
}
