/* Transfers over real sockets: what is sent, what comes back, and what is kept between requests. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "base/util.h"
#include "http_leaks.h"
#include "http_loop.h"

TestSuite(multi, .fini = check_leaks, .timeout = 60);

static bool answer_hello(const struct server_request *r)
{
	return server_say(r->fd,
		"HTTP/1.1 200 Fine\r\nContent-Type: text/plain\r\nX-Two: a\r\n"
		"X-Folded: one\r\n  two\r\nX-Empty:\r\nContent-Length: 5\r\n\r\nhello");
}

static const char *header(const struct ration__attempt *a, const char *name)
{
	for (const char *at = a->headers; at && at < a->headers + a->headers_length;) {
		const char *value = at + strlen(at) + 1;

		if (strcmp(at, name) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}

Test(multi, E1_status_headers_body)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, answer_hello);
	loop_get(&l, "/x?y=1", &a);
	cr_expect_eq(a.code, 0, "%s", a.message);
	cr_expect_eq(a.status, 200);
	cr_expect_eq(a.sent, 1);
	cr_expect_eq(a.end.end, RATION__END_ANSWERED);
	cr_expect_eq(a.end.status, 200);
	cr_expect_str_eq(a.body, "hello");
	cr_expect_eq(a.body_length, 5);
	cr_expect_str_eq(header(&a, "content-type"), "text/plain");
	cr_expect_str_eq(header(&a, "x-two"), "a");
	cr_expect_str_eq(header(&a, "x-folded"), "one two");
	cr_expect_str_eq(header(&a, "x-empty"), "");
	cr_expect_geq(a.end_ns, a.start_ns);
	ration__attempt_fini(&a);
	cr_expect(strncmp(l.server.last_head, "GET /x?y=1 HTTP/1.1\r\n", 21) == 0);
	cr_expect_eq(ration__multi_active(l.multi), 0);
	loop_fini(&l);
}

Test(multi, R1_calls_in_a_row_use_one_connection)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, answer_hello);
	for (int i = 0; i < 20; i++) {
		loop_get(&l, "/", &a);
		cr_assert_eq(a.code, 0);
		ration__attempt_fini(&a);
	}
	cr_expect_eq(l.server.requests, 20);
	cr_expect_eq(l.server.connections, 1);
	loop_fini(&l);
}

/* The connection limit of libcurl counts connections in use: a burst above it must not reconnect.
 */
Test(multi, more_transfers_than_idle_connections_still_reuse)
{
	struct loop l;
	struct ration__attempt a;
	int started = 0, ended = 0;

	loop_init(&l, answer_hello);
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/"));

	while (ended < 400) {
		while (started < 400 && started - ended < 50) {
			loop_start(&l, call, &l);
			started++;
		}
		cr_assert_not_null(loop_wait(&l, &a));
		cr_assert_eq(a.code, 0, "%s", a.message);
		ration__attempt_fini(&a);
		ended++;
	}
	cr_expect_eq(l.server.requests, 400);
	cr_expect_leq(l.server.connections, 60);
	free(call);
	loop_fini(&l);
}

static bool has_line(const struct loop *l, const char *line)
{
	char text[512];

	snprintf(text, sizeof(text), "\r\n%s\r\n", line);
	return strstr(l->server.last_head, text) != NULL;
}

Test(multi, R11_R12_request_id_and_headers_as_sent)
{
	static const struct ration__header own[] = {{"X-Static", "1"}, {"X-Over", "service"}};
	struct loop l;
	struct ration__attempt a;
	ration_request *request = ration_request_new("s", "GET", "/");

	loop_init(&l, answer_hello);
	l.service.headers = own;
	l.service.header_count = 2;
	ration_request_set_header(request, "x-over", "request");
	ration_request_add_header(request, "X-Empty", "");
	loop_run(&l, request, &a);
	ration__attempt_fini(&a);
	cr_expect(has_line(&l, "X-Request-ID: the-id"));
	cr_expect(has_line(&l, "X-Static: 1"));
	cr_expect(has_line(&l, "x-over: request"));
	cr_expect(has_line(&l, "X-Empty:"), "%s", l.server.last_head);
	cr_expect_not(has_line(&l, "X-Over: service"));

	request = ration_request_new("s", "GET", "/");
	ration_request_set_header(request, "X-Request-Id", "mine");
	loop_run(&l, request, &a);
	ration__attempt_fini(&a);
	cr_expect(has_line(&l, "X-Request-Id: mine"));
	cr_expect_null(strstr(l.server.last_head, "the-id"));
	loop_fini(&l);
}

