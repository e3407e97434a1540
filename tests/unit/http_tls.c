/* TLS with nginx: what decides whom we talk to, as whom, and how often hands are shaken. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "http_leaks.h"
#include "http_loop.h"
#include "http_peer.h"

TestSuite(tls, .fini = check_leaks, .timeout = 110);

#define SAY \
	"location / { return 200 \"$ssl_client_s_dn|$ssl_protocol|$connection|$ssl_session_reused\"; }"

static struct kit kit;
static struct peer peer;
static struct loop l;
static char base[64];

static bool nobody(const struct server_request *r)
{
	return server_ok(r, "");
}

static void begin(const char *options, const char *server)
{
	kit_init(&kit);
	peer_nginx(&peer, &kit, options, server);
	loop_init(&l, nobody);
	snprintf(base, sizeof(base), "https://127.0.0.1:%d", peer.port);
	l.service.base = base;
	l.service.tls = (struct ration__tls_conf){.ca = kit_path(&kit, "ca.pem"), .verify = 1};
}

static void finish(void)
{
	loop_fini(&l);
	peer_stop(&peer);
	kit_fini(&kit);
}

/* No connection and no session from before. */
static void forget(int64_t age_ns)
{
	struct ration__multi_options options = {
		.epoll_fd = l.epoll, .connections_idle = 20, .connection_age_ns = age_ns};

	ration__multi_free(l.multi);
	cr_assert_eq(ration__multi_new(&options, &l.multi), 0);
}

/* 0, or the code; the body's text. */
static int get(char *text, size_t size)
{
	struct ration__attempt a;
	int code;

	loop_get(&l, "/", &a);
	code = a.code;
	snprintf(text, size, "%s", a.code ? a.message : a.body);
	if (code == RATION_ETLS)
		cr_expect_eq(a.sent, 0);
	ration__attempt_fini(&a);
	return code;
}

static void expect_ok(const char *why)
{
	char text[256];

	cr_expect_eq(get(text, sizeof(text)), 0, "%s: %s", why, text);
}

static void expect_refused(const char *why, const char *part)
{
	char text[256];

	cr_expect_eq(get(text, sizeof(text)), RATION_ETLS, "%s: %s", why, text);
	cr_expect_not_null(strstr(text, part), "%s: %s", why, text);
}

Test(tls, E22_R8_authorities_and_verification)
{
	begin("ssl", SAY);
	expect_ok("our authority");
	l.service.tls.ca = kit_path(&kit, "cas");
	expect_ok("our authority in a directory");
	l.service.tls.ca = kit_path(&kit, "other.pem");
	expect_refused("another authority", "");
	l.service.tls.verify = 0;
	expect_ok("another authority, not verified");
	l.service.tls = (struct ration__tls_conf){.verify = 1};
	expect_refused("the system's authorities", "");
	l.service.tls.ca = kit_path(&kit, "ca.pem");
	expect_ok("ours again");

	snprintf(base, sizeof(base), "https://127.0.0.2:%d", peer.port);
	expect_refused("another name", "");
	l.service.tls.verify = 0;
	expect_ok("another name, not verified");

	l.service.tls.verify = 1;
	l.service.tls.ca = kit_path(&kit, "none.pem");
	expect_refused("no such file", "none.pem: No such file or directory");
	l.service.tls.ca = kit_path(&kit, "hello");
	expect_refused("a file of something else", "hello: no authorities in it");
	finish();
}

Test(tls, E22_client_certificate_and_key)
{
	struct ration__attempt a;
	char text[256];

	begin("ssl", "ssl_verify_client on; ssl_client_certificate ca.pem; " SAY);
	loop_get(&l, "/", &a);
	cr_expect_eq(a.status, 400);
	ration__attempt_fini(&a);

	l.service.tls.cert = kit_path(&kit, "alice.pem");
	l.service.tls.key = kit_path(&kit, "alice.key");
	cr_expect_eq(get(text, sizeof(text)), 0, "%s", text);
	cr_expect_eq(strncmp(text, "CN=alice|", 9), 0, "%s", text);

	forget(25 * RATION__NS_PER_S);
	l.service.tls.key = kit_path(&kit, "bob.key");
	expect_refused("another's key", "alice.pem: does not go with");
	l.service.tls.key = kit_path(&kit, "none.key");
	expect_refused("no such key", "none.key: No such file");

	l.service.tls.key = kit_path(&kit, "sealed.key");
	l.service.tls.key_password_file = kit_path(&kit, "password");
	expect_ok("an encrypted key");
	l.service.tls.key_password_file = kit_path(&kit, "empty");
	expect_refused("no password", "empty: empty");
	l.service.tls.key_password_file = kit_path(&kit, "none");
	expect_refused("no file of a password", "none: No such file");
	finish();
}

