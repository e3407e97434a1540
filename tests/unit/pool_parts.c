/* Parts of the pool by themselves: the table, the inbox's flags, places and responses. */
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/util.h"
#include "http_leaks.h"
#include "pool/completion.h"
#include "pool/inbox.h"
#include "pool/job.h"
#include "pool/service.h"
#include "pool/table.h"

TestSuite(pool_parts, .fini = check_leaks, .timeout = 30);

/* ---- table ---- */

struct item {
	struct ration__entry entry;
	int value;
};

Test(pool_parts, table_finds_what_is_in_it_and_nothing_else)
{
	static struct item items[5000];
	struct ration__table table;

	ration__table_init(&table);
	for (int i = 0; i < 5000; i++) {
		items[i].value = i;
		ration__table_add(&table, &items[i].entry, (uint64_t)i / 2); /* two of each hash */
	}
	for (int i = 0; i < 5000; i += 2)
		ration__table_remove(&table, &items[i].entry);
	for (int i = 0; i < 2500; i++) {
		struct ration__entry *entry = ration__table_find(&table, (uint64_t)i);

		cr_assert(entry, "%d", i);
		cr_assert_eq(RATION__CONTAINER(entry, struct item, entry)->value, 2 * i + 1);
		cr_assert_null(ration__table_again(entry));
	}
	for (uint64_t i = 2500; i < 20000; i++)
		cr_assert_null(ration__table_find(&table, i));
	cr_assert_eq(table.count, 2500);
	ration__table_fini(&table);
}

/* ---- inbox ---- */

Test(pool_parts, inbox_hands_over_all_in_order)
{
	struct ration__inbox inbox;
	struct ration__job jobs[3] = {{.code = 1}, {.code = 2}, {.code = 3}}, *job;

	ration__inbox_init(&inbox, 1);
	cr_assert_null(ration__inbox_take(&inbox));
	for (int i = 0; i < 3; i++)
		ration__inbox_push(&inbox, &jobs[i]);
	cr_assert_not(ration__inbox_empty(&inbox));
	job = ration__inbox_take(&inbox);
	for (int i = 1; i <= 3; i++, job = job->next)
		cr_assert_eq(job->code, i);
	cr_assert_null(job);
	cr_assert(ration__inbox_empty(&inbox));
}

Test(pool_parts, inbox_wakes_one_sleeper_and_only_when_all_sleep)
{
	struct ration__inbox inbox;

	ration__inbox_init(&inbox, 2);
	cr_assert_eq(ration__inbox_claim_if_idle(&inbox), -1, "both are awake");
	ration__inbox_sleep(&inbox, 1);
	cr_assert_eq(ration__inbox_claim_if_idle(&inbox), -1, "one is awake and will look");
	cr_assert_not(ration__inbox_claim(&inbox, 0));
	ration__inbox_sleep(&inbox, 0);
	cr_assert_eq(ration__inbox_claim_if_idle(&inbox), 0);
	cr_assert_eq(ration__inbox_claim_if_idle(&inbox), -1, "the bit is claimed once");
	cr_assert(ration__inbox_claim(&inbox, 1));
	cr_assert_not(ration__inbox_claim(&inbox, 1));
	ration__inbox_sleep(&inbox, 1);
	ration__inbox_awake(&inbox, 1);
	cr_assert_not(ration__inbox_claim(&inbox, 1));
	ration__inbox_init(&inbox, 64);
	cr_assert_eq(inbox.workers, UINT64_MAX);
}

/* ---- places and responses ---- */

static ration_response *respond(void)
{
	ration_request *request = ration_request_new("s", "GET", "/");
	struct ration__service_conf conf = {.name = "s", .base = "http://127.0.0.1"};
	struct ration__response_parts parts = {
		.service = &conf, .message = "", .mode = "exact", .code = RATION_ECANCELLED};
	ration_response *response;
	size_t size;
	void *call;

	cr_assert_eq(ration__call_measure(request, &conf, &size), 0);
	call = malloc(size);
	cr_assert(call);
	ration__call_pack(request, &conf, call);
	parts.call = call;
	response = ration__response_new(&parts);
	cr_assert(response);
	free(call);
	ration_request_free(request);
	return response;
}

Test(pool_parts, places_are_bounded_and_come_back)
{
	struct ration__completion c;
	ration_response *r;

	cr_assert_eq(ration__completion_init(&c, 2), 0);
	cr_assert_eq(ration__completion_enter(&c, 0), 0);
	cr_assert_eq(ration__completion_enter(&c, 0), 0);
	cr_assert_eq(ration__completion_enter(&c, 0), RATION_EFULL);
	cr_assert_eq(ration__completion_enter(&c, 5), RATION_EFULL, "a job runs: waited in vain");
	ration__completion_exit(&c);
	cr_assert_eq(ration__completion_enter(&c, 0), 0);
	ration__completion_put(&c, respond(), 1, 0);
	ration__completion_put(&c, respond(), 1, 0);
	cr_assert_eq(
		ration__completion_enter(&c, -1), RATION_EFULL, "an unfetched one has a place");
	cr_assert_eq(ration__completion_next(&c, 0, &r), 0);
	ration_response_free(r);
	cr_assert_eq(ration__completion_enter(&c, 0), 0);
	ration__completion_fini(&c); /* frees the unfetched one */
}

