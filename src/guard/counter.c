/* Rings, logs and tallies. See counter.h. */
#include "guard/counter.h"

#include <string.h>
#include "base/clock.h"
#include "base/util.h"

/* A part number that no clock reaches: nothing is covered. */
#define NO_PART INT64_MIN

static_assert(sizeof(struct ration__tally) <= sizeof(struct ration__window), "in its place");

static void cover_nothing(struct ration__quota *quota)
{
	quota->covered_part = NO_PART;
	quota->covered = quota->owned = quota->flushed_used = 0;
}

/* What the ring has of the period, counted in it; the part that the period's begin is in counts in
 * full. */
static void ring_to_tally(struct ration__quota *quota, const struct ration__period *period)
{
	struct ration__tally tally = {.rest_at_ns = quota->window.rest_at_ns};
	const struct ration__window *ring = &quota->window;

	for (int back = 0; back <= RATION__WINDOW_PARTS; back++) {
		int64_t part = ring->head - back;
		int64_t used = ration__window_used_in(ring, part);

		if (used > 0 && (part + 1) * ring->part_ns > period->start_ns)
			ration__tally_take(&tally, period, used);
	}
	memset(&quota->window, 0, sizeof(quota->window));
	quota->tally = tally;
}

/* The period's count as if it had been taken now. */
static void tally_to_ring(
	struct ration__quota *quota, const struct ration__window_conf *conf, int64_t now_ns)
{
	struct ration__tally tally = quota->tally;

	memset(&quota->window, 0, sizeof(quota->window));
	if (tally.used > 0 && tally.end_ns > now_ns - conf->window_ns)
		ration__window_take(conf, &quota->window,
			ration__max64(tally.start_ns, ration__min64(now_ns, tally.end_ns - 1)),
			tally.used);
	quota->window.rest_at_ns = tally.rest_at_ns;
}

/* Brings a ring to parts of the length that the window has now: parts are spoken of by number. */
static void frame_ring(
	struct ration__window *ring, const struct ration__window_conf *conf, int64_t now_ns)
{
	int64_t rest_at_ns = ring->rest_at_ns;

	if (!ring->part_ns || ring->part_ns == (conf->window_ns - 1) / RATION__WINDOW_PARTS + 1)
		return;
	ration__window_take(conf, ring, now_ns, 0);
	ring->rest_at_ns = rest_at_ns;
}

struct ration__counter ration__counter_of_quota(struct ration__quota *quota, uint32_t calendar,
	const struct ration__window_conf *conf, const struct ration__zone *zone, int64_t now_ns)
{
	struct ration__counter counter = {.conf = conf,
		.calendar = calendar,
		.durable = true,
		.now_ns = now_ns,
		.head = sizeof(*quota)};
	int64_t part_ns = quota->window.part_ns;

	if (calendar) {
		counter.period = ration__calendar_period(calendar, zone, now_ns);
		if (!quota->calendar) {
			ring_to_tally(quota, &counter.period);
			cover_nothing(quota);
		}
		counter.tally = &quota->tally;
		/* another calendar or zone, whose period began before: what was covered is not its
		 */
		if (quota->covered_part > ration__counter_part(&counter))
			cover_nothing(quota);
	} else {
		if (quota->calendar) {
			tally_to_ring(quota, conf, now_ns);
			cover_nothing(quota);
		} else {
			frame_ring(&quota->window, conf, now_ns);
			if (quota->window.part_ns != part_ns)
				cover_nothing(quota);
		}
		counter.ring = &quota->window;
	}
	quota->calendar = calendar;
	return counter;
}

static void set_length(const struct ration__counter *counter)
{
	if (counter->length)
		*counter->length =
			counter->head +
			(uint32_t)(counter->log ? RATION__LOG_SIZE(counter->log->count) : 0);
}

static void find_log(struct ration__counter *counter, struct ration__record *record)
{
	size_t size = record->length > counter->head ? record->length - counter->head : 0;

	counter->length = &record->length;
	if (counter->ring && ration__log_suits(counter->conf) &&
		record->room >= counter->head + RATION__LOG_SIZE_MAX) {
		counter->log = (void *)((char *)record->state + counter->head);
		if (!record->counted && !ration__log_valid(counter->log, size))
			size = 0;
		if (size == 0)
			ration__log_seed(
				counter->conf, counter->log, counter->ring, counter->now_ns);
	}
	record->counted = counter->log != NULL;
	set_length(counter);
}

