/* Lanes by themselves, with a hand-made answer in the guard's place. */
#ifndef TESTS_POOL_FIXTURE_H
#define TESTS_POOL_FIXTURE_H

#include "guard_fixture.h"
#include "http_leaks.h"
#include "pool/lanes.h"

/* The rules' limits: [0] for the service, [1] for each tenant. */
static struct fixture f;
static struct ration__lanes lanes;
static struct ration__service_conf conf = {
	.name = "api", .base = "http://127.0.0.1", .timeouts = {.wait_ns = -1, .total_ns = -1}};
static struct ration__pool_service service = {.conf = &conf};
static uint64_t tickets;

/* What a test wants of the rules is set between these two. */
static inline void begin_rules(void)
{
	fixture_open(&f);
	add_rate(&f, "requests", 10, 10);
	add_rate(&f, "each", 10, 10);
	snprintf(f.rules.limits[1].per[0], RATION__KEYNAME_MAX, "tenant");
	f.rules.concurrency.max = 1;
}

static inline void end_rules(void)
{
	define(&f);
	service.guard = f.guard;
	ration__service_read(&service);
	service.own = service.rules.own;
	ration__lanes_init(&lanes);
	lanes.now_ns = 1000;
}

static inline void open_lanes(void)
{
	begin_rules();
	end_rules();
}

static inline void close_lanes(void)
{
	struct ration__job_queue queue;
	struct ration__job *job;

	ration__job_queue_init(&queue);
	ration__lanes_take_all(&lanes, &queue);
	while ((job = ration__job_queue_take(&queue)) != NULL) {
		ration__lanes_forget(&lanes, job);
		ration__job_free(job);
	}
	ration__lanes_fini(&lanes);
	ration__service_fini(&service);
	cr_assert_null(lanes.ready_first, "a service was left");
	cr_assert_eq(service.crowd, 0);
	cr_assert_null(service.eventful, "a group was left");
	cr_assert_null(service.timed, "a group was left");
	fixture_close(&f);
}

static inline struct ration__job *add_to(struct ration__pool_service *to, const char *method,
	const char *tenant, int priority, int64_t deadline_ns)
{
	ration_request *request = ration_request_new("api", method, "/");
	struct ration__request_view view;
	struct ration__job *job;

	cr_assert(request);
	if (tenant)
		cr_assert_eq(ration_request_set_key(request, "tenant", tenant), 0);
	ration_request_set_priority(request, priority);
	ration__request_view(request, &view);
	cr_assert_eq(ration__job_new(request, &view, to, NULL, &job), 0);
	ration_request_free(request);
	job->ticket.hash = ++tickets;
	job->mark_ns = lanes.now_ns;
	job->deadline_ns = deadline_ns;
	cr_assert_eq(ration__lanes_add(&lanes, job), 0);
	return job;
}

static inline struct ration__job *add(const char *tenant, int priority)
{
	return add_to(&service, "GET", tenant, priority, RATION__NEVER);
}

static inline const char *tenant_of(const struct ration__job *job)
{
	return ration__job_keys(job) + strlen("tenant") + 1;
}

/* Claims the next lane and takes its head; NULL: nothing is ready. */
static inline struct ration__job *take(struct ration__lane **lane)
{
	*lane = ration__lanes_claim(&lanes);
	return *lane ? ration__lanes_pop(&lanes, *lane) : NULL;
}

static inline void finish(struct ration__job *job)
{
	ration__lanes_forget(&lanes, job);
	ration__job_free(job);
}

static inline void admit(struct ration__lane *lane, struct ration__job *job)
{
	ration__lanes_return(
		&lanes, lane, &(struct ration__lane_answer){.asked = 1, .admitted = 1});
	finish(job);
}

static inline void deny(struct ration__lane *lane, struct ration__job *job, int rule, int64_t at_ns)
{
	struct ration__ask no = {.decision = RATION__DENIED,
		.rule = rule,
		.at_ns = at_ns,
		.denial = rule < 0 ? RATION_DENIED_CONCURRENCY : RATION_DENIED_RATE};

	cr_assert_eq(ration__lanes_put_back(&lanes, job), 0);
	ration__lanes_return(
		&lanes, lane, &(struct ration__lane_answer){.asked = 1, .denied = &no});
}

#endif
