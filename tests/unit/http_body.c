/* Bodies of requests: what is sent, from where, and what is not when it cannot be had. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"
#include "http/call.h"
#include "http/limits.h"
#include "http_leaks.h"
#include "http_loop.h"

TestSuite(body, .fini = check_leaks, .timeout = 60);

/* The last request as it came: head, then body. */
static char seen[3 << 20];
static size_t seen_body, seen_length;

static bool keep(const struct server_request *r)
{
	seen_body = strlen(r->head);
	memcpy(seen, r->head, seen_body);
	memcpy(seen + seen_body, r->body, r->body_length + 1);
	seen_length = r->body_length;
	return server_ok(r, "ok");
}

static const char *head_line(const char *name, char *out, size_t size)
{
	const char *at = strcasestr(seen, name);

	if (!at || at > seen + seen_body)
		return NULL;
	at += strlen(name);
	snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
	return out;
}

static ration_request *new_post(void)
{
	ration_request *request = ration_request_new("s", "POST", "/echo");

	cr_assert(request);
	return request;
}

static void run(struct loop *l, ration_request *request, int code)
{
	struct ration__attempt a;

	loop_run(l, request, &a);
	cr_expect_eq(a.code, code, "%s", a.message);
	ration__attempt_fini(&a);
}

static void make_file(char *path, size_t size)
{
	char piece[4096];
	int fd;

	strcpy(path, "/tmp/ration-body-XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	for (size_t at = 0; at < size; at += sizeof(piece)) {
		size_t n = size - at < sizeof(piece) ? size - at : sizeof(piece);

		for (size_t i = 0; i < n; i++)
			piece[i] = (char)((at + i) * 31 >> 3);
		cr_assert_eq(write(fd, piece, n), (ssize_t)n);
	}
	close(fd);
}

static bool is_pattern(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != (char)(i * 31 >> 3))
			return false;
	return true;
}

/* ---- forms ---- */

Test(body, R25_form_fields_are_encoded)
{
	struct loop l;
	char type[128];
	ration_request *request = new_post();

	loop_init(&l, keep);
	cr_expect_eq(ration_request_add_form(request, "a", "1 2"), 0);
	cr_expect_eq(ration_request_add_form(request, "b&", "=\xc3\xa4\r\n"), 0);
	cr_expect_eq(ration_request_add_form(request, "empty", ""), 0);
	run(&l, request, 0);
	cr_expect_str_eq(seen + seen_body, "a=1%202&b%26=%3D%C3%A4%0D%0A&empty=");
	cr_expect_str_eq(head_line("Content-Type: ", type, sizeof(type)),
		"application/x-www-form-urlencoded");
	loop_fini(&l);
}

Test(body, R25_kinds_of_bodies_do_not_mix)
{
	ration_request *request = new_post();

	cr_expect_eq(ration_request_add_form(request, "a", "1"), 0);
	cr_expect_eq(ration_request_add_part(request, "b", NULL, NULL, "2", 1), RATION_EINVAL);
	ration_request_free(request);
	request = new_post();
	cr_expect_eq(ration_request_set_body(request, "x", 1, NULL), 0);
	cr_expect_eq(ration_request_add_form(request, "a", "1"), RATION_EINVAL);
	ration_request_free(request);
}

/* One part of a multipart body: its head and data; NULL after the last. */
static const char *next_part(
	const char *at, const char *boundary, char *head, size_t size, size_t *length)
{
	const char *end = seen + seen_body + seen_length, *data, *stop = NULL;
	size_t n = strlen(boundary);

	cr_assert_eq(strncmp(at, "--", 2), 0);
	cr_assert_eq(strncmp(at + 2, boundary, n), 0);
	at += 2 + n;
	if (strncmp(at, "--\r\n", 4) == 0) {
		cr_expect_eq(at + 4, end);
		return NULL;
	}
	cr_assert_eq(strncmp(at, "\r\n", 2), 0);
	data = strstr(at, "\r\n\r\n");
	cr_assert(data);
	snprintf(head, size, "%.*s", (int)(data - at - 2), at + 2);
	data += 4;
	for (const char *c = data; c < end && !stop; c++)
		if (strncmp(c, "\r\n--", 4) == 0 && strncmp(c + 4, boundary, n) == 0)
			stop = c;
	cr_assert(stop);
	*length = (size_t)(stop - data);
	return data;
}