struct ration__counter ration__counter_of(struct ration__record *record,
	const struct ration__limit *limit, const struct ration__window_conf *conf,
	const struct ration__zone *zone, int64_t now_ns)
{
	bool durable = limit->kind == RATION__LIMIT_QUOTA;
	struct ration__counter counter = {.conf = conf,
		.durable = durable,
		.now_ns = now_ns,
		.ring = record->window, /* a quota begins with its ring, too */
		.length = &record->length,
		.head = durable ? sizeof(struct ration__quota) : sizeof(struct ration__window)};

	/* nearly always: a large rolling window, as it was */
	if (!ration__log_suits(conf) && record->length == counter.head &&
		(!durable || (!limit->calendar && !record->quota->calendar &&
				     record->window->part_ns ==
					     (conf->window_ns - 1) / RATION__WINDOW_PARTS + 1))) {
		record->counted = false;
		return counter;
	}
	if (durable)
		counter = ration__counter_of_quota(
			record->quota, limit->calendar, conf, zone, now_ns);
	find_log(&counter, record);
	return counter;
}

struct ration__verdict ration__counter_ask(const struct ration__counter *counter, int64_t amount)
{
	if (counter->tally)
		return ration__tally_ask(counter->tally, counter->conf->max, &counter->period,
			counter->now_ns, amount);
	if (counter->log)
		return ration__log_ask(counter->conf, counter->log, counter->now_ns, amount);
	return ration__window_ask(counter->conf, counter->ring, counter->now_ns, amount);
}

void ration__counter_take(const struct ration__counter *counter, int64_t amount)
{
	if (counter->tally) {
		ration__tally_take(counter->tally, &counter->period, amount);
		return;
	}
	ration__window_take(counter->conf, counter->ring, counter->now_ns, amount);
	if (!counter->log)
		return;
	ration__log_take(counter->conf, counter->log, counter->now_ns, amount);
	set_length(counter);
}

void ration__counter_refund(const struct ration__counter *counter, int64_t amount, int64_t taken_ns)
{
	int64_t ring_ns = taken_ns;

	if (counter->tally) {
		ration__tally_refund(counter->tally, &counter->period, amount, taken_ns);
		return;
	}
	/* The ledger is behind where a quota takes more in a part that is over, and ahead only in
	 * the present one: it counts there. */
	if (counter->durable && amount < 0)
		ring_ns = counter->now_ns;
	ration__window_refund(counter->conf, counter->ring, counter->now_ns, amount, ring_ns);
	if (!counter->log)
		return;
	ration__log_refund(counter->conf, counter->log, counter->now_ns, amount, taken_ns);
	set_length(counter);
}

int64_t ration__counter_remaining(const struct ration__counter *counter)
{
	if (counter->tally)
		return ration__tally_remaining(
			counter->tally, counter->conf->max, &counter->period);
	if (counter->log)
		return ration__log_remaining(counter->conf, counter->log, counter->now_ns);
	return ration__window_remaining(counter->conf, counter->ring, counter->now_ns);
}

/* The tally as it is in the present period, or in a later one that was seen. */
static struct ration__tally turned(const struct ration__counter *counter)
{
	struct ration__tally tally = *counter->tally;

	ration__tally_turn(&tally, &counter->period);
	return tally;
}

int64_t ration__counter_frees_at(const struct ration__counter *counter)
{
	if (counter->tally) {
		struct ration__tally tally = turned(counter);

		return tally.used ? tally.end_ns : counter->now_ns;
	}
	if (counter->log)
		return ration__log_frees_at(counter->conf, counter->log, counter->now_ns);
	return ration__window_frees_at(counter->conf, counter->ring, counter->now_ns);
}

int64_t ration__counter_part(const struct ration__counter *counter)
{
	const struct ration__window *ring = counter->ring;

	if (counter->tally)
		return turned(counter).start_ns;
	/* nearly always the newest one: no division */
	if ((uint64_t)counter->now_ns - (uint64_t)(ring->head * ring->part_ns) <
		(uint64_t)ring->part_ns)
		return ring->head;
	/* a clock that stepped back: what is taken goes into the newest part */
	return ration__max64(
		counter->ring->head, ration__window_part(counter->conf, counter->now_ns));
}

int64_t ration__counter_begins(const struct ration__counter *counter, int64_t part)
{
	return counter->tally ? part : part * counter->ring->part_ns;
}

int64_t ration__counter_used_in(const struct ration__counter *counter, int64_t part)
{
	if (counter->tally) {
		struct ration__tally tally = turned(counter);

		return tally.start_ns == part ? tally.used : 0;
	}
	return ration__window_used_in(counter->ring, part);
}
