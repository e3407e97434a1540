/* Bodies through the public face: sent again, taken piece by piece, read as JSON. */
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "client_fixture.h"

TestSuite(client_body, .fini = check_leaks, .timeout = 60);

static struct fixture f;

/* What came, one line for each request: its body's length. */
static char bodies[256];

/* 503 while flag > 0, counted down; reads every body first. */
static bool flaky(const struct server_request *r)
{
	size_t length = strlen(bodies);

	snprintf(bodies + length, sizeof(bodies) - length, "%zu\n", r->body_length);
	if (r->server->flag > 0) {
		r->server->flag--;
		return server_say(r->fd, "HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nlater");
	}
	return server_ok(r, "fine");
}

static void begin(server_script script)
{
	fixture_init(&f);
	f.server.script = script;
	bodies[0] = '\0';
	fixture_open(&f);
}

static ration_request *new_post(void)
{
	ration_request *request = ration_request_new("api", "POST", "/x");

	cr_assert(request);
	ration_request_set_idempotency_key(request, "k");
	return request;
}

/* Performs it; the response must be freed. */
static ration_response *run(ration_request *request, int code)
{
	ration_response *r = NULL;
	int rc = ration_perform(f.client, request, &r);

	cr_assert(r, "%s", ration_strerror(rc));
	cr_expect_eq(rc, code, "%s", ration_response_message(r));
	ration_request_free(request);
	return r;
}

