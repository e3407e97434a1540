/* Upstreams that fail: what is concluded, and what is never sent twice. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "http_leaks.h"
#include "http_loop.h"

TestSuite(faults, .fini = check_leaks, .timeout = 60);

/* First request on a connection: answered. Second: the connection dies. */
static bool die_on_second(const struct server_request *r)
{
	if (r->nth == 1)
		return server_ok(r, "ok");
	if (r->server->flag)
		server_reset(r->fd);
	return false;
}

static void check_resend(const char *method, bool reset)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, die_on_second);
	l.server.flag = reset;
	loop_get(&l, "/", &a);
	cr_assert_eq(a.code, 0, "%s", a.message);
	ration__attempt_fini(&a);
	ration_request *request = ration_request_new("s", method, "/");

	if (strcmp(method, "GET") != 0)
		ration_request_set_body(request, "pay", 3, "text/plain");
	loop_run(&l, request, &a);
	cr_expect_eq(a.code, RATION_ERESET, "%s: %s", method, a.message);
	cr_expect_eq(a.end.end, RATION__END_AMBIGUOUS);
	cr_expect_neq(a.sent, 0);
	cr_expect_eq(a.status, 0);
	ration__attempt_fini(&a);
	/* Whatever libcurl still does in the background has happened when the next is answered. */
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, 0);
	ration__attempt_fini(&a);
	cr_expect_eq(l.server.requests, 3, "%s was sent %d times", method, l.server.requests - 2);
	loop_fini(&l);
}

Test(faults, X5_nothing_is_sent_again_behind_our_back)
{
	check_resend("POST", false);
	check_resend("POST", true);
	check_resend("PUT", false);
	check_resend("GET", false);
	check_resend("GET", true);
}

static bool die_at_once(const struct server_request *r)
{
	if (r->server->flag)
		server_reset(r->fd);
	return false;
}

Test(faults, X5_reset_of_a_new_connection_is_ambiguous)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, die_at_once);
	for (int i = 0; i < 2; i++) {
		l.server.flag = i;
		loop_get(&l, "/secret?token=canary", &a);
		cr_expect_eq(a.code, RATION_ERESET, "%s", a.message);
		cr_expect_eq(a.end.end, RATION__END_AMBIGUOUS);
		cr_expect_eq(a.sent, 1);
		cr_expect_null(strstr(a.message, "canary"));
		ration__attempt_fini(&a);
	}
	cr_expect_eq(l.server.requests, 2);
	loop_fini(&l);
}

Test(faults, X5_refused_connection_was_not_sent)
{
	struct loop l;
	struct ration__attempt a;
	char base[64];

	loop_init(&l, die_at_once);
	/* Port 1 of loopback: nobody listens there. */
	snprintf(base, sizeof(base), "http://127.0.0.1:1");
	l.service.base = base;
	loop_run(&l, ration_request_new("s", "POST", "/"), &a);
	cr_expect_eq(a.code, RATION_ECONNECT, "%s", a.message);
	cr_expect_eq(a.end.end, RATION__END_NOT_SENT);
	cr_expect_eq(a.sent, 0);
	cr_expect_not(a.end.timed_out);
	ration__attempt_fini(&a);
	loop_fini(&l);
}

static bool cut_body(const struct server_request *r)
{
	server_say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
	return false;
}

Test(faults, torn_answer_is_no_answer)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, cut_body);
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, RATION_ERESET, "%s", a.message);
	cr_expect_eq(a.end.end, RATION__END_AMBIGUOUS);
	cr_expect_eq(a.status, 0);
	cr_expect_null(a.body);
	ration__attempt_fini(&a);
	loop_fini(&l);
}

static const char *garbage;

static bool say_garbage(const struct server_request *r)
{
	server_say(r->fd, garbage);
	return false;
}

Test(faults, garbage_is_no_http)
{
	static const char *const rows[] = {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "\r\n\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"};
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, say_garbage);
	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		garbage = rows[i];
		loop_get(&l, "/", &a);
		cr_expect_lt(a.code, 0, "%zu", i);
		cr_expect_eq(a.status, 0);
		cr_expect_eq(a.end.end, RATION__END_AMBIGUOUS, "%zu: %s", i, a.message);
		for (const char *c = a.message; *c; c++)
			cr_expect_geq((unsigned char)*c, 32);
		ration__attempt_fini(&a);
	}
	loop_fini(&l);
}