Test(pool_parts, lost_response_is_told_and_gives_its_place_back)
{
	struct ration__completion c;
	ration_response *r = NULL;

	cr_assert_eq(ration__completion_init(&c, 1), 0);
	cr_assert_eq(ration__completion_enter(&c, 0), 0);
	ration__completion_put(&c, NULL, 0, 1);
	cr_assert_eq(ration__completion_drain(&c, 0), 0);
	cr_assert_eq(ration__completion_next(&c, -1, &r), RATION_ENOMEM);
	cr_assert_null(r);
	cr_assert_eq(ration__completion_next(&c, -1, &r), RATION_EEMPTY);
	cr_assert_eq(ration__completion_enter(&c, 0), 0);
	ration__completion_fini(&c);
}

Test(pool_parts, descriptor_follows_the_queue)
{
	struct ration__completion c;
	struct pollfd p = {.events = POLLIN};
	ration_response *r;

	cr_assert_eq(ration__completion_init(&c, 4), 0);
	cr_assert_eq(ration__completion_enter(&c, 0), 0);
	cr_assert_eq(ration__completion_enter(&c, 0), 0);
	ration__completion_put(&c, respond(), 1, 0);
	p.fd = ration__completion_fd(&c); /* asked for late: what is there shows */
	cr_assert_eq(poll(&p, 1, 0), 1);
	cr_assert_eq(ration__completion_next(&c, 0, &r), 0);
	ration_response_free(r);
	cr_assert_eq(poll(&p, 1, 0), 0);
	ration__completion_put(&c, respond(), 1, 0);
	cr_assert_eq(poll(&p, 1, 0), 1);
	ration__completion_fini(&c);
}

struct waiting {
	struct ration__completion *c;
	int rc;
};

static void *wait_for_place(void *arg)
{
	struct waiting *w = arg;

	w->rc = ration__completion_enter(w->c, -1);
	return NULL;
}

Test(pool_parts, who_waits_for_a_place_gets_the_next_or_learns_that_none_will_come)
{
	struct ration__completion c;
	struct waiting first = {.c = &c, .rc = 1}, second = {.c = &c, .rc = 1};
	pthread_t thread;

	cr_assert_eq(ration__completion_init(&c, 1), 0);
	cr_assert_eq(ration__completion_enter(&c, 0), 0);
	pthread_create(&thread, NULL, wait_for_place, &first);
	while (!atomic_load(&c.watching))
		;
	ration__completion_exit(&c);
	pthread_join(thread, NULL);
	cr_assert_eq(first.rc, 0);
	pthread_create(&thread, NULL, wait_for_place, &second);
	while (!atomic_load(&c.watching))
		;
	ration__completion_put(&c, respond(), 1, 0);
	pthread_join(thread, NULL);
	cr_assert_eq(second.rc, RATION_EFULL);
	ration__completion_fini(&c);
}

/* ---- what limits by path look at ---- */

static void check_path(const char *base, const char *target, const char *path)
{
	const char *nodes[] = {base, "https://other/v2"};
	ration_request *request = ration_request_new("s", "PUT", target);
	struct ration__service_conf conf = {
		.name = "s", .base = base, .nodes = nodes, .node_count = RATION__COUNT(nodes)};
	struct ration__pool_service service = {.conf = &conf};
	struct ration__request_view view;
	struct ration__job *job;

	ration__request_view(request, &view);
	cr_assert_eq(ration__job_new(request, &view, &service, NULL, &job), 0, "%s", target);
	cr_assert_str_eq(ration__job_path(job), path);
	cr_assert_str_eq(ration__job_method(job), "PUT");
	ration__job_free(job);
	ration_request_free(request);
}

Test(pool_parts, path_is_the_requests_own)
{
	check_path("http://h", "/v1/x?y=/z", "/v1/x?y=/z");
	check_path("http://h/api", "/v1/x", "/v1/x");
	check_path("http://h/api", "http://h/api/v1/x", "/v1/x");
	check_path("http://h/api", "http://h/apix/v1", "/apix/v1");
	check_path("http://h/api", "http://h/other", "/other");
	check_path("http://h/api", "http://h/api", "");
	check_path("http://h/api", "https://other/v2/x", "/x");
	check_path("http://h/api", "https://other/api/x", "/api/x");
	check_path("http://h/api", "/a/../b%2Fc", "/a/../b%2Fc"); /* as it stands */
}

/* ---- what a flight remembers ---- */

Test(pool_parts, waits_add_up_by_name_and_notes_keep_the_last)
{
	struct ration__flight flight = {.attempts = 0};
	char names[RATION__WAITS_MAX + 3][16];
	int64_t sum = 0;

	for (int i = 0; i < RATION__WAITS_MAX + 3; i++) {
		snprintf(names[i], sizeof(names[i]), "n%d", i);
		ration__flight_waited(&flight, names[i], 10);
		ration__flight_waited(&flight, names[0], 1);
	}
	ration__flight_waited(&flight, NULL, 5);
	ration__flight_waited(&flight, "n0", -5);
	for (int i = 0; i < flight.wait_count; i++)
		sum += flight.waits[i].ns;
	cr_assert_eq(flight.wait_count, RATION__WAITS_MAX);
	cr_assert_eq(sum, (RATION__WAITS_MAX + 3) * 11, "nothing is lost when names are too many");
	for (int i = 1; i <= RATION__JOB_NOTES + 2; i++)
		ration__flight_note(&flight,
			&(struct ration__attempt){.status = 500 + i, .elapsed_us = INT64_MAX});
	cr_assert_eq(flight.note_count, RATION__JOB_NOTES);
	cr_assert_eq(flight.notes[0].code_or_status, 503);
	cr_assert_eq(
		flight.notes[RATION__JOB_NOTES - 1].code_or_status, 500 + RATION__JOB_NOTES + 2);
	cr_assert_eq(flight.notes[0].elapsed_us, UINT32_MAX);
}
