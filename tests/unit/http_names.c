/* Look-ups of names beside transfers, with a name server that answers when the test says so. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "http_leaks.h"
#include "http_loop.h"
#include "http/resolve.h"

#define SLOW_NAME "upstream.invalid"
static sem_t answers;	 /* a look-up of that name takes one, and ends: there is no such host */
static atomic_int begun; /* look-ups */

static void slow_name_server(void)
{
	sem_init(&answers, 0, 0);
}

static void name_answers(int n)
{
	for (int i = 0; i < n; i++)
		sem_post(&answers);
}

TestSuite(names, .init = slow_name_server, .fini = check_leaks, .timeout = 60);

/* A real server's "no such host" comes in a millisecond or in seconds: too soon for some of these
 * tests, by chance. libcurl's threads find this one in its place. */
__attribute__((visibility("default"))) int getaddrinfo(const char *restrict node,
	const char *restrict service, const struct addrinfo *restrict hints,
	struct addrinfo **restrict found)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (node && strcmp(node, SLOW_NAME) == 0) {
		begun++;
		sem_wait(&answers);
		return EAI_NONAME;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(node, service, hints, found);
}

static bool answer_hello(const struct server_request *r)
{
	return server_ok(r, "hello");
}

/* libcurl would start a thread with a pair of sockets for each; the rest wait for the first. */
Test(names, one_lookup_of_a_name_at_a_time)
{
	struct loop l;
	struct ration__transfer *transfers[20];

	loop_init(&l, answer_hello);
	l.service.base = "http://" SLOW_NAME;
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/"));

	for (int i = 0; i < 20; i++)
		transfers[i] = loop_start(&l, call, &l);
	loop_until(&l, &begun, 1);
	loop_settle(&l);
	cr_expect_eq(begun, 1);
	/* When the one that went ahead is gone, the next goes: not none, and not all. */
	ration__multi_cancel(l.multi, transfers[1]);
	name_answers(1); /* libcurl waits for its thread */
	ration__multi_cancel(l.multi, transfers[0]);
	loop_until(&l, &begun, 2);
	loop_settle(&l);
	cr_expect_eq(begun, 2);
	name_answers(18);
	for (int i = 2; i < 20; i++)
		ration__multi_cancel(l.multi, transfers[i]);
	cr_expect_eq(loop_watched(&l), 0);
	free(call);
	loop_fini(&l);
}

/* A hostile redirect must not find a name whose slow look-up holds up another one. */
Test(names, names_are_not_held_for_other_names)
{
	static struct ration__transfer others[RATION__DOORS + 1], again;
	struct ration__resolve resolve;

	ration__resolve_init(&resolve);
	for (int i = 0; i <= RATION__DOORS; i++) {
		ration__link_init(&others[i].held);
		ration__buffer_init(&others[i].origin, 0);
		ration__buffer_printf(&others[i].origin, "http://h%d.test", i);
		cr_expect(ration__resolve_enter(&resolve, &others[i], 0), "%d", i);
	}
	again = others[0];
	ration__link_init(&again.held);
	cr_expect_not(ration__resolve_enter(&resolve, &again, 0));
	ration__resolve_leave(&resolve, &again, false, 0);
	for (int i = 0; i <= RATION__DOORS; i++) {
		ration__resolve_leave(&resolve, &others[i], false, 0);
		ration__buffer_fini(&others[i].origin);
	}
}

/* Twenty at once to a host by its name, so many times. */
static void send_by_name(int rounds)
{
	struct loop l;
	struct ration__attempt a;
	char base[64];

	loop_init(&l, answer_hello);
	snprintf(base, sizeof(base), "http://localhost:%d", l.server.port);
	l.service.base = base;
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/"));

	for (int round = 1; round <= rounds; round++) {
		for (int i = 0; i < 20; i++)
			loop_start(&l, call, &l);
		for (int i = 0; i < 20; i++) {
			cr_assert_not_null(loop_wait(&l, &a));
			cr_assert_eq(a.code, 0, "%s", a.message);
			ration__attempt_fini(&a);
		}
		cr_expect_eq(l.server.requests, 20 * round);
	}
	free(call);
	loop_fini(&l);
}

Test(names, those_held_go_when_the_name_is_known)
{
	send_by_name(1);
}

Test(names, held_transfers_time_out_unsent)
{
	struct loop l;
	struct ration__attempt a;

	loop_init(&l, answer_hello);
	l.service.base = "http://" SLOW_NAME;
	struct ration__call *call = loop_pack(&l, ration_request_new("s", "GET", "/"));

	for (int i = 0; i < 3; i++)
		loop_start(&l, call, &l);
	ration__multi_tick(l.multi, loop_now(&l));
	name_answers(3);
	l.ahead_ns = 6 * RATION__NS_PER_S;
	ration__multi_tick(l.multi, loop_now(&l));
	cr_expect_eq(ration__multi_active(l.multi), 3);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(ration__multi_done(l.multi, &a), &l);
		cr_expect(
			a.code == RATION_ECONNECTTIMEOUT || a.code == RATION_EDNS, "%s", a.message);
		cr_expect_eq(a.end.end, RATION__END_NOT_SENT);
		ration__attempt_fini(&a);
	}
	cr_expect_eq(loop_watched(&l), 0);
	free(call);
	loop_fini(&l);
}

/* The resolver's sockets come through the same callback, close without one, and their numbers are
 * reused at once by connections. */
Test(names, names_are_resolved_beside_connections)
{
	send_by_name(5);
}