Test(body, R25_multipart_is_read_back)
{
	struct loop l;
	char path[64], type[128], head[512];
	const char *boundary, *data;
	size_t length = 0;
	ration_request *request = new_post();

	loop_init(&l, keep);
	make_file(path, 100000);
	cr_expect_eq(ration_request_add_part(request, "plain", NULL, NULL, "v\0w", 3), 0);
	cr_expect_eq(ration_request_add_part_file(request, "f", "a\"b\r\n.bin", NULL, path), 0);
	cr_expect_eq(
		ration_request_add_part(request, "j\"", "x.json", "application/json", "{}", 2), 0);
	cr_expect_eq(ration_request_add_part_file(request, "g", NULL, "text/plain", path), 0);
	run(&l, request, 0);
	cr_assert(head_line("Content-Type: multipart/form-data; boundary=", type, sizeof(type)));
	boundary = type;
	cr_expect_geq(strlen(boundary), 32);
	data = next_part(seen + seen_body, boundary, head, sizeof(head), &length);
	cr_expect_str_eq(head, "Content-Disposition: form-data; name=\"plain\"");
	cr_expect_eq(length, 3);
	cr_expect_eq(memcmp(data, "v\0w", 3), 0);
	data = next_part(data + length + 2, boundary, head, sizeof(head), &length);
	cr_expect_str_eq(head,
		"Content-Disposition: form-data; name=\"f\"; filename=\"a%22b%0D%0A.bin\"\r\n"
		"Content-Type: application/octet-stream");
	cr_expect_eq(length, 100000);
	cr_expect(is_pattern(data, length));
	data = next_part(data + length + 2, boundary, head, sizeof(head), &length);
	cr_expect_str_eq(head,
		"Content-Disposition: form-data; name=\"j%22\"; filename=\"x.json\"\r\n"
		"Content-Type: application/json");
	data = next_part(data + length + 2, boundary, head, sizeof(head), &length);
	cr_expect(strstr(head, "filename=\"ration-body-"), "%s", head);
	cr_expect_eq(length, 100000);
	cr_expect_null(next_part(data + length + 2, boundary, head, sizeof(head), &length));
	unlink(path);
	loop_fini(&l);
}

Test(body, R25_boundaries_differ)
{
	struct loop l;
	char first[128], second[128];

	loop_init(&l, keep);
	for (int i = 0; i < 2; i++) {
		ration_request *request = new_post();

		ration_request_add_part(request, "a", NULL, NULL, "1", 1);
		run(&l, request, 0);
		cr_assert(head_line("boundary=", i ? second : first, 128));
	}
	cr_expect_str_neq(first, second);
	loop_fini(&l);
}

Test(body, R25_basic_authentication)
{
	static const char *const refused[][2] = {
		{"a:b", "c"}, {"a\n", "c"}, {"a", "c\r\n"}, {"a\x7f", "c"}};
	struct loop l;
	char line[128];
	ration_request *request = new_post();

	loop_init(&l, keep);
	cr_expect_eq(ration_request_set_basic_auth(request, "Aladdin", "open sesame"), 0);
	run(&l, request, 0);
	cr_expect_str_eq(head_line("Authorization: ", line, sizeof(line)),
		"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	for (size_t i = 0; i < RATION__COUNT(refused); i++) {
		request = new_post();
		cr_expect_eq(ration_request_set_basic_auth(request, refused[i][0], refused[i][1]),
			RATION_EHEADER);
		ration_request_free(request);
	}
	request = new_post();
	cr_expect_eq(ration_request_set_basic_auth(request, "", "a:b\xc3\xa4"), 0);
	ration_request_free(request);
	loop_fini(&l);
}