static bool echo(const struct server_request *r)
{
	static _Thread_local char body[1 << 20];

	if (strncmp(r->head, "HEAD", 4) == 0)
		return server_say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	snprintf(body, sizeof(body), "%.*s %zu", (int)strcspn(r->head, " "), r->head,
		r->body_length);
	if (r->body_length)
		r->server->flag = (unsigned char)r->body[r->body_length - 1];
	return server_ok(r, body);
}

/* Handles are used again without a reset: no method, body or header may leak into the next. */
Test(multi, R25_methods_in_any_order)
{
	static const struct {
		const char *method;
		size_t body; /* SIZE_MAX: none */
		const char *answer;
	} rows[] = {{"GET", SIZE_MAX, "GET 0"}, {"POST", 5, "POST 5"}, {"GET", SIZE_MAX, "GET 0"},
		{"HEAD", SIZE_MAX, ""}, {"DELETE", SIZE_MAX, "DELETE 0"},
		{"PUT", 200000, "PUT 200000"}, {"HEAD", SIZE_MAX, ""}, {"GET", SIZE_MAX, "GET 0"},
		{"POST", SIZE_MAX, "POST 0"}, {"PATCH", 0, "PATCH 0"},
		{"OPTIONS", SIZE_MAX, "OPTIONS 0"}, {"PURGE", 3, "PURGE 3"},
		{"GET", SIZE_MAX, "GET 0"}, {"DELETE", 70000, "DELETE 70000"},
		{"PUT", 1200000, "PUT 1200000"}, {"GET", 2, "GET 2"}, {"GET", SIZE_MAX, "GET 0"}};
	static char bytes[1200000]; /* from 1 MB on libcurl would expect a "100 Continue" */
	struct loop l;
	struct ration__attempt a;

	memset(bytes, 'x', sizeof(bytes));
	loop_init(&l, echo);
	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		ration_request *request = ration_request_new("s", rows[i].method, "/");

		if (rows[i].body != SIZE_MAX)
			ration_request_set_body(request, bytes, rows[i].body, NULL);
		loop_run(&l, request, &a);
		cr_expect_eq(a.code, 0, "%s", a.message);
		cr_expect_str_eq(a.body, rows[i].answer);
		ration__attempt_fini(&a);
		cr_expect_null(strcasestr(l.server.last_head, "\r\nexpect:"));
		cr_expect_null(strcasestr(l.server.last_head, "\r\ncontent-type:"));
		bool length = strcasestr(l.server.last_head, "\r\ncontent-length:") != NULL;

		cr_expect_eq(length,
			rows[i].body != SIZE_MAX || strcmp(rows[i].method, "POST") == 0, "%s",
			l.server.last_head);
	}
	cr_expect_eq(l.server.connections, 1);
	loop_fini(&l);
}

static bool answer_status(const struct server_request *r)
{
	char text[256];
	int status = atoi(strchr(r->head, '/') + 1);

	snprintf(text, sizeof(text),
		"HTTP/1.1 %d Some\r\nRetry-After: 5\r\nLocation: /elsewhere\r\nContent-Length: "
		"2\r\n"
		"\r\nno",
		status);
	return server_say(r->fd, text);
}

