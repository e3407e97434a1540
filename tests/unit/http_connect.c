/* Whom a connection may be made to, and through whom: addresses and proxies. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"
#include "http/address.h"
#include "http_leaks.h"
#include "http_loop.h"

TestSuite(connect, .fini = check_leaks, .timeout = 60);

Test(connect, addresses)
{
	static const struct {
		const char *text;
		bool is_public;
	} cases[] = {
		{"8.8.8.8", true},
		{"1.1.1.1", true},
		{"0.0.0.0", false},
		{"0.1.2.3", false},
		{"9.255.255.255", true},
		{"10.0.0.1", false},
		{"10.255.255.255", false},
		{"11.0.0.0", true},
		{"100.63.255.255", true},
		{"100.64.0.1", false},
		{"100.127.255.255", false},
		{"100.128.0.0", true},
		{"126.255.255.255", true},
		{"127.0.0.1", false},
		{"127.255.255.255", false},
		{"128.0.0.0", true},
		{"169.253.255.255", true},
		{"169.254.169.254", false},
		{"169.255.0.0", true},
		{"172.15.255.255", true},
		{"172.16.0.0", false},
		{"172.31.255.255", false},
		{"172.32.0.0", true},
		{"192.0.0.8", false},
		{"192.0.1.0", true},
		{"192.0.2.1", false},
		{"192.88.99.1", false},
		{"192.167.255.255", true},
		{"192.168.1.1", false},
		{"192.169.0.0", true},
		{"198.17.255.255", true},
		{"198.18.0.0", false},
		{"198.19.255.255", false},
		{"198.20.0.0", true},
		{"198.51.100.1", false},
		{"203.0.113.255", false},
		{"223.255.255.255", true},
		{"224.0.0.1", false},
		{"240.0.0.1", false},
		{"255.255.255.255", false},
		{"2606:4700::1111", true},
		{"2a00:1450:4001::1", true},
		{"2400:cb00::1", true},
		{"::", false},
		{"::1", false},
		{"::7f00:1", false},
		{"::ffff:127.0.0.1", false},
		{"::ffff:8.8.8.8", false},
		{"64:ff9b::a00:1", false},
		{"64:ff9b:1::1", false},
		{"100::1", false},
		{"2000::1", true},
		{"2001::1", false},
		{"2001:1ff::1", false},
		{"2001:200::1", true},
		{"2001:db8::1", false},
		{"2001:db9::1", true},
		{"2002:7f00:1::1", false},
		{"2003::1", true},
		{"3fff:fff::1", false},
		{"3fff:1000::1", true},
		{"4000::1", false},
		{"fc00::1", false},
		{"fd12:3456::1", false},
		{"fe80::1", false},
		{"fec0::1", false},
		{"ff02::1", false},
		{"1fff:ffff::1", false},
		{"fe80::1%lo", false},
		{"localhost", false},
		{"", false},
		{"127.1", false},
	};

	for (size_t i = 0; i < RATION__COUNT(cases); i++)
		cr_expect_eq(ration__address_text_is_public(cases[i].text), cases[i].is_public,
			"%s", cases[i].text);
	cr_expect_not(
		ration__address_is_public(&(struct sockaddr){.sa_family = AF_UNIX}), "a file");
}

static bool hello(const struct server_request *r)
{
	return server_ok(r, "hello");
}

/* The option is one of many that stay in the handle. */
Test(connect, a_fresh_one_is_made_whatever_the_handle_did_before)
{
	static const uint8_t http[] = {RATION__HTTP_AUTO, RATION__HTTP_1_1, RATION__HTTP_AUTO};
	struct ration__multi_stats stats;
	struct ration__attempt a;
	struct loop l;

	loop_init(&l, hello);
	for (size_t i = 0; i < 2 * RATION__COUNT(http); i++) {
		l.service.fresh = i < RATION__COUNT(http);
		l.service.http = http[i % RATION__COUNT(http)];
		loop_get(&l, "/", &a);
		cr_expect_eq(a.code, 0, "%s", a.message);
		ration__attempt_fini(&a);
	}
	ration__multi_stats(l.multi, &stats);
	cr_expect_eq(stats.connects, RATION__COUNT(http));
	cr_expect_eq(stats.reused, RATION__COUNT(http));
	loop_fini(&l);
}

static void expect_refused(struct loop *l, const char *why)
{
	struct ration__attempt a;

	loop_get(l, "/", &a);
	cr_expect_eq(a.code, RATION_EADDRESS, "%s: %s", why, a.message);
	cr_expect_eq(a.end.end, RATION__END_PERMANENT, "%s", why);
	cr_expect_eq(a.sent, 0, "%s", why);
	cr_expect_eq(a.status, 0, "%s", why);
	ration__attempt_fini(&a);
}

Test(connect, private_addresses_are_refused_before_a_connection)
{
	struct ration__multi_stats stats;
	struct loop l;
	char base[64];

	loop_init(&l, hello);
	l.service.public_only = 1;
	expect_refused(&l, "a number");
	snprintf(base, sizeof(base), "http://localhost:%d", l.server.port);
	l.service.base = base;
	expect_refused(&l, "a name");
	snprintf(base, sizeof(base), "http://[::ffff:127.0.0.1]:%d", l.server.port);
	expect_refused(&l, "mapped");
	snprintf(base, sizeof(base), "http://0x7f.1:%d", l.server.port);
	expect_refused(&l, "another spelling");
	ration__multi_stats(l.multi, &stats);
	cr_expect_eq(stats.connects, 0);
	cr_expect_eq(l.server.connections, 0);
	loop_fini(&l);
}

