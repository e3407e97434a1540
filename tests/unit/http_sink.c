/* Bodies of answers: decoded, capped, and where they go in place of memory. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"
#include "http/call.h"
#include "http_leaks.h"
#include "http_loop.h"

TestSuite(sink, .fini = check_leaks, .timeout = 60);

/* ---- a folder, and what is in it ---- */

static char folder[64], target[96];

static void make_folder(void)
{
	strcpy(folder, "/tmp/ration-sink-XXXXXX");
	cr_assert(mkdtemp(folder));
	snprintf(target, sizeof(target), "%s/out", folder);
}

static int count_files(void)
{
	DIR *dir = opendir(folder);
	int n = 0;

	for (struct dirent *e; (e = readdir(dir)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void remove_folder(void)
{
	unlink(target);
	cr_expect_eq(rmdir(folder), 0, "something was left there");
}

static char content[1 << 16];

static size_t read_target(void)
{
	FILE *file = fopen(target, "rb");
	size_t n = file ? fread(content, 1, sizeof(content), file) : 0;

	if (file)
		fclose(file);
	return n;
}

static ration_request *to_file(const char *path)
{
	ration_request *request = ration_request_new("s", "GET", "/");

	cr_assert_eq(ration_request_set_sink_file(request, path), 0);
	return request;
}

/* ---- what comes ---- */

static char answer[1 << 16]; /* with its head */
static size_t answer_length;

static bool say_answer(const struct server_request *r)
{
	size_t length = answer_length; /* as soon as it is sent the test may make the next one */

	return send(r->fd, answer, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool say_and_close(const struct server_request *r)
{
	say_answer(r);
	return false;
}

static void set_answer(const char *head, const void *body, size_t length)
{
	answer_length = (size_t)snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\n\r\n", head);
	cr_assert_lt(answer_length + length, sizeof(answer));
	memcpy(answer + answer_length, body, length);
	answer_length += length;
}

Test(sink, file_takes_the_place_of_the_old_one)
{
	struct loop l;
	struct ration__attempt a;
	struct stat status;

	loop_init(&l, say_answer);
	make_folder();
	for (int i = 0; i < 2; i++) {
		set_answer("200 OK\r\nContent-Length: 5", i ? "again" : "hello", 5);
		loop_run(&l, to_file(target), &a);
		cr_expect_eq(a.code, 0, "%s", a.message);
		cr_expect_eq(a.body_length, 0);
		cr_expect_eq(a.status, 200);
		cr_expect_eq(read_target(), 5);
		cr_expect_eq(memcmp(content, i ? "again" : "hello", 5), 0);
		cr_assert_eq(stat(target, &status), 0);
		cr_expect_eq(status.st_mode & 0777, 0600);
		cr_expect_eq(count_files(), 1);
		ration__attempt_fini(&a);
	}
	/* an empty answer makes an empty file */
	set_answer("204 No\r\nX: y", "", 0);
	loop_run(&l, to_file(target), &a);
	cr_expect_eq(a.code, 0, "%s", a.message);
	cr_expect_eq(read_target(), 0);
	cr_expect_eq(count_files(), 1);
	ration__attempt_fini(&a);
	remove_folder();
	loop_fini(&l);
}

Test(sink, failure_leaves_nothing_and_the_old_file_alone)
{
	static const struct {
		const char *head;
		int code;
	} answers[] = {{"200 OK\r\nContent-Length: 50", RATION_ERESET},
		{"404 Not\r\nContent-Length: 5", RATION_ENOTFOUND},
		{"302 Else\r\nLocation: /x\r\nContent-Length: 5", RATION_EREDIRECT},
		{"200 OK\r\nContent-Length: 5\r\nContent-Encoding: gzip", RATION_EPROTOCOL},
		{"503 Un\r\nContent-Length: 5", RATION_EUNAVAILABLE}};
	struct loop l;
	struct ration__attempt a;
	FILE *file;

	loop_init(&l, say_and_close);
	l.service.compressed = 1;
	make_folder();
	file = fopen(target, "w");
	fputs("old", file);
	fclose(file);
	for (size_t i = 0; i < RATION__COUNT(answers); i++) {
		char head[128];

		snprintf(head, sizeof(head), "%s\r\nConnection: close", answers[i].head);
		set_answer(head, "hello", 5);
		loop_run(&l, to_file(target), &a);
		cr_expect_eq(a.code, answers[i].code, "%zu: %s", i, a.message);
		/* an answer that is not accepted says why in memory */
		cr_expect_eq(a.body_length, i == 0 || i == 3 ? 0u : 5u, "%zu", i);
		cr_expect_eq(count_files(), 1);
		cr_expect_eq(read_target(), 3);
		ration__attempt_fini(&a);
	}
	remove_folder();
	loop_fini(&l);
}

Test(sink, cancelled_leaves_nothing)
{
	struct loop l;
	struct ration__transfer *transfer;
	struct ration__call *call;

	loop_init(&l, say_answer);
	make_folder();
	set_answer("200 OK\r\nContent-Length: 50", "hello", 5);
	call = loop_pack(&l, to_file(target));
	transfer = loop_start(&l, call, &l);
	loop_settle(&l);
	cr_expect_eq(count_files(), 1);
	ration__multi_cancel(l.multi, transfer);
	cr_expect_eq(count_files(), 0);
	loop_start(&l, call, &l);
	loop_settle(&l);
	loop_fini(&l); /* with the client */
	cr_expect_eq(count_files(), 0);
	remove_folder();
	free(call);
}

Test(sink, file_that_cannot_be_made_is_known_before_anything_is_sent)
{
	struct loop l;
	struct ration__attempt a;
	ration_request *request = ration_request_new("s", "GET", "/");

	loop_init(&l, say_answer);
	cr_expect_eq(ration_request_set_sink_file(request, "/tmp/"), RATION_EINVAL);
	ration_request_free(request);
	loop_run(&l, to_file("/nowhere/at/all"), &a);
	cr_expect_eq(a.code, RATION_EIO, "%s", a.message);
	cr_expect_eq(a.end.end, RATION__END_PERMANENT);
	cr_expect_eq(l.server.connections, 0);
	ration__attempt_fini(&a);
	/* the place is taken by a folder, or by a device, which must stay one */
	make_folder();
	set_answer("200 OK\r\nContent-Length: 5", "hello", 5);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(i ? symlink("/dev/null", target) : mkdir(target, 0700), 0);
		loop_run(&l, to_file(target), &a);
		cr_expect_eq(a.code, RATION_EIO, "%s", a.message);
		cr_expect_eq(a.sent, 0);
		cr_expect_eq(l.server.connections, 0);
		cr_expect_eq(count_files(), 1);
		ration__attempt_fini(&a);
		cr_expect_eq(i ? unlink(target) : rmdir(target), 0);
	}
	remove_folder();
	loop_fini(&l);
}

/* ---- functions ---- */

struct taker {
	size_t taken, begun, calls;
	int refuse; /* RATION_EAGAIN for every call of an even number; else that code at once */
	char first[16];
};

static int take(void *arg, ration_ticket ticket, const void *data, size_t length)
{
	struct taker *t = arg;

	(void)ticket;
	if (!data) {
		t->begun++;
		t->taken = 0;
		return 0;
	}
	t->calls++;
	if (t->refuse && (t->refuse != RATION_EAGAIN || t->calls % 2 == 0))
		return t->refuse;
	if (t->taken + length < sizeof(t->first))
		memcpy(t->first + t->taken, data, length);
	t->taken += length;
	return 0;
}

static ration_request *to_taker(struct taker *t)
{
	ration_request *request = ration_request_new("s", "GET", "/");

	cr_assert_eq(ration_request_set_sink(request, take, t), 0);
	return request;
}

Test(sink, function_gets_what_is_accepted_only)
{
	struct loop l;
	struct ration__attempt a;
	struct taker t = {.taken = 99};

	loop_init(&l, say_answer);
	set_answer("200 OK\r\nContent-Length: 5", "hello", 5);
	loop_run(&l, to_taker(&t), &a);
	cr_expect_eq(a.code, 0, "%s", a.message);
	cr_expect_eq(a.body_length, 0);
	cr_expect_eq(t.begun, 1);
	cr_expect_str_eq(t.first, "hello");
	ration__attempt_fini(&a);
	set_answer("500 Oh\r\nContent-Length: 5", "cause", 5);
	loop_run(&l, to_taker(&t), &a);
	cr_expect_eq(a.code, RATION_ESERVER, "%s", a.message);
	cr_expect_str_eq(a.body, "cause");
	cr_expect_eq(t.begun, 1);
	ration__attempt_fini(&a);
	set_answer("200 OK\r\nContent-Length: 5", "hello", 5);
	t.refuse = -1;
	loop_run(&l, to_taker(&t), &a);
	cr_expect_eq(a.code, RATION_EIO, "%s", a.message);
	cr_expect_eq(a.end.end, RATION__END_PERMANENT);
	ration__attempt_fini(&a);
	loop_fini(&l);
}

/* Writes until the peer takes no more for a while; then goes on. */
#define FLOOD (INT64_C(64) << 20)
static atomic_long flooded;

static bool flood(const struct server_request *r)
{
	static char zeros[1 << 16];
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n",
		(long long)FLOOD);
	server_say(r->fd, head);
	for (int64_t at = 0; at < FLOOD;) {
		ssize_t n = send(r->fd, zeros, sizeof(zeros), MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += n;
		atomic_fetch_add(&flooded, n);
	}
	return true;
}

/* However slow the machine is. */
static void wait_long(struct loop *l, struct ration__attempt *a)
{
	void *user = NULL;

	for (int i = 0; i < 5 && !user; i++)
		user = loop_wait(l, a);
	cr_assert_eq(user, l);
}

Test(sink, back_pressure_reaches_the_server)
{
	struct loop l;
	struct ration__attempt a;
	struct taker t = {.refuse = RATION_EAGAIN};
	struct ration__transfer *transfer;
	struct ration__call *call;
	size_t before;
	long sent;

	loop_init(&l, flood);
	l.service.body_max = UINT64_MAX;
	call = loop_pack(&l, to_taker(&t));
	transfer = loop_start(&l, call, &l);
	loop_settle(&l);
	before = t.taken;
	sent = flooded;
	cr_expect_gt(sent, 0);
	cr_expect_lt(sent, FLOOD / 2, "the server sent %ld while nothing was taken", sent);
	l.ahead_ns += 45 * RATION__NS_PER_S; /* no read timeout runs meanwhile */
	loop_settle(&l);
	cr_expect_eq(t.taken, before);
	ration__multi_resume(transfer);
	loop_settle(&l);
	cr_expect_gt(t.taken, before);
	t.refuse = 0;
	ration__multi_resume(transfer);
	wait_long(&l, &a);
	cr_expect_eq(a.code, 0, "%s", a.message);
	cr_expect_eq(t.taken, (size_t)FLOOD);
	ration__attempt_fini(&a);
	free(call);
	loop_fini(&l);
}

Test(sink, read_timeout_counts_again_after_a_pause)
{
	struct loop l;
	struct ration__attempt a;
	struct taker t = {.refuse = RATION_EAGAIN, .calls = 1};
	struct ration__transfer *transfer;
	struct ration__call *call;

	loop_init(&l, say_answer);
	l.service.timeouts.attempt_ns = 300 * RATION__NS_PER_S;
	set_answer("200 OK\r\nContent-Length: 50", "hello", 5);
	call = loop_pack(&l, to_taker(&t));
	transfer = loop_start(&l, call, &l);
	loop_settle(&l);
	cr_expect_eq(t.calls, 2);
	l.ahead_ns += 40 * RATION__NS_PER_S; /* its timer strikes, and is put off */
	loop_settle(&l);
	t.refuse = 0;
	ration__multi_resume(transfer);
	loop_settle(&l);
	cr_expect_str_eq(t.first, "hello");
	l.ahead_ns += 29 * RATION__NS_PER_S;
	loop_settle(&l);
	cr_expect_eq(ration__multi_active(l.multi), 1);
	cr_assert_null(ration__multi_done(l.multi, &a));
	l.ahead_ns += 2 * RATION__NS_PER_S;
	cr_assert_eq(loop_wait(&l, &a), &l);
	cr_expect_eq(a.code, RATION_EREADTIMEOUT, "%s", a.message);
	ration__attempt_fini(&a);
	free(call);
	loop_fini(&l);
}

Test(sink, failure_while_it_goes_on_ends_the_transfer)
{
	struct loop l;
	struct ration__attempt a;
	struct taker t = {.refuse = RATION_EAGAIN, .calls = 1};
	struct ration__transfer *transfer;
	struct ration__call *call;

	loop_init(&l, say_answer);
	set_answer("200 OK\r\nContent-Length: 50", "hello", 5);
	call = loop_pack(&l, to_taker(&t));
	transfer = loop_start(&l, call, &l);
	loop_settle(&l);
	t.refuse = -1;
	ration__multi_resume(transfer);
	cr_assert_eq(loop_wait(&l, &a), &l);
	cr_expect_eq(a.code, RATION_EIO, "%s", a.message);
	cr_expect_eq(ration__multi_active(l.multi), 0);
	ration__attempt_fini(&a);
	free(call);
	loop_fini(&l);
}

/* ---- large ones ---- */

static long peak_kb(void)
{
	char line[256];
	long kb = 0;
	FILE *file = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %ld", &kb) == 1)
			break;
	fclose(file);
	return kb;
}

/* Takes a request whose body fits into no buffer; called with the connection as it stands. */
static bool count_body(const struct server_request *r)
{
	static char piece[1 << 16];
	size_t have = 0;
	char *end = NULL;
	int64_t left;

	while (!end) {
		ssize_t n = recv(r->fd, piece + have, sizeof(piece) - 1 - have, 0);

		if (n <= 0)
			return false;
		have += (size_t)n;
		piece[have] = '\0';
		end = strstr(piece, "\r\n\r\n");
	}
	left = atoll(strcasestr(piece, "content-length:") + 15) - (piece + have - end - 4);
	while (left > 0) {
		ssize_t n = recv(r->fd, piece, sizeof(piece), 0);

		if (n <= 0)
			return false;
		left -= n;
	}
	flood(r);
	return false;
}

Test(sink, large_files_go_and_come_without_memory)
{
	struct loop l;
	struct ration__attempt a;
	struct stat status;
	char path[96];
	long before;
	ration_request *request;
	struct ration__call *call;

	make_folder();
	snprintf(path, sizeof(path), "%s/in", folder);
	cr_assert_eq(close(creat(path, 0600)), 0);
	cr_assert_eq(truncate(path, FLOOD), 0);
	loop_init(&l, count_body);
	l.server.raw = true;
	l.service.body_max = UINT64_MAX;
	request = ration_request_new("s", "PUT", "/");
	ration_request_set_body_file(request, path, NULL);
	ration_request_set_sink_file(request, target);
	call = loop_pack(&l, request);
	before = peak_kb();
	loop_start(&l, call, &l);
	wait_long(&l, &a);
	free(call);
	cr_expect_eq(a.code, 0, "%s", a.message);
	cr_expect_lt(peak_kb() - before, 16 << 10, "%ld KiB more than before", peak_kb() - before);
	cr_assert_eq(stat(target, &status), 0);
	cr_expect_eq(status.st_size, FLOOD);
	ration__attempt_fini(&a);
	unlink(path);
	remove_folder();
	loop_fini(&l);
}

Test(sink, body_max_holds_for_sinks)
{
	struct loop l;
	struct ration__attempt a;
	struct taker t = {.taken = 0};

	loop_init(&l, say_answer);
	make_folder();
	for (int i = 0; i < 4; i++) {
		l.service.body_max = i < 2 ? 4 : 5;
		set_answer("200 OK\r\nContent-Length: 5", "hello", 5);
		loop_run(&l, i % 2 ? to_taker(&t) : to_file(target), &a);
		cr_expect_eq(a.code, i < 2 ? RATION_EBODY : 0, "%s", a.message);
		cr_expect_eq(count_files(), i < 2 ? 0 : 1);
		cr_expect_leq(t.taken, l.service.body_max);
		ration__attempt_fini(&a);
	}
	remove_folder();
	loop_fini(&l);
}

/* ---- compressed ---- */

/* Writes bits as deflate has them: numbers from their low end, codes from their high end. */
struct bits {
	unsigned char *out;
	size_t at, bit;
};

static void put_bit(struct bits *b, unsigned bit)
{
	if (b->bit == 0)
		b->out[b->at] = 0;
	b->out[b->at] |= (unsigned char)(bit << b->bit);
	b->bit = (b->bit + 1) % 8;
	b->at += b->bit == 0;
}

static void put_code(struct bits *b, unsigned code, unsigned length)
{
	while (length--)
		put_bit(b, code >> length & 1);
}

static uint32_t crc_of_zeros(size_t size)
{
	uint32_t crc = UINT32_MAX;

	while (size--)
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ ((crc ^ 0) & 1 ? 0xedb88320u : 0);
	return ~crc;
}

/* gzip of 1 + 258 * times zeros: one block of fixed codes, a literal and copies of it. */
static size_t zip_zeros(unsigned char *out, size_t times)
{
	static const unsigned char head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
	size_t size = 1 + 258 * times;
	struct bits b = {.out = out, .at = sizeof(head)};
	uint32_t numbers[2] = {0, (uint32_t)size};

	memcpy(out, head, sizeof(head));
	put_code(&b, 6, 3);    /* the last block, fixed: bits 1, 1, 0 */
	put_code(&b, 0x30, 8); /* literal 0 */
	for (size_t i = 0; i < times; i++) {
		put_code(&b, 0xc5, 8); /* 258 bytes */
		put_code(&b, 0, 5);    /* from one back */
	}
	put_code(&b, 0, 7);
	while (b.bit)
		put_bit(&b, 0);
	numbers[0] = crc_of_zeros(size);
	for (int i = 0; i < 8; i++)
		out[b.at++] = (unsigned char)(numbers[i / 4] >> i % 4 * 8);
	return b.at;
}

static void set_zipped(size_t times)
{
	static unsigned char zipped[1 << 16];
	size_t length = zip_zeros(zipped, times);
	char head[96];

	cr_assert_lt(length, sizeof(zipped) - 256);
	snprintf(head, sizeof(head), "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu",
		length);
	set_answer(head, zipped, length);
}

Test(sink, compressed_answers_are_asked_for_and_decoded)
{
	struct loop l;
	struct ration__attempt a;
	ration_request *request;

	loop_init(&l, say_answer);
	set_zipped(4);
	loop_get(&l, "/", &a); /* not asked for: as it came */
	cr_expect_null(strcasestr(l.server.last_head, "accept-encoding"));
	cr_expect_eq((unsigned char)a.body[0], 0x1f);
	ration__attempt_fini(&a);
	l.service.compressed = 1;
	for (int i = 0; i < 2; i++) {
		loop_get(&l, "/", &a);
		cr_expect_eq(a.code, 0, "%s", a.message);
		cr_expect(strcasestr(l.server.last_head, "\r\naccept-encoding: "));
		cr_expect(strcasestr(l.server.last_head, "gzip"));
		cr_expect_eq(a.body_length, 1 + 258 * 4);
		cr_expect_eq(a.body[0] | a.body[258 * 4], 0);
		ration__attempt_fini(&a);
	}
	/* who asks by a header of their own decodes by a hand of their own */
	request = ration_request_new("s", "GET", "/");
	ration_request_set_header(request, "Accept-Encoding", "gzip;q=0.5");
	loop_run(&l, request, &a);
	cr_expect(strcasestr(l.server.last_head, "accept-encoding: gzip;q=0.5\r\n"));
	cr_expect_eq((unsigned char)a.body[0], 0x1f);
	ration__attempt_fini(&a);
	loop_fini(&l);
}

Test(sink, zip_bomb_is_capped)
{
	struct loop l;
	struct ration__attempt a;
	struct taker t = {.taken = 0};
	long before;

	loop_init(&l, say_answer);
	make_folder();
	l.service.compressed = 1;
	l.service.body_max = 1 << 20;
	set_zipped(39000); /* 10 MB in 64 KB */
	before = peak_kb();
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, RATION_EBODY, "%s", a.message);
	cr_expect(a.truncated);
	cr_expect_eq(a.body_length, 1 << 20);
	cr_expect_eq(a.end.end, RATION__END_PERMANENT);
	cr_expect_lt(peak_kb() - before, 8 << 10);
	ration__attempt_fini(&a);
	loop_run(&l, to_taker(&t), &a);
	cr_expect_eq(a.code, RATION_EBODY, "%s", a.message);
	cr_expect_leq(t.taken, l.service.body_max);
	ration__attempt_fini(&a);
	loop_run(&l, to_file(target), &a);
	cr_expect_eq(a.code, RATION_EBODY, "%s", a.message);
	cr_expect_eq(count_files(), 0);
	ration__attempt_fini(&a);
	remove_folder();
	loop_fini(&l);
}

/* ---- answers that have no body, or no end ---- */

Test(sink, R10_answers_without_a_body_are_whole)
{
	static const struct {
		const char *method, *head;
		int code;
	} answers[] = {{"HEAD", "200 OK\r\nContent-Length: 500", 0},
		{"HEAD", "200 OK\r\nTransfer-Encoding: chunked", 0},
		{"GET", "204 No\r\nContent-Length: 0", 0},
		{"GET", "304 Same\r\nContent-Length: 500", 0},
		{"POST", "201 Made\r\nContent-Length: 0", 0}};
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, say_answer);
	l.service.accept_code[0] = 304;
	l.service.accept_codes = 1;
	for (size_t i = 0; i < RATION__COUNT(answers); i++) {
		set_answer(answers[i].head, "", 0);
		loop_run(&l, ration_request_new("s", answers[i].method, "/"), &a);
		cr_expect_eq(a.code, answers[i].code, "%zu: %s", i, a.message);
		cr_expect_eq(a.body_length, 0);
		ration__attempt_fini(&a);
	}
	cr_expect_eq(l.server.connections, 1);
	loop_fini(&l);
}

static bool endless(const struct server_request *r)
{
	bool continues = strstr(r->head, "/continue");
	bool on = server_say(r->fd,
		continues ? "" : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");

	while (on)
		on = server_say(r->fd, continues ? "HTTP/1.1 100 Continue\r\n\r\n" : "X: yyyy\r\n");
	return false;
}

Test(sink, endless_continues_and_trailers_are_capped)
{
	struct loop l;
	struct ration__attempt a;
	ration_request *request = ration_request_new("s", "POST", "/continue");

	loop_init(&l, endless);
	ration_request_set_body(request, "x", 1, NULL);
	loop_run(&l, request, &a);
	cr_expect_eq(a.code, RATION_EBODY, "%s", a.message);
	cr_expect_eq(a.end.end, RATION__END_PERMANENT);
	ration__attempt_fini(&a);
	make_folder();
	loop_run(&l, to_file(target), &a);
	cr_expect_eq(a.code, RATION_EBODY, "%s", a.message);
	cr_expect_eq(count_files(), 0);
	ration__attempt_fini(&a);
	remove_folder();
	loop_fini(&l);
}