static bool endless(const struct server_request *r)
{
	bool on = server_say(r->fd, strstr(r->head, "/refused") ? "HTTP/1.1 503 No\r\n\r\n"
								: "HTTP/1.1 200 OK\r\n\r\n");

	while (on)
		on = server_say(
			r->fd, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n");
	return false;
}

Test(faults, endless_body_is_cut_at_its_limit)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, endless);
	l.service.body_max = 100000;
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, RATION_EBODY, "%s", a.message);
	cr_expect(a.truncated);
	cr_expect_eq(a.body_length, 100000);
	cr_expect_eq(a.status, 200);
	cr_expect_eq(a.end.end, RATION__END_PERMANENT);
	ration__attempt_fini(&a);
	loop_get(&l, "/refused", &a);
	cr_expect_eq(a.code, RATION_EUNAVAILABLE, "a refusal is one, however long");
	cr_expect_eq(a.end.end, RATION__END_ANSWERED);
	cr_expect(a.truncated);
	ration__attempt_fini(&a);
	loop_fini(&l);
}

static bool exactly(const struct server_request *r)
{
	return server_ok(r, "12345678");
}

Test(faults, body_of_exactly_its_limit_is_whole)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, exactly);
	l.service.body_max = 8;
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, 0);
	cr_expect_not(a.truncated);
	ration__attempt_fini(&a);
	l.service.body_max = 7;
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, RATION_EBODY);
	cr_expect_str_eq(a.body, "1234567");
	ration__attempt_fini(&a);
	loop_fini(&l);
}

static bool endless_headers(const struct server_request *r)
{
	bool on = server_say(r->fd, strstr(r->head, "/interim") ? "" : "HTTP/1.1 200 OK\r\n");

	while (on)
		on = server_say(r->fd,
			strstr(r->head, "/interim") ? "HTTP/1.1 102 Wait\r\nX-A: b\r\n\r\n"
			: strstr(r->head, "/line")  ? "X-0123456789abcdef0123456789abcdef"
						    : "X-A: 0123456789abcdef0123456789abcdef\r\n");
	return false;
}

Test(faults, endless_headers_end)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, endless_headers);
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, RATION_EBODY, "%s", a.message);
	cr_expect_eq(a.end.end, RATION__END_PERMANENT);
	ration__attempt_fini(&a);
	loop_get(&l, "/interim", &a);
	cr_expect_eq(a.code, RATION_EBODY, "%s", a.message);
	ration__attempt_fini(&a);
	/* One line without an end never reaches us; libcurl stops at 100 KiB. */
	loop_get(&l, "/line", &a);
	cr_expect_lt(a.code, 0, "%s", a.message);
	ration__attempt_fini(&a);
	loop_fini(&l);
}

/* ---- time: the clock is pushed, nobody waits ---- */

static bool stall(const struct server_request *r)
{
	if (strstr(r->head, "/half"))
		server_say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
	while (r->server->flag <= 0)
		usleep(1000);
	return false;
}

/* Sends, waits until the server has it, and pushes the clock. */
static void stalled(struct loop *l, const char *path, int64_t push_ns, struct ration__attempt *a)
{
	struct ration__call *call = loop_pack(l, ration_request_new("s", "GET", path));
	int had = l->server.requests;

	loop_start(l, call, l);
	loop_until(l, &l->server.requests, had + 1);
	loop_settle(l); /* let the half that was answered come in */
	l->ahead_ns += push_ns - RATION__NS_PER_S;
	loop_turn(l, 0);
	cr_expect_null(ration__multi_done(l->multi, a), "too early");
	l->ahead_ns += 2 * RATION__NS_PER_S;
	cr_expect_eq(loop_wait(l, a), l);
	free(call);
}

Test(faults, E3_read_timeout_counts_from_the_last_byte)
{
	static const char *const paths[] = {"/none", "/half"};
	struct loop l;
	struct ration__attempt a;

	for (int i = 0; i < 2; i++) {
		loop_init(&l, stall);
		stalled(&l, paths[i], 30 * RATION__NS_PER_S, &a);
		cr_expect_eq(a.code, RATION_EREADTIMEOUT, "%s", a.message);
		cr_expect_eq(a.end.end, RATION__END_AMBIGUOUS);
		cr_expect(a.end.timed_out);
		cr_expect_eq(a.sent, 1);
		ration__attempt_fini(&a);
		l.server.flag = 1;
		loop_fini(&l);
	}
}

static bool drip(const struct server_request *r)
{
	server_say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
	for (int sent = 0; sent < 100; sent++) {
		while (r->server->flag <= sent)
			usleep(500);
		if (!server_say(r->fd, "x"))
			return false;
	}
	return true;
}

