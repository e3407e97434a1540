/*
 * One face over the three ways to count up to a maximum:
 *
 *     ring    always, for windows and rolling quotas (policy/window.h): of constant size, returns a
 *             unit up to window / 64 late; the only one that the ledger keeps
 *     log     behind the ring in the same record, for limits up to 1,000 units (policy/log.h):
 * exact tally   in the ring's place, for calendar quotas (policy/calendar.h)
 *
 * Where there is a log, it answers, and the ring is kept up beside it for the ledger. A log that is
 * missing (the limit was above 1,000 before, or the record came back from the ledger) or damaged is
 * made from the ring; one that is not wanted any more is dropped. A quota whose kind of window was
 * changed is counted over: rather too much than too little.
 */
#ifndef GUARD_COUNTER_H
#define GUARD_COUNTER_H

#include "guard/workset.h"

struct ration__zone;

/* Borrows all that it points to; good until the record is read anew or its room grows. */
struct ration__counter {
	const struct ration__window_conf *conf;
	uint32_t calendar; /* enum ration__calendar */
	bool durable;	   /* a quota: the ledger follows its parts */
	int64_t now_ns;	   /* of the kind's clock: STEADY for windows, WALL for quotas */
	struct ration__period period;
	struct ration__window *ring; /* NULL: a tally */
	struct ration__tally *tally; /* NULL: a ring */
	struct ration__log *log;     /* NULL: none */
	uint32_t *length;	     /* of the record: follows the log's */
	uint32_t head;		     /* bytes before the log */
};

/* Of a record of a window or quota, whatever was read into it; state, length and room must be set.
 * Brings the record's content into the form that the limit has now (which changes nothing that is
 * counted, so it need not be written). zone is looked at for calendars only; NULL: UTC. */
struct ration__counter ration__counter_of(struct ration__record *record,
	const struct ration__limit *limit, const struct ration__window_conf *conf,
	const struct ration__zone *zone, int64_t now_ns);
/* The same over a quota's head alone, which has no log. */
struct ration__counter ration__counter_of_quota(struct ration__quota *quota, uint32_t calendar,
	const struct ration__window_conf *conf, const struct ration__zone *zone, int64_t now_ns);

/* As ration__window_*; times are of now_ns's clock. */
struct ration__verdict ration__counter_ask(const struct ration__counter *counter, int64_t amount);
void ration__counter_take(const struct ration__counter *counter, int64_t amount);
/* taken_ns: what now_ns was when it was taken. */
void ration__counter_refund(
	const struct ration__counter *counter, int64_t amount, int64_t taken_ns);
int64_t ration__counter_remaining(const struct ration__counter *counter);
int64_t ration__counter_frees_at(const struct ration__counter *counter);

/* What is reserved ahead is reserved in parts: of the ring, or whole periods. The part of now, and
 * the amount used in a part. */
int64_t ration__counter_part(const struct ration__counter *counter);
int64_t ration__counter_begins(const struct ration__counter *counter, int64_t part); /* when */
int64_t ration__counter_used_in(const struct ration__counter *counter, int64_t part);

#endif