Test(multi, statuses_are_answers_and_redirects_are_not_followed)
{
	static const struct {
		const char *path;
		int status, code;
	} rows[] = {{"/404", 404, RATION_ENOTFOUND}, {"/429", 429, RATION_ETHROTTLED},
		{"/500", 500, RATION_ESERVER}, {"/302", 302, RATION_EREDIRECT},
		{"/401", 401, RATION_EAUTH}, {"/201", 201, 0}};
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, answer_status);
	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		loop_get(&l, rows[i].path, &a);
		cr_expect_eq(a.status, rows[i].status);
		cr_expect_eq(a.code, rows[i].code);
		cr_expect_eq(a.end.end, RATION__END_ANSWERED);
		cr_expect_eq(a.end.retry_after_ns, 5 * RATION__NS_PER_S);
		cr_expect_str_eq(a.body, "no");
		ration__attempt_fini(&a);
	}
	cr_expect_eq(l.server.requests, (int)RATION__COUNT(rows));
	loop_fini(&l);
}

static bool interim_and_trailers(const struct server_request *r)
{
	return server_say(r->fd,
		"HTTP/1.1 103 Early\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-Real: 1\r\n"
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
		"Retry-After: 9\r\nX-Trailer: 1\r\nRateLimit: \"a\";r=0;t=9\r\n"
		"X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 9\r\nX-Cost: 9\r\n\r\n");
}

Test(multi, interim_answers_and_trailers_are_not_headers)
{
	struct ration__actual actual = {.unit = "tokens", .source = "header:x-cost"};
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, interim_and_trailers);
	l.service.actuals = &actual;
	l.service.actual_count = 1;
	loop_get(&l, "/", &a);
	cr_expect_eq(a.status, 200);
	cr_expect_str_eq(a.body, "abc");
	cr_expect_str_eq(header(&a, "x-real"), "1");
	cr_expect_null(header(&a, "x-early"));
	cr_expect_null(header(&a, "x-trailer"));
	cr_expect_eq(a.end.retry_after_ns, 0);
	cr_expect_eq(a.end.stop_ns, 0);
	cr_expect(isnan(a.actual[0]));
	ration__attempt_fini(&a);
	loop_fini(&l);
}

static bool two_status_lines(const struct server_request *r)
{
	return server_say(r->fd, "HTTP/1.1 103 Early\r\nX-Early: 1\r\n\r\n"
				 "HTTP/1.1 200 OK\r\nX-Real: 1\r\nHTTP/1.1 999 no: really\r\n"
				 "HTTP/x: y\r\nContent-Length: 2\r\n\r\nok");
}

Test(multi, a_header_is_no_status_line)
{
	struct ration__attempt a;
	struct loop l;

	loop_init(&l, two_status_lines);
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, 0, "%s", a.message);
	cr_expect_eq(a.status, 200);
	cr_expect_str_eq(header(&a, "x-real"), "1");
	cr_expect_null(header(&a, "x-early"));
	ration__attempt_fini(&a);
	loop_fini(&l);
}

/* Nothing is left after this answer, whose status the path tells; it says what it cost. */
static bool answer_spent(const struct server_request *r)
{
	char text[512];
	int status = 200;

	sscanf(r->head, "%*s /%d", &status);
	snprintf(text, sizeof(text),
		"HTTP/1.1 %d Some\r\nRateLimit: \"a\";r=3;t=9\r\nratelimit: \"b\";r=0;t=%s\r\n"
		"X-Cost: 2.5\r\nContent-Type: application/json\r\nContent-Length: 32\r\n\r\n"
		"{\"usage\":{\"total_tokens\":7}}    ",
		status, strstr(r->head, "/long") ? "86400" : "7");
	return server_say(r->fd, text);
}

static void get_spent(struct loop *l, const char *path, int64_t stop_ns)
{
	struct ration__attempt a;

	loop_get(l, path, &a);
	cr_expect_eq(a.end.stop_ns, stop_ns, "%s: %lld", path, (long long)a.end.stop_ns);
	cr_expect_eq(a.end.retry_after_ns, 0);
	ration__attempt_fini(&a);
}