/* Each byte restarts the read timeout; the attempt's goes on. */
Test(faults, E3_attempt_timeout_ends_a_drip)
{
	struct loop l;
	struct ration__attempt a;
	int drops = 0;

	loop_init(&l, drip);
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/"));

	loop_start(&l, call, &l);
	loop_until(&l, &l.server.requests, 1);
	while (!ration__multi_done(l.multi, &a)) {
		cr_assert_lt(drops, 10);
		l.server.flag = ++drops;
		unsigned long before = l.events;

		for (int i = 0; i < 400 && l.events == before; i++)
			loop_turn(&l, 5);
		l.ahead_ns += 20 * RATION__NS_PER_S;
		loop_turn(&l, 0);
	}
	cr_expect_eq(a.code, RATION_EATTEMPTTIMEOUT, "%s after %d bytes", a.message, drops);
	cr_expect_eq(drops, 3);
	ration__attempt_fini(&a);
	free(call);
	l.server.flag = 1000;
	loop_fini(&l);
}

static bool no_reading(const struct server_request *r)
{
	while (!r->server->closed && r->server->flag == -1)
		usleep(1000);
	return false;
}

Test(faults, E3_write_timeout_when_nothing_is_taken)
{
	struct loop l;
	struct ration__attempt a;
	size_t size = 32 << 20;
	char *body = calloc(1, size);
	ration_request *request = ration_request_new("s", "PUT", "/");

	loop_init(&l, no_reading);
	l.server.flag = -1;
	l.service.timeouts.write_ns = 10 * RATION__NS_PER_S;
	cr_assert_eq(ration_request_set_body(request, body, size, NULL), 0);
	free(body);
	struct ration__call *call = loop_pack(&l, request);

	loop_start(&l, call, &l);
	loop_until(&l, &l.server.requests, 1);
	loop_settle(&l); /* until the sockets' buffers are full */
	l.ahead_ns += 11 * RATION__NS_PER_S;
	cr_expect_eq(loop_wait(&l, &a), &l);
	cr_expect_eq(a.code, RATION_EWRITETIMEOUT, "%s", a.message);
	cr_expect_eq(a.end.end, RATION__END_AMBIGUOUS);
	ration__attempt_fini(&a);
	free(call);
	l.server.flag = 0;
	loop_fini(&l);
}

/* Phases without a callback: when the last byte was taken, the read timeout counts. */
Test(faults, E3_read_timeout_after_an_upload)
{
	struct loop l;
	struct ration__attempt a;
	size_t size = 300000;
	char *body = calloc(1, size);
	ration_request *request = ration_request_new("s", "PUT", "/");

	loop_init(&l, stall);
	l.service.timeouts.connect_ns = l.service.timeouts.write_ns = 55 * RATION__NS_PER_S;
	l.service.timeouts.read_ns = 10 * RATION__NS_PER_S;
	cr_assert_eq(ration_request_set_body(request, body, size, NULL), 0);
	free(body);
	struct ration__call *call = loop_pack(&l, request);

	loop_start(&l, call, &l);
	loop_until(&l, &l.server.requests, 1);
	loop_settle(&l);
	l.ahead_ns += 11 * RATION__NS_PER_S;
	cr_expect_eq(loop_wait(&l, &a), &l);
	cr_expect_eq(a.code, RATION_EREADTIMEOUT, "%s", a.message);
	ration__attempt_fini(&a);
	free(call);
	l.server.flag = 1;
	loop_fini(&l);
}

/* TLS towards a server that never says a word: connected, but nothing was sent. */
Test(faults, E3_connect_timeout_covers_tls)
{
	struct loop l;
	struct ration__attempt a;
	char base[64];

	loop_init(&l, no_reading);
	l.server.flag = -1;
	l.server.raw = true;
	snprintf(base, sizeof(base), "https://127.0.0.1:%d", l.server.port);
	l.service.base = base;
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "POST", "/"));

	loop_start(&l, call, &l);
	loop_until(&l, &l.server.connections, 1);
	l.ahead_ns += 6 * RATION__NS_PER_S;
	cr_expect_eq(loop_wait(&l, &a), &l);
	cr_expect_eq(a.code, RATION_ECONNECTTIMEOUT, "%s", a.message);
	cr_expect_eq(a.end.end, RATION__END_NOT_SENT);
	cr_expect(a.end.timed_out);
	cr_expect_eq(a.sent, 0);
	ration__attempt_fini(&a);
	free(call);
	l.server.flag = 0;
	loop_fini(&l);
}

static bool ok(const struct server_request *r)
{
	return server_ok(r, "ok");
}

/* After a late tick, what is readable is not timed out. */
Test(faults, answer_before_timeout_in_a_late_tick)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, ok);
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/"));

	loop_start(&l, call, &l);
	for (int i = 0; i < 2000 && l.server.requests < 1; i++)
		loop_turn(&l, 0);
	usleep(20000); /* the answer lies in the socket; the worker was away for two minutes */
	l.ahead_ns += 120 * RATION__NS_PER_S;
	cr_expect_eq(loop_wait(&l, &a), &l);
	cr_expect_eq(a.code, 0, "%s", a.message);
	ration__attempt_fini(&a);
	free(call);
	loop_fini(&l);
}