Test(tls, E22_wrong_password)
{
	begin("ssl", "ssl_verify_client on; ssl_client_certificate ca.pem; " SAY);
	l.service.tls.cert = kit_path(&kit, "alice.pem");
	l.service.tls.key = kit_path(&kit, "sealed.key");
	l.service.tls.key_password_file = kit_path(&kit, "wrong");
	expect_refused("a wrong password", "alice.pem: does not go with");
	/* read anew for each attempt: a file put right counts at once */
	cr_assert_eq(rename(kit_path(&kit, "password"), kit_path(&kit, "wrong")), 0);
	expect_ok("the password put right");
	finish();
}

Test(tls, E22_minimum_version)
{
	begin("ssl", "ssl_protocols TLSv1.2; " SAY);
	expect_ok("1.2 is enough");
	l.service.tls.min_version = RATION__TLS_1_3;
	expect_refused("1.3 is asked for", "");
	peer_stop(&peer);
	peer_nginx(&peer, &kit, "ssl", "ssl_protocols TLSv1.3; " SAY);
	snprintf(base, sizeof(base), "https://127.0.0.1:%d", peer.port);
	expect_ok("1.3 is there");
	finish();
}

Test(tls, two_identities_never_share_a_connection)
{
	static const char *const names[] = {"alice", "bob"};
	struct ration__multi_stats stats;
	char text[256], file[32];

	begin("ssl", "ssl_verify_client on; ssl_client_certificate ca.pem; " SAY);
	for (int i = 0; i < 20; i++) {
		const char *name = names[i % 2];

		snprintf(file, sizeof(file), "%s.pem", name);
		l.service.tls.cert = kit_path(&kit, file);
		snprintf(file, sizeof(file), "%s.key", name);
		l.service.tls.key = kit_path(&kit, file);
		cr_assert_eq(get(text, sizeof(text)), 0, "%s", text);
		cr_expect_eq(strncmp(text + 3, name, strlen(name)), 0, "%s", text);
	}
	ration__multi_stats(l.multi, &stats);
	cr_expect_eq(stats.connects, 2);
	cr_expect_eq(stats.handshakes, 2);
	cr_expect_eq(stats.reused, 18);
	finish();
}

/* Where a redirect leads nobody learns whose certificate it is. */
Test(tls, X14_the_certificate_stays_at_its_origin)
{
	struct ration__hop *hop = calloc(1, sizeof(*hop) + 96);
	struct ration__send send = {.service = &l.service, .id = "the-id"};
	struct ration__transfer *transfer;
	struct ration__attempt a;

	begin("ssl", "ssl_verify_client optional; ssl_client_certificate ca.pem; " SAY);
	l.service.tls.cert = kit_path(&kit, "alice.pem");
	l.service.tls.key = kit_path(&kit, "sealed.key");
	l.service.tls.key_password_file = kit_path(&kit, "password");
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/"));

	send.call = call;
	snprintf(hop->url, 96, "%s/", base);
	for (int i = 0; i < 4; i++) {
		hop->foreign = i % 2;
		send.hop = i ? hop : NULL;
		cr_assert_eq(ration__multi_start(l.multi, &send, loop_now(&l), &l, &transfer), 0);
		cr_assert_eq(loop_wait(&l, &a), &l);
		cr_assert_eq(a.code, 0, "%s", a.message);
		cr_expect_eq(
			strncmp(a.body, hop->foreign ? "|" : "CN=alice|", hop->foreign ? 1 : 9), 0,
			"%d: %s", i, a.body);
		ration__attempt_fini(&a);
	}
	finish();
	free(call);
	free(hop);
}

Test(tls, R1_ten_thousand_requests_one_handshake)
{
	struct ration__multi_stats stats;
	char first[256], text[256];

	begin("ssl", SAY);
	cr_assert_eq(get(first, sizeof(first)), 0, "%s", first);
	for (int i = 1; i < 10000; i++) {
		cr_assert_eq(get(text, sizeof(text)), 0, "%s", text);
		cr_assert_str_eq(text, first);
	}
	ration__multi_stats(l.multi, &stats);
	cr_expect_eq(stats.connects, 1);
	cr_expect_eq(stats.handshakes, 1);
	cr_expect_eq(stats.reused, 9999);
	finish();
}

/* The age is counted by libcurl, in whole seconds of the real clock. */
Test(tls, an_old_connection_is_replaced_and_its_session_resumed)
{
	struct ration__multi_stats stats;
	char text[256];

	begin("ssl", "ssl_session_cache shared:a:1m; " SAY);
	forget(RATION__NS_PER_S);
	cr_assert_eq(get(text, sizeof(text)), 0, "%s", text);
	cr_expect_str_eq(strrchr(text, '|'), "|.");
	usleep(2200000);
	/* two at once: the second is no handle that was there before */
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/"));
	struct ration__attempt a;

	loop_start(&l, call, &l);
	loop_start(&l, call, &l);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(loop_wait(&l, &a), &l);
		cr_assert_eq(a.code, 0, "%s", a.message);
		cr_expect_str_eq(strrchr(a.body, '|'), "|r", "%s", a.body);
		ration__attempt_fini(&a);
	}
	free(call);
	ration__multi_stats(l.multi, &stats);
	cr_expect_eq(stats.connects, 3);
	cr_expect_eq(stats.handshakes, 3);
	finish();
}