Test(multi, D5_a_spent_limit_stops_whatever_the_status)
{
	struct loop l;

	loop_init(&l, answer_spent);
	get_spent(&l, "/200", 7 * RATION__NS_PER_S);
	get_spent(&l, "/429", 7 * RATION__NS_PER_S);
	get_spent(&l, "/404", 7 * RATION__NS_PER_S);
	get_spent(&l, "/503", 7 * RATION__NS_PER_S);
	get_spent(&l, "/200/long", 120 * RATION__NS_PER_S); /* as long as Retry-After may be */
	l.service.hints = RATION__HINT_RETRY_AFTER;
	get_spent(&l, "/200", 0);
	loop_fini(&l);
}

Test(multi, actual_costs_come_with_the_answer)
{
	struct ration__actual actuals[] = {{"tokens", "body:/usage/total_tokens", 1},
		{"credits", "header:X-Cost", 1}, {"pages", "body:/usage/pages", 1}};
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, answer_spent);
	loop_get(&l, "/200", &a);
	cr_expect(isnan(a.actual[0]), "nobody asked");
	ration__attempt_fini(&a);
	l.service.actuals = actuals;
	l.service.actual_count = 3;
	loop_get(&l, "/500", &a);
	cr_expect_eq(a.actual[0], 7);
	cr_expect_eq(a.actual[1], 2.5);
	for (size_t i = 2; i < RATION__ACTUALS_MAX; i++)
		cr_expect(isnan(a.actual[i]), "%zu", i);
	ration__attempt_fini(&a);
	/* cut at its limit, though it looks whole: the body says nothing, the headers do */
	l.service.body_max = 28;
	loop_get(&l, "/200", &a);
	cr_expect_eq(a.code, RATION_EBODY);
	cr_expect(isnan(a.actual[0]));
	cr_expect_eq(a.actual[1], 2.5);
	ration__attempt_fini(&a);
	loop_fini(&l);
}

static bool hello_then_close(const struct server_request *r)
{
	server_ok(r, "bye");
	while (!r->server->flag)
		usleep(1000);
	return false;
}

/* Level-triggered epoll would report it again and again. */
Test(multi, closed_idle_connection_does_not_spin)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, hello_then_close);
	loop_get(&l, "/", &a);
	ration__attempt_fini(&a);
	l.server.flag = 1;
	loop_until(&l, &l.server.closed, 1);
	unsigned long before = l.events;

	for (int i = 0; i < 20; i++)
		loop_turn(&l, 5);
	cr_expect_leq(l.events - before, 1);
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, 0, "%s", a.message);
	ration__attempt_fini(&a);
	cr_expect_eq(l.server.connections, 2);
	loop_fini(&l);
}

/* The point of keeping descriptors registered: no system call on epoll per request. */
Test(multi, descriptor_of_an_idle_connection_stays_registered)
{
	struct loop l;
	struct ration__attempt a;
	loop_init(&l, answer_hello);
	loop_get(&l, "/", &a);
	ration__attempt_fini(&a);
	cr_expect_eq(loop_watched(&l), 1);
	loop_fini(&l);
}

static bool never(const struct server_request *r)
{
	while (!r->server->flag)
		usleep(1000);
	return false;
}

Test(multi, R21_cancel_ends_it_without_a_result)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, never);
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/"));
	struct ration__transfer *first = loop_start(&l, call, &l);

	ration__multi_cancel(l.multi, first); /* before anything was sent */
	first = loop_start(&l, call, &l);
	loop_start(&l, call, &a);
	loop_until(&l, &l.server.requests, 2);
	ration__multi_cancel(l.multi, first);
	l.server.flag = 1;
	cr_expect_eq(loop_wait(&l, &a), &a);
	ration__attempt_fini(&a);
	cr_expect_eq(ration__multi_active(l.multi), 0);
	cr_expect_null(ration__multi_done(l.multi, &a));
	free(call);
	loop_fini(&l);
}

Test(multi, free_with_transfers_in_flight)
{
	struct loop l;

	loop_init(&l, never);
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/"));

	for (int i = 0; i < 10; i++)
		loop_start(&l, call, &l);
	loop_until(&l, &l.server.requests, 10);
	l.server.flag = 1;
	loop_fini(&l);
	free(call);
}