static void make_file(char *path, size_t size)
{
	strcpy(path, "/tmp/ration-client-body-XXXXXX");
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

/* ---- sent again ---- */

Test(client_body, R12_file_is_sent_again_as_a_whole)
{
	char path[64];
	ration_request *request = new_post();

	begin(flaky);
	f.server.flag = 2;
	make_file(path, 123456);
	ration_request_set_body_file(request, path, NULL);
	ration_response_free(run(request, 0));
	cr_expect_str_eq(bodies, "123456\n123456\n123456\n");
	unlink(path);
	fixture_close(&f);
}

Test(client_body, missing_file_ends_the_job_without_a_request)
{
	ration_request *request = new_post();
	ration_response *r;

	begin(flaky);
	ration_request_set_body_file(request, "/nowhere/at/all", NULL);
	r = run(request, RATION_EIO);
	cr_expect_eq(ration_response_sent(r), 0);
	cr_expect_eq(f.server.connections, 0);
	ration_response_free(r);
	fixture_close(&f);
}

struct feed {
	size_t left, whole;
	atomic_int rewinds, calls;
};

static ptrdiff_t feed(void *arg, ration_ticket ticket, void *buffer, size_t size)
{
	struct feed *from = arg;
	size_t n = from->left < size ? from->left : size;

	cr_expect_neq(ticket, 0);
	from->calls++;
	memset(buffer, 'x', n);
	from->left -= n;
	return (ptrdiff_t)n;
}

static int rewind_feed(void *arg)
{
	struct feed *from = arg;

	from->left = from->whole;
	from->rewinds++;
	return 0;
}

Test(client_body, R12_function_is_repeated_only_if_it_can_be_rewound)
{
	struct feed once = {.left = 5000}, again = {.whole = 5000};
	ration_request *request = new_post();
	ration_response *r;

	begin(flaky);
	f.server.flag = 1;
	ration_request_set_body_fn(request, feed, NULL, &once, 5000, NULL);
	r = run(request, RATION_EUNAVAILABLE);
	cr_expect_eq(ration_response_attempts(r), 1);
	cr_expect_str_eq(bodies, "5000\n");
	ration_response_free(r);
	f.server.flag = 1;
	request = new_post();
	ration_request_set_body_fn(request, feed, rewind_feed, &again, 5000, NULL);
	r = run(request, 0);
	cr_expect_eq(ration_response_attempts(r), 2);
	cr_expect_eq(again.rewinds, 2);
	cr_expect_str_eq(bodies, "5000\n5000\n5000\n");
	ration_response_free(r);
	fixture_close(&f);
}

Test(client_body, function_that_was_not_read_is_tried_again)
{
	struct feed once = {.left = 5};
	ration_request *request;
	ration_response *r;
	int listener;

	fixture_init(&f);
	listener = f.server.listener;
	shutdown(listener, SHUT_RDWR); /* refuses from now on */
	fixture_open(&f);
	request = new_post();
	ration_request_set_option(request, "retry.attempts", "3");
	ration_request_set_body_fn(request, feed, NULL, &once, 5, NULL);
	r = run(request, RATION_ECONNECT);
	cr_expect_eq(ration_response_attempts(r), 3);
	cr_expect_eq(once.calls, 0);
	ration_response_free(r);
	fixture_close(&f);
}

/* ---- taken piece by piece ---- */

#define FLOOD (8 << 20)

static bool flood(const struct server_request *r)
{
	static char zeros[1 << 16];
	char head[96];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", FLOOD);
	server_say(r->fd, head);
	for (int at = 0; at < FLOOD;) {
		ssize_t n = send(r->fd, zeros,
			FLOOD - at < (int)sizeof(zeros) ? (size_t)(FLOOD - at) : sizeof(zeros),
			MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += (int)n;
	}
	return true;
}

/* Takes a piece each time there is room; the consumer makes room and tells. */
struct taker {
	atomic_int room, pauses, begun;
	atomic_long taken;
	_Atomic uint64_t ticket;
};

static int take(void *arg, ration_ticket ticket, const void *data, size_t length)
{
	struct taker *t = arg;

	t->ticket = ticket;
	if (!data) {
		t->begun++;
		t->taken = 0;
		return 0;
	}
	if (t->room <= 0) {
		t->pauses++;
		return RATION_EAGAIN;
	}
	t->room--;
	t->taken += (long)length;
	return 0;
}

static atomic_bool stop;

static void *consume(void *arg)
{
	struct taker *t = arg;

	while (!stop) {
		if (t->room > 0) {
			usleep(20);
			continue;
		}
		t->room = 8;
		if (t->ticket)
			ration_resume(f.client, t->ticket);
	}
	return NULL;
}

Test(client_body, back_pressure_loses_no_resume)
{
	struct taker t = {.room = 0};
	ration_request *request;
	ration_response *r;
	pthread_t consumer;

	begin(flood);
	stop = false;
	cr_assert_eq(pthread_create(&consumer, NULL, consume, &t), 0);
	for (int i = 0; i < 3; i++) { /* nobody asked for its ticket */
		request = ration_request_new("api", "GET", "/");
		ration_request_set_sink(request, take, &t);
		r = run(request, 0);
		cr_expect_eq(t.taken, FLOOD);
		cr_expect_eq(t.begun, i + 1);
		ration_response_free(r);
	}
	cr_expect_gt(t.pauses, 10);
	stop = true;
	pthread_join(consumer, NULL);
	cr_expect_eq(ration_resume(f.client, t.ticket), RATION_EEMPTY);
	fixture_close(&f);
}

Test(client_body, paused_job_can_be_cancelled_and_the_client_closed)
{
	struct taker t[2] = {{.room = 1}, {.room = 1}};
	char text[160];

	begin(flood);
	for (int i = 0; i < 2; i++) {
		ration_request *request = ration_request_new("api", "GET", "/");

		ration_request_set_sink(request, take, &t[i]);
		cr_assert_eq(ration_submit(f.client, request, 0, NULL), 0);
		UNTIL(t[i].pauses > 0);
	}
	cr_expect_eq(ration_cancel(f.client, t[0].ticket), 0);
	cr_expect_eq(next_code(&f, text, sizeof(text)), RATION_ECANCELLED);
	cr_expect_eq(t[0].pauses, 1);
	fixture_close(&f);
	cr_expect_eq(t[1].pauses, 1);
}

/* Half an answer, then the whole. */
static bool torn_once(const struct server_request *r)
{
	if (r->server->flag-- > 0) {
		server_say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
		return false;
	}
	return server_ok(r, "as a whole");
}

Test(client_body, sinks_begin_anew_with_each_attempt)
{
	struct taker t = {.room = 100};
	char path[64], content[32] = "";
	ration_request *request = ration_request_new("api", "GET", "/");
	FILE *file;

	begin(torn_once);
	f.server.flag = 1;
	ration_request_set_sink(request, take, &t);
	ration_response_free(run(request, 0));
	cr_expect_eq(t.begun, 2);
	cr_expect_eq(t.taken, 10);
	f.server.flag = 1;
	make_file(path, 3);
	request = ration_request_new("api", "GET", "/");
	ration_request_set_sink_file(request, path);
	ration_response_free(run(request, 0));
	file = fopen(path, "r");
	cr_expect_eq(fread(content, 1, sizeof(content) - 1, file), 10);
	fclose(file);
	cr_expect_str_eq(content, "as a whole");
	unlink(path);
	fixture_close(&f);
}

/* ---- JSON ---- */

static bool say_json(const struct server_request *r)
{
	return server_ok(r, strstr(r->head, " /bad")
				    ? "{\"a\":"
				    : " {\"a\": [1, {\"b/c\": \"x\\u00e4\\n\\ud800\"}],"
				      " \"n\": 12345678901234567890.10, \"e\": \"\"}");
}

Test(client_body, E28_values_by_pointer_and_the_raw_body)
{
	ration_response *r;
	const char *text = NULL;
	char *string = NULL;
	size_t length = 0;

	begin(say_json);
	r = run(ration_request_new("api", "GET", "/"), 0);
	cr_expect_eq(ration_response_json(r, "/n", &text, &length), 0);
	cr_expect_eq(length, 23);
	cr_expect_eq(strncmp(text, "12345678901234567890.10", 23), 0);
	cr_expect_eq(ration_response_json(r, "/a/1", &text, &length), 0);
	cr_expect_eq(*text, '{');
	cr_expect_eq(ration_response_json(r, "", &text, &length), 0);
	cr_expect_eq(*text, '{');
	cr_expect_eq(ration_response_json(r, "/a/2", &text, &length), RATION_EEMPTY);
	cr_expect_eq(ration_response_json(r, "a", &text, &length), RATION_EINVAL);
	cr_expect_eq(ration_response_json(r, NULL, &text, &length), RATION_EINVAL);
	cr_expect_eq(ration_response_string(r, "/a/1/b~1c", &string, &length), 0);
	cr_expect_str_eq(string, "x\xc3\xa4\n\xef\xbf\xbd");
	cr_expect_eq(length, 7);
	ration_free(string);
	cr_expect_eq(ration_response_string(r, "/e", &string, NULL), 0);
	cr_expect_str_eq(string, "");
	ration_free(string);
	cr_expect_eq(ration_response_string(r, "/n", &string, NULL), RATION_EINVAL);
	cr_expect_eq(ration_response_string(r, "/x", &string, NULL), RATION_EEMPTY);
	text = ration_response_body(r, &length);
	cr_expect_eq(strncmp(text, " {\"a\": [1,", 10), 0);
	ration_response_free(r);
	r = run(ration_request_new("api", "GET", "/bad"), 0);
	cr_expect_eq(ration_response_json(r, "/a", &text, &length), RATION_EJSON);
	cr_expect_str_eq(ration_response_body(r, &length), "{\"a\":");
	ration_response_free(r);
	fixture_close(&f);
}