Test(body, R10_every_method_with_and_without_a_body)
{
	static const char *const methods[] = {
		"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "X-own"};
	struct loop l;
	char path[64];

	loop_init(&l, keep);
	make_file(path, 10);
	for (size_t i = 0; i < RATION__COUNT(methods) * 3; i++) {
		const char *method = methods[i / 3];
		ration_request *request = ration_request_new("s", method, "/m");

		if (i % 3 == 1)
			ration_request_set_body(request, "0123456789", 10, "text/plain");
		if (i % 3 == 2)
			ration_request_set_body_file(request, path, NULL);
		run(&l, request, 0);
		cr_expect_eq(strncmp(seen, method, strlen(method)), 0, "%s", seen);
		cr_expect_eq(seen[strlen(method)], ' ');
		cr_expect_eq(seen_length, i % 3 ? 10u : 0u, "%s: %zu", method, seen_length);
		cr_expect_null(strcasestr(seen, "\r\nexpect"));
		cr_expect_eq(strcasestr(seen, "x-www-form") != NULL, false, "%s", seen);
	}
	unlink(path);
	loop_fini(&l);
}

/* ---- files ---- */

Test(body, file_is_sent_with_its_length)
{
	struct loop l;
	char path[64], line[64];
	ration_request *request = new_post();

	loop_init(&l, keep);
	make_file(path, 1000000);
	ration_request_set_body_file(request, path, "application/pdf");
	run(&l, request, 0);
	cr_expect_str_eq(head_line("Content-Length: ", line, sizeof(line)), "1000000");
	cr_expect_str_eq(head_line("Content-Type: ", line, sizeof(line)), "application/pdf");
	cr_expect_eq(seen_length, 1000000);
	cr_expect(is_pattern(seen + seen_body, 1000000));
	/* an empty one */
	cr_assert_eq(truncate(path, 0), 0);
	request = new_post();
	ration_request_set_body_file(request, path, NULL);
	run(&l, request, 0);
	cr_expect_str_eq(head_line("Content-Length: ", line, sizeof(line)), "0");
	unlink(path);
	loop_fini(&l);
}

Test(body, what_is_no_regular_file_is_not_sent)
{
	struct loop l;
	char path[64];
	struct ration__attempt a;
	const char *bad[] = {"/nowhere/at/all", "/tmp", path};

	loop_init(&l, keep);
	make_file(path, 0);
	unlink(path);
	cr_assert_eq(mkfifo(path, 0600), 0);
	for (size_t i = 0; i < RATION__COUNT(bad); i++) {
		ration_request *request = new_post();

		ration_request_add_part(request, "a", NULL, NULL, "1", 1);
		ration_request_add_part_file(request, "b", NULL, NULL, bad[i]);
		loop_run(&l, request, &a);
		cr_expect_eq(a.code, RATION_EIO, "%s", a.message);
		cr_expect_eq(a.end.end, RATION__END_PERMANENT);
		cr_expect_eq(a.sent, 0);
		ration__attempt_fini(&a);
	}
	cr_expect_eq(l.server.connections, 0);
	unlink(path);
	loop_fini(&l);
}

static char shrinking[64];

static bool shrink(const struct server_request *r)
{
	char piece[65536];

	cr_assert_eq(truncate(shrinking, 4096), 0);
	while (recv(r->fd, piece, sizeof(piece), 0) > 0)
		;
	return false;
}

Test(body, file_that_shrinks_ends_the_attempt_for_good)
{
	struct loop l;
	struct ration__attempt a;
	ration_request *request = new_post();

	loop_init(&l, shrink);
	l.server.flag = -1;
	make_file(shrinking, 32 << 20);
	ration_request_set_body_file(request, shrinking, NULL);
	loop_run(&l, request, &a);
	cr_expect_eq(a.code, RATION_EIO, "%s", a.message);
	cr_expect_eq(a.end.end, RATION__END_PERMANENT);
	ration__attempt_fini(&a);
	unlink(shrinking);
	loop_fini(&l);
}

static bool answer_early(const struct server_request *r)
{
	server_say(r->fd, "HTTP/1.1 413 Too big\r\nContent-Length: 0\r\n\r\n");
	return false;
}

Test(body, length_has_64_bits)
{
	struct loop l;
	char path[64], *line;
	struct ration__attempt a;
	ration_request *request = new_post();

	loop_init(&l, answer_early);
	l.server.flag = -1;
	make_file(path, 0);
	cr_assert_eq(truncate(path, INT64_C(5) << 30), 0);
	ration_request_set_body_file(request, path, NULL);
	loop_run(&l, request, &a);
	line = strcasestr(l.server.last_head, "Content-Length: 5368709120\r\n");
	cr_expect(line, "%s", l.server.last_head);
	ration__attempt_fini(&a);
	unlink(path);
	loop_fini(&l);
}

/* ---- functions ---- */

struct feed {
	size_t size, at, rewinds, calls;
	int pause_every; /* calls; 0: never */
	size_t break_at; /* fails there; 0: nowhere */
};

static ptrdiff_t feed(void *arg, ration_ticket ticket, void *buffer, size_t size)
{
	struct feed *f = arg;
	size_t n = f->size - f->at < size ? f->size - f->at : size;

	(void)ticket;
	f->calls++;
	if (f->pause_every && f->calls % (size_t)f->pause_every == 0)
		return RATION_EAGAIN;
	if (f->break_at && f->at >= f->break_at)
		return -1;
	if (n > 1000)
		n = 1000;
	for (size_t i = 0; i < n; i++)
		((char *)buffer)[i] = (char)((f->at + i) * 31 >> 3);
	f->at += n;
	return (ptrdiff_t)n;
}

static int rewind_feed(void *arg)
{
	struct feed *f = arg;

	f->at = 0;
	f->rewinds++;
	return 0;
}

Test(body, function_with_a_known_length)
{
	struct loop l;
	char line[64];
	struct feed f = {.size = 50000};
	ration_request *request = new_post();

	loop_init(&l, keep);
	cr_expect_eq(ration_request_set_body_fn(request, NULL, NULL, NULL, 1, NULL), RATION_EINVAL);
	ration_request_free(request);
	for (int i = 0; i < 2; i++) { /* not rewound by us, it is at its end the second time */
		request = new_post();
		ration_request_set_body_fn(
			request, feed, i ? rewind_feed : NULL, &f, 50000, "text/x");
		run(&l, request, 0);
		cr_expect_str_eq(head_line("Content-Length: ", line, sizeof(line)), "50000");
		cr_expect_eq(seen_length, 50000);
		cr_expect(is_pattern(seen + seen_body, 50000));
		cr_expect_eq(f.rewinds, (size_t)i);
	}
	loop_fini(&l);
}

Test(body, function_that_gives_less_or_breaks_ends_the_attempt)
{
	struct loop l;
	struct feed f[] = {{.size = 999}, {.size = 100000, .break_at = 5000}};

	loop_init(&l, keep);
	for (size_t i = 0; i < RATION__COUNT(f); i++) {
		ration_request *request = new_post();

		ration_request_set_body_fn(request, feed, NULL, &f[i], i ? 100000 : 1000, NULL);
		run(&l, request, RATION_EIO);
	}
	loop_fini(&l);
}

/* A request in chunks, joined in seen. */
static bool keep_chunks(const struct server_request *r)
{
	static char raw[1 << 20];
	size_t have = 0;
	char *at;

	while (!memmem(raw, have, "\r\n0\r\n\r\n", 7)) {
		ssize_t n = recv(r->fd, raw + have, sizeof(raw) - have - 1, 0);

		if (n <= 0)
			return false;
		have += (size_t)n;
		raw[have] = '\0';
	}
	seen_length = 0;
	at = strstr(raw, "\r\n\r\n") + 4;
	for (;;) {
		size_t n = strtoul(at, &at, 16);

		if (!n)
			break;
		memcpy(seen + seen_length, at + 2, n);
		seen_length += n;
		at += n + 4;
	}
	cr_expect(strcasestr(raw, "transfer-encoding: chunked"));
	return server_ok(r, "ok");
}

Test(body, function_of_unknown_length_is_sent_in_chunks)
{
	struct loop l;
	struct feed f = {.size = 30000};
	ration_request *request = new_post();

	loop_init(&l, keep_chunks);
	l.server.raw = true;
	memset(seen, 0, sizeof(seen));
	ration_request_set_body_fn(request, feed, NULL, &f, -1, NULL);
	run(&l, request, 0);
	cr_expect_eq(seen_length, 30000);
	cr_expect(is_pattern(seen, 30000));
	loop_fini(&l);
}

Test(body, function_that_pauses_goes_on_when_told)
{
	struct loop l;
	struct feed f = {.size = 50000, .pause_every = 5};
	struct ration__attempt a;
	struct ration__transfer *transfer;
	struct ration__call *call;
	ration_request *request = new_post();
	void *user = NULL;

	loop_init(&l, keep);
	ration_request_set_body_fn(request, feed, NULL, &f, 50000, NULL);
	call = loop_pack(&l, request);
	transfer = loop_start(&l, call, &l);
	loop_settle(&l);
	cr_expect_eq(f.calls, 5);
	l.ahead_ns += 45 * RATION__NS_PER_S; /* neither read nor write timeout: not theirs */
	loop_settle(&l);
	cr_expect_eq(f.calls, 5);
	for (int i = 0; i < 100 && !user; i++) {
		ration__multi_resume(transfer);
		loop_settle(&l);
		user = ration__multi_done(l.multi, &a);
	}
	cr_assert_eq(user, &l);
	cr_expect_eq(a.code, 0, "%s", a.message);
	cr_expect_eq(seen_length, 50000);
	cr_expect(is_pattern(seen + seen_body, 50000));
	ration__attempt_fini(&a);
	/* and one that is never told ends with its attempt */
	f = (struct feed){.size = 50000, .pause_every = 1};
	loop_start(&l, call, &l);
	loop_settle(&l);
	l.ahead_ns += 61 * RATION__NS_PER_S;
	cr_assert_eq(loop_wait(&l, &a), &l);
	cr_expect_eq(a.code, RATION_EATTEMPTTIMEOUT, "%s", a.message);
	ration__attempt_fini(&a);
	free(call);
	loop_fini(&l);
}
