/* Connections of a client: how many, and how often they are made. */
#include "client_fixture.h"

TestSuite(connections, .fini = check_leaks, .timeout = 110);

static atomic_int inside, most;

/* In one piece: of two, the second would wait for the first's acknowledgement. */
static bool say(const struct server_request *r)
{
	return server_say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* Holds each request until the flag is set; /free answers at once. */
static bool gate(const struct server_request *r)
{
	int now;

	if (path_number(r->head, " /free"))
		return say(r);
	now = atomic_fetch_add(&inside, 1) + 1;
	for (int seen = most; now > seen && !atomic_compare_exchange_weak(&most, &seen, now);)
		;
	while (!r->server->flag)
		usleep(1000);
	usleep(2000);
	atomic_fetch_sub(&inside, 1);
	return say(r);
}

static void open_with(struct fixture *f, const char *max)
{
	char uri[64];

	fixture_init(f);
	f->server.script = gate;
	snprintf(uri, sizeof(uri), "http://127.0.0.1:%d", f->server.port);
	set(f, "services.api.connections.max", max);
	set(f, "services.api.concurrency.max", "100");
	set(f, "services.other.uris", uri);
	fixture_open(f);
}

static void wait_inside(int n)
{
	for (int i = 0; i < 5000 && inside < n; i++)
		usleep(1000);
	cr_assert_geq(inside, n);
}

Test(connections, S9_no_more_than_the_limit)
{
	struct fixture f;
	ration_response *r = NULL;
	char *text = NULL;
	int waited = 0;

	open_with(&f, "3");
	for (int i = 0; i < 200; i++)
		submit(&f, "/held");
	wait_inside(3);
	/* others go by: to go past, they must have been looked at after those */
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(ration_get(f.client, "other", "/free", &r), 0);
		ration_response_free(r);
	}
	cr_expect_eq(most, 3);
	cr_expect_eq(counts(&f).in_flight, 3);
	cr_assert_eq(ration_client_waiting(f.client, &text), 0);
	cr_expect_str_eq(text, "connections: all 3 of service api are in use");
	ration_free(text);
	f.server.flag = 1;
	for (int i = 0; i < 200; i++) {
		cr_assert_eq(ration_next(f.client, 30000, &r), 0);
		cr_expect_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
		waited += ration_response_wait_ms(r, "connections") > 0;
		ration_response_free(r);
	}
	cr_expect_eq(most, 3);
	cr_expect_geq(waited, 190);
	cr_expect_leq(counts(&f).connects, 3 + 2); /* the other service's, of two threads */
	fixture_close(&f);
}

/* What ends in any way gives its place back. */
Test(connections, places_come_back_from_what_was_cancelled)
{
	struct fixture f;
	ration_ticket tickets[6];
	ration_response *r = NULL;

	open_with(&f, "2");
	for (int i = 0; i < 6; i++)
		tickets[i] = submit(&f, "/held");
	wait_inside(2);
	for (int i = 0; i < 6; i++)
		ration_cancel(f.client, tickets[i]);
	for (int i = 0; i < 6; i++) {
		cr_assert_eq(ration_next(f.client, 30000, &r), 0);
		cr_expect_eq(ration_response_code(r), RATION_ECANCELLED);
		ration_response_free(r);
	}
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(ration_get(f.client, "api", "/free", &r), 0);
		ration_response_free(r);
	}
	f.server.flag = 1;
	fixture_close(&f);
}

/* A place is not held while a permit is waited for, nor the other way round. */
Test(connections, a_permit_that_is_refused_gives_the_place_back)
{
	struct fixture f;
	ration_response *r = NULL;
	int ok = 0;

	fixture_init(&f);
	f.server.script = gate;
	f.server.flag = 1;
	set(&f, "services.api.connections.max", "2");
	set(&f, "services.api.concurrency.max", "1");
	fixture_open(&f);
	for (int i = 0; i < 100; i++)
		submit(&f, i % 2 ? "/held" : "/s/503");
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(ration_next(f.client, 30000, &r), 0);
		ok += ration_response_code(r) == 0;
		ration_response_free(r);
	}
	cr_expect_eq(ok, 100);
	cr_expect_eq(most, 1);
	fixture_close(&f);
}

Test(connections, R1_ten_thousand_calls_one_connection)
{
	struct fixture f;
	ration_response *r = NULL;

	fixture_init(&f);
	f.server.script = say;
	set(&f, "workers.threads", "1");
	fixture_open(&f);
	for (int i = 0; i < 10000; i++) {
		cr_assert_eq(ration_get(f.client, "api", "/", &r), 0);
		ration_response_free(r);
	}
	cr_expect_eq(counts(&f).connects, 1);
	cr_expect_eq(counts(&f).tls_handshakes, 0);
	cr_expect_eq(f.server.connections, 1);
	fixture_close(&f);
}