/* What was allowed to others, or before the name stood for something else. */
Test(connect, private_addresses_are_refused_on_a_connection_that_is_there)
{
	struct ration__attempt a;
	struct loop l;

	loop_init(&l, hello);
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, 0);
	ration__attempt_fini(&a);
	l.service.public_only = 1;
	expect_refused(&l, "reused");
	cr_expect_eq(l.server.requests, 1);
	l.service.public_only = 0;
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, 0, "%s", a.message);
	ration__attempt_fini(&a);
	loop_fini(&l);
}

/* ---- proxies ---- */

static char connect_head[512];

/* A proxy that is also the server behind it. */
static bool tunnel(const struct server_request *r)
{
	if (strncmp(r->head, "CONNECT ", 8) != 0)
		return server_ok(r, strstr(r->head, ".test") ? "tunnelled" : "straight");
	snprintf(connect_head, sizeof(connect_head), "%s", r->head);
	return server_say(r->fd, "HTTP/1.1 200 Go\r\nX-Proxy: 1\r\n\r\n");
}

static void expect_body(struct loop *l, const char *expected)
{
	struct ration__attempt a;

	loop_get(l, "/", &a);
	cr_expect_eq(a.code, 0, "%s", a.message);
	cr_expect_str_eq(a.body ? a.body : "", expected);
	/* of the proxy's answer nothing is seen */
	for (const char *at = a.headers; at && at < a.headers + a.headers_length;
		at += strlen(at) + 1)
		cr_expect_str_neq(at, "x-proxy");
	ration__attempt_fini(&a);
}

Test(connect, a_proxy_only_when_asked_for)
{
	struct loop l;
	char proxy[64];

	loop_init(&l, tunnel);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", l.server.port);
	setenv("http_proxy", proxy, 1);
	setenv("ALL_PROXY", proxy, 1);
	expect_body(&l, "straight");
	l.service.proxy = "environment";
	l.service.base = "http://upstream.test";
	expect_body(&l, "tunnelled");
	setenv("no_proxy", "*", 1);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	l.service.base = "http://other.test";
	l.service.proxy = proxy;
	expect_body(&l, "tunnelled");
	cr_expect_not_null(strstr(connect_head, "CONNECT other.test:80 HTTP/1.1\r\n"));
	cr_expect_null(strstr(connect_head, "X-Request-ID"), "%s", connect_head);
	l.service.proxy = NULL;
	l.service.base = l.base;
	expect_body(&l, "straight");
	l.service.proxy = "http://127.0.0.1:1";
	struct ration__attempt a;

	l.service.base = "http://third.test";
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, RATION_ECONNECT, "%s", a.message);
	cr_expect_eq(a.end.end, RATION__END_NOT_SENT);
	ration__attempt_fini(&a);
	loop_fini(&l);
}

Test(connect, a_proxys_credentials_come_from_a_file)
{
	char proxy[64], path[] = "/tmp/ration-auth.XXXXXX";
	struct ration__attempt a;
	struct loop l;
	int fd = mkstemp(path);

	loop_init(&l, tunnel);
	cr_assert_eq(write(fd, "user:pass\n", 10), 10);
	close(fd);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", l.server.port);
	l.service.proxy = proxy;
	l.service.proxy_auth_file = path;
	l.service.base = "http://upstream.test";
	expect_body(&l, "tunnelled");
	cr_expect_not_null(strstr(connect_head, "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"),
		"%s", connect_head);
	cr_expect_null(strstr(l.server.last_head, "Proxy-Authorization"));
	/* not another proxy's */
	l.service.proxy_auth_file = NULL;
	l.service.base = "http://other.test";
	expect_body(&l, "tunnelled");
	cr_expect_null(strstr(connect_head, "Proxy-Authorization"), "%s", connect_head);

	/* what does not fit is not cut */
	fd = open(path, O_WRONLY | O_TRUNC);
	for (int i = 0; i < 128; i++)
		cr_assert_eq(write(fd, "12345678", 8), 8);
	close(fd);
	l.service.proxy_auth_file = path;
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, RATION_EIO, "%s", a.message);
	cr_expect_not_null(strstr(a.message, "too long"), "%s", a.message);
	ration__attempt_fini(&a);

	unlink(path);
	loop_get(&l, "/", &a);
	cr_expect_eq(a.code, RATION_EIO, "%s", a.message);
	cr_expect_not_null(strstr(a.message, path), "%s", a.message);
	ration__attempt_fini(&a);
	loop_fini(&l);
}

Test(connect, addresses_behind_a_proxy_cannot_be_checked)
{
	struct loop l;
	char proxy[64];

	loop_init(&l, tunnel);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", l.server.port);
	l.service.proxy = proxy;
	l.service.public_only = 1;
	l.service.base = "http://upstream.test";
	expect_refused(&l, "behind a proxy");
	cr_expect_eq(l.server.connections, 0);
	loop_fini(&l);
}
