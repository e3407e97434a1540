/*
 * The engine's inside: private to src/guard.
 *
 * Locks, in order: registry (engine.c) > engine.list_mutex > engine.mutex > the store's hot gate;
 * innermost guard.rules_mutex > engine.meta_mutex, under which nothing waits.
 * engine.mutex guards everything that decides: guards' rules, keysets' bookings, grants, the
 * working set; it is held from before the gate is taken until after the commit, so that one
 * process asks for the gate once at a time. list_mutex guards the subscribers and the thread.
 */
#ifndef GUARD_ENGINE_H
#define GUARD_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include "guard/guard.h"
#include "guard/local.h"
#include "base/util.h"
#include "guard/settings.h"
#include "guard/workset.h"

#define RATION__BOOKED_HEADS 256
#define RATION__LEDGER_QUEUE 64
/* Words shared by all members. */
#define RATION__WORD_RULES 0	/* raised when a definition is replaced */
#define RATION__WORD_HINT 1	/* raised at each denial for concurrency and change of a breaker */
#define RATION__WORD_SETTINGS 2 /* raised when an operator's setting changes */
#define RATION__WORD_COOLDOWN 3 /* STEADY time at which the last cooldown of the store ends */
#define RATION__WORD_BUDGETS 4	/* bit (service's hash % 64): that budget may be below full */
#define RATION__WORD_NODES 6	/* raised when some service's table of nodes changes (nodes.h) */
#define RATION__WORD_KEPT 7	/* no slot from this one on ever kept units (prepaid.h) */
#define RATION__WORD_FULL 8	/* hot/ is full; STEADY time of the next look (full.c) */
#define RATION__WORD_PACKED 9	/* STEADY time at which it was last to be packed */
#define RATION__LAZY_MAX 64	/* words looked at in one pass */
/* A waiter that nobody wakes asks again after this: the wake-up is a hint that may be lost. */
#define RATION__FALLBACK_NS INT64_C(50000000)

/* One record of a keyset. */
struct ration__cell {
	uint64_t hash;
	const uint8_t *key; /* the keyset's, or the guard's where a service has one such record */
	struct ration__cell *next, **link; /* in engine.booked while a booking holds its tokens */
	int64_t start_ns;		   /* of that booking */
	double booked;			   /* tokens */
	uint32_t room;			   /* bytes that the record may grow to */
	uint16_t length;		   /* of the key */
	union {				   /* what holds for these keys, overrides included */
		struct ration__bucket_conf bucket;
		struct ration__window_conf window;
	} conf;
	const struct ration__zone *zone; /* of a calendar quota; engine's */
};

/* Records of which a service has one: their cells are the guard's, and serve all its keysets. */
enum ration__common {
	RATION__COMMON_BREAKER,
	RATION__COMMON_CONCURRENCY,
	RATION__COMMON_BUDGET,
	RATION__COMMON_COOLDOWN,
	RATION__COMMON_CELLS
};

/* Immutable but for the booking and what is counted. */
struct ration__keyset {
	atomic_uint refs;
	struct ration__guard *guard;
	uint64_t serial;		     /* of the rules it was made for */
	bool booked;			     /* holds a booking that starts at start_ns */
	bool waits;			     /* asked for a permit and was told to wait */
	struct ration__keyset *next, **link; /* in engine.in_line: the same, for a place per key */
	int64_t start_ns;
	uint32_t limit_count;
	uint32_t skip;	       /* bits of the limits that do not apply to these keys */
	bool looks;	       /* some limit looks at methods or paths */
	uint32_t breaker_mode; /* enum ration__breaker_mode, the operator's or the rules' */
	const struct ration__cell *breaker, *concurrency, *place, *budget; /* NULL: there is none */
	const struct ration__cell *cooldown;				   /* always */
	uint8_t *bytes;
	struct ration__cell cells[]; /* limits in the rules' order, then others that are per key */
};

struct ration__guard {
	struct ration__engine *engine;
	atomic_uint refs; /* one while it is open, one of each keyset: grants outlive a close */
	struct ration__guard *next;
	struct ration__rules rules;  /* read under either mutex, changed under both */
	pthread_mutex_t rules_mutex; /* innermost: so that a reader never waits for the gate */
	struct ration__rules own;    /* as this process gave them */
	atomic_ulong serial;	     /* raised with each change of rules */
	struct ration__cell common[RATION__COMMON_CELLS]; /* changed as the rules are */
	uint8_t common_keys[RATION__COMMON_CELLS][RATION__NAME_MAX + 2];
	uint8_t definition_key[RATION__KEY_MAX];
	size_t definition_length;
	uint32_t waiting;     /* keysets that wait for a permit of the service */
	atomic_uint sleeping; /* threads that wait in acquire, when own.queue_max bounds them */
	uint64_t definition_version; /* of the definition in the store that rules follow; 0: it is
					not there yet, the store was silent */
	bool defining;		     /* put there by the transaction that goes on */
	bool changed; /* rules were replaced by somebody: say so after the transaction */
	char changed_by[64];
};

/* What the ledger has to be asked for one quota; filled inside a transaction, done outside. */
struct ration__ledger_request {
	uint64_t hash;
	uint16_t key_length;
	uint8_t key[RATION__KEY_MAX];
	struct ration__window_conf conf;
	uint32_t calendar; /* enum ration__calendar */
	const struct ration__zone *zone;
	int64_t amount; /* to reserve ahead; 0: only read */
	int64_t asked;	/* `sync`: by the last transaction that asked */
	int64_t needed; /* of it, what somebody waits for */
	int64_t wall_ns;
	bool absent; /* hot/ has no record */
	bool sync;   /* what is written is kept for this process (prepaid.h) */
	bool lower;  /* hot/ may use less than was written: only that is to be told */
	struct ration__quota snapshot; /* the record as it was */
};

/* See prepaid.h: one for each of the cells that this process has. */
#define RATION__PREPAIDS_MAX 12
struct ration__prepaid {
	uint64_t hash;
	int64_t units, next_units; /* now; and, inside a transaction, when it is committed */
	int64_t part;
	uint64_t epoch;		  /* of the quota's record */
	uint64_t born, next_born; /* of the same */
};

/* Something to be told after the transaction. */
#define RATION__NEWS_MAX 16
struct ration__news {
	uint32_t event; /* enum ration_event */
	char service[RATION__NAME_MAX], rule[RATION__NAME_MAX];
	char keys[256];
	double value;
};

/* An entry whose permit was given back in this transaction: who is admitted in it takes it over. */
#define RATION__SPARES_MAX 64
struct ration__spare {
	uint64_t hash, seq; /* of the concurrency record; of the entry */
	const struct ration__guard *guard;
	bool expires;
};

struct ration__settings;    /* settings.c */
struct ration__engine_zone; /* keyset.c */
/* At open, and when the rules were replaced (under both mutexes). */
void ration__common_init(struct ration__guard *guard);

struct ration__engine {
	struct ration__engine *next; /* registry */
	dev_t dev;
	ino_t ino;
	unsigned refs;
	struct ration__store *store;
	struct ration__clock clock;
	ration_log_fn log;
	void *log_arg;
	enum ration_log_level log_level;
	ration_event_fn event;
	void *event_arg;

	pthread_mutex_t meta_mutex;	   /* of settings and zones; innermost */
	struct ration__settings *settings; /* the operator's; NULL: not read yet */
	struct ration__engine_zone *zones; /* loaded ones; kept */

	pthread_mutex_t mutex;
	struct ration__news news[RATION__NEWS_MAX];
	uint32_t news_count;
	uint64_t random;       /* of the jitter; no secret */
	uint64_t budgets_full; /* bits taken from the shared word in this transaction */
	struct ration__guard *guards;
	struct ration__grant *grants;
	struct ration__grant lazy; /* ended, to be settled with the next decision (lazy.c) */
	bool lazy_settled;	   /* in the transaction that goes on */
	struct ration__orphan
		*orphans; /* holders went away while the store was silent (orphan.c) */
	uint64_t next_seq;
	uint32_t waiting;    /* keysets of all guards that wait for a permit or a place per key */
	bool defining;	     /* some guard's is put there by the transaction that goes on */
	bool undefined;	     /* some guard's definition is not in the store yet */
	uint64_t rules_seen; /* the shared word's value that every guard follows */
	int64_t wipe_ns;     /* of the last transaction that put back what we hold */
	struct ration__cell *booked[RATION__BOOKED_HEADS];
	struct ration__keyset *in_line[RATION__BOOKED_HEADS]; /* by their place's hash */
	struct ration__workset set;
	struct ration__workset spare; /* for records that are changed one by one */
	struct ration__spare spares[RATION__SPARES_MAX];
	uint32_t spare_count;
	void *burial;	  /* permit.c's scratch */
	void *definition; /* definition.c's */

	/* while the store cannot answer */
	struct ration__locals locals;
	bool degraded;
	bool full, was_full; /* because hot/ has no room (full.c); that was why, when it ended */
	int64_t degraded_ns; /* since when */
	int64_t room_ns;     /* when room was found again; 0: never */
	int64_t packed_ns;   /* when this process last had hot/ packed; 0: never */
	bool degraded_news;  /* it began or ended: say so */
	uint32_t live, rank; /* members, and this one's place among them */
	int64_t live_ns;     /* when they were counted */

	/* the ledger's queue, under mutex */
	struct ration__ledger_request *ledger; /* RATION__LEDGER_QUEUE of them */
	size_t ledger_count;
	bool ledger_busy;	  /* a thread is working on them */
	atomic_ulong ledger_news; /* raised when hot/ was told what the ledger says */
	pthread_cond_t ledger_done;
	atomic_bool ledger_fails; /* the last that was done with it did not work */

	struct ration__prepaid prepaids[RATION__PREPAIDS_MAX]; /* under mutex */
	uint16_t prepaid_slot;				       /* whose they are */
	uint32_t prepaid_generation;
	atomic_uint prepaid_count; /* that are not zero */
	bool prepaid_touched;	   /* in this transaction */
	bool prepaid_told;	   /* in it, what was announced */
	int prepaid_coming;	   /* the cell where; of who flushes */
	uint16_t prepaid_coming_slot;
	int64_t kept_looked_ns; /* when it was looked whether those who keep units live */

	pthread_mutex_t list_mutex;
	struct ration__waker *wakers;
	pthread_t thread;
	bool thread_runs;
	int kick_fd;
	atomic_bool stop;
	_Atomic uint64_t epoch; /* of the hot/ in which this process's holdings stand */
	atomic_bool epoch_news; /* it changed: the others should see to theirs */
	atomic_bool epoch_kick; /* and its thread is to be told of that */
	atomic_bool notify;	/* kicked: call the wakers */
};

static inline const uint8_t *ration__cell_key(
	const struct ration__keyset *keyset, const struct ration__cell *cell)
{
	return cell->key;
}

/* engine.c */
void ration__engine_log(struct ration__engine *engine, enum ration_log_level level,
	const char *format, ...) __attribute__((format(printf, 3, 4)));
void ration__engine_notify(struct ration__engine *engine); /* lets the thread call the wakers */
void ration__engine_kick(struct ration__engine *engine);   /* there is work in the ledger's queue */

/* permit.c: under mutex, inside a transaction */
extern const struct ration__breaker_conf ration__any_breaker;
/* Whether a keyset of this process (this one or another) waits for the same. */
bool ration__permit_waited(const struct ration__keyset *keyset, bool place);
/* Whether this keyset waits for a permit. The record knows members, not keysets: it is told what is
 * true of the process. */
void ration__permit_wait(struct ration__keyset *keyset, struct ration__txn *txn,
	struct ration__record *record, const struct ration__concurrency_conf *conf, bool waits);
int ration__permit_write(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__keyset *keyset, struct ration__grant *grant);
/* One of this member's places is given back; its entry waits for a taker until the transaction
 * ends. 1: it was there; 0: it had been given back already; or a store error */
int ration__permit_give_back(
	struct ration__engine *engine, struct ration__txn *txn, const struct ration__grant *grant);
/* Entries that nobody took over go. 0 or a store error */
int ration__permit_drop_spares(struct ration__engine *engine, struct ration__txn *txn);
/* 1: it was there and is gone now; 0: it had been given back already; or a store error */
int ration__permit_delete(struct ration__txn *txn, uint64_t seq, enum ration__permit_what what);
int ration__permit_bury(void *engine, struct ration__txn *txn, uint16_t slot, uint32_t generation);
int ration__permit_assert(
	struct ration__engine *engine, struct ration__txn *txn, const struct ration__grant *grant);
int ration__permit_reassert(void *engine, struct ration__txn *txn);
size_t ration__burial_size(void);
int ration__permit_reclaim(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__concurrency_conf *conf);

/* settle.c: under mutex, inside a transaction. 0; RATION_EAGAIN: the working set is full; or a
 * store error */
int ration__settle_one(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__settle *settle);
/* A permit's place alone, of a grant that has nothing else to settle. */
int ration__settle_permit(
	struct ration__engine *engine, struct ration__txn *txn, const struct ration__grant *grant);
/* What a result means for adaptive limits, cooldown and budget: all but places, breaker, costs.
 * grant: of the call; its keyset, skip, bound and at_ns are looked at. */
int ration__settle_news(struct ration__engine *engine, struct ration__txn *txn,
	const struct ration__grant *grant, struct ration__settle *settle);
/* What the settle says of the limit's unit; false: nothing. */
bool ration__actual_of(
	const struct ration__settle *settle, const struct ration__limit *limit, double *actual);
int ration__settle_breaker(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__settle *settle);
/* The keyset's record, in the working set. 0, RATION_EAGAIN, or a store error */
int ration__cell_record(struct ration__engine *engine, const struct ration__keyset *keyset,
	const struct ration__cell *cell, struct ration__record **record);
/* What holds for the keyset's breaker now (perhaps made in scratch), and its record brought to that
 * size. */
const struct ration__breaker_conf *ration__breaker_ready(const struct ration__keyset *keyset,
	struct ration__record *record, struct ration__breaker_conf *scratch);
/* There is no record of the keyset's breaker: closed, without failures, and it keeps no window. */
bool ration__breaker_untouched(const struct ration__keyset *keyset);
/* A bit of the shared word for a service's budget. */
uint64_t ration__budget_bit(const struct ration__keyset *keyset);
uint64_t ration__engine_random(struct ration__engine *engine);

/* decide.c: under mutex, inside a transaction. 0 or a store error */
int ration__decide(struct ration__engine *engine, struct ration__txn *txn, struct ration__ask *ask);
double ration__cost_of(
	const struct ration__limit *limit, const struct ration__cost *costs, size_t cost_count);
/* amount of quota i was taken just now: an alert when that crossed a threshold. */
struct ration__counter;
void ration__quota_warn(const struct ration__keyset *keyset, uint32_t i,
	const struct ration__counter *counter, int64_t amount);
/* What an absent record means after hot/ was lost: nothing is left. */
void ration__record_wake(struct ration__record *record, const struct ration__limit *limit,
	const struct ration__cell *cell, int64_t wipe_ns);
/* news.c: something to be told once the transaction is over; keys from the record's key. */
void ration__news_add(struct ration__engine *engine, enum ration_event event,
	const struct ration__keyset *keyset, const struct ration__cell *cell, const char *rule,
	double value);
void ration__news_put(struct ration__engine *engine, enum ration_event event, const char *service,
	const char *rule, const uint8_t *key, size_t key_length, double value);
/* Moves them out, for who reports them after letting go of the lock. Returns how many. */
uint32_t ration__news_take(
	struct ration__engine *engine, struct ration__news out[RATION__NEWS_MAX]);
/* Under no lock: logs them and calls the hook. */
void ration__news_report(
	struct ration__engine *engine, const struct ration__news *news, uint32_t count);

/* state.c */
/* 0: engine.mutex is held and a transaction is open, whose working set is empty; else neither.
 * RATION_EAGAIN: the keyset is stale. Under no lock */
int ration__keyset_begin(struct ration__keyset *keyset, struct ration__txn **txn);
/* Written when rc is 0; lets go of the mutex and tells what happened. */
int ration__keyset_end(struct ration__keyset *keyset, struct ration__txn *txn, int rc);
/* The record of a rule by its name, limits first; NULL: there is no such rule. Under mutex */
const struct ration__cell *ration__keyset_cell(
	const struct ration__keyset *keyset, const char *name, const struct ration__limit **limit);

/* control.c: outside transactions: who waits in any process asks again */
void ration__engine_wake_all(struct ration__engine *engine);

/* reset.c */
/* One record back to its first state, but for a quota (ration__ledger_reset). Under mutex, inside a
 * transaction. 0 or a store error */
int ration__record_reset(struct ration__engine *engine, struct ration__txn *txn, const uint8_t *key,
	size_t key_length);
/* All of a type whose key begins with prefix, quotas in the ledger too. Under no lock; blocks. */
int ration__records_reset(struct ration__engine *engine, enum ration__record_type type,
	const uint8_t *prefix, size_t prefix_length);

/* keyset.c */
void ration__zones_free(struct ration__engine *engine);
/* under mutex */
void ration__keyset_unref_locked(struct ration__keyset *keyset);
void ration__keyset_waits(struct ration__keyset *keyset, bool place, bool waits);
static inline bool ration__keyset_in_line(const struct ration__keyset *keyset, bool place)
{
	return place ? keyset->link != NULL : keyset->waits;
}

/* booking.c: under mutex */
void ration__booking_hold(
	struct ration__keyset *keyset, uint32_t limit, double cost, int64_t start_ns);
/* Forgets it (the tokens are used). */
void ration__booking_drop(struct ration__keyset *keyset);
/* Gives its tokens back, inside a transaction. 0 or a store error */
int ration__booking_refund(struct ration__keyset *keyset, struct ration__txn *txn);
/* hot/ was wiped: no booking holds anything any more. */
void ration__booking_void_all(struct ration__engine *engine);
/* When a booking of another keyset of this process holds that record's tokens: its start, else 0.
 */
int64_t ration__booking_of_other(
	const struct ration__keyset *keyset, const struct ration__cell *cell);
/* The earliest start of what it holds; now when it holds nothing. */
int64_t ration__booking_start(const struct ration__keyset *keyset, int64_t now_ns);

/* lazy.c: under mutex */
uint64_t ration__hint_read(struct ration__engine *engine);
void ration__hint_raise(struct ration__engine *engine);
bool ration__settle_later(struct ration__engine *engine, const struct ration__settle *settle);
int ration__lazy_settle(struct ration__engine *engine, struct ration__txn *txn); /* inside one */
void ration__lazy_hide(struct ration__engine *engine);	/* before its commit */
void ration__lazy_show(struct ration__engine *engine);	/* it failed */
void ration__lazy_done(struct ration__engine *engine);	/* after its commit */
void ration__lazy_flush(struct ration__engine *engine); /* in a transaction of its own */
/* The limit is full: takes back places that are done but not settled. Inside a transaction. */
int ration__lazy_collect(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__record *record);
/* local.c: under mutex */
int ration__local_transact(struct ration__engine *engine, struct ration__batch *batch);
struct ration__bucket_conf ration__local_share(
	const struct ration__engine *engine, const struct ration__bucket_conf *whole);
/* local_end.c: the same */
/* Where there is much to charge: most of it, in transactions of its own. 0 or a store error */
int ration__local_charge(struct ration__engine *engine, int64_t wait_ns);
int ration__local_reconcile(
	struct ration__engine *engine, struct ration__txn *txn); /* inside one */
void ration__local_reconciled(struct ration__engine *engine);	 /* after its commit */
void ration__local_report(
	struct ration__engine *engine, bool degraded, bool full, uint32_t live); /* no lock */
/* full.c */
/* The shared word says so. Only looks: helps nobody, and changes nothing. [any] */
bool ration__full_said(const struct ration__engine *engine);
/* under mutex, outside transactions */
/* hot/ was found full, and has no room yet: nobody decides in it. */
bool ration__full_lasts(struct ration__engine *engine, int64_t wait_ns);
/* A transaction found no room: makes some where records are at rest. false: it was the disk's. */
bool ration__full_help(struct ration__engine *engine, int64_t wait_ns);
/* After local.c: what was admitted before is given back in the store, as far as that goes. */
void ration__full_settle(
	struct ration__engine *engine, struct ration__batch *batch, int64_t wait_ns);
/* It did not help. Tells the fleet; RATION_ESTORE */
int ration__full_begin(struct ration__engine *engine);
/* orphan.c: under mutex */
int ration__orphans_settle(struct ration__engine *engine, struct ration__txn *txn); /* inside one */
void ration__orphans_done(struct ration__engine *engine); /* after its commit */
void ration__orphans_forget(struct ration__engine *engine);
/* guard.c */
/* Takes engine.mutex, waiting as long as one would for the gate. 0, or RATION_EAGAIN. */
int ration__engine_lock(struct ration__engine *engine, int64_t wait_ns);
/* The rest under mutex. */
/* Ends a transaction of the working set: written back and committed when rc is 0, else aborted. */
int ration__engine_end(struct ration__engine *engine, struct ration__txn *txn, int rc);
void ration__grant_move(struct ration__grant *from, struct ration__grant *to);
void ration__grant_link(
	struct ration__engine *engine, struct ration__keyset *keyset, struct ration__grant *grant);
void ration__grant_unlink(struct ration__grant *grant);
void ration__guard_unref(struct ration__guard *guard); /* any thread, no lock needed */
/* permit.c: one place of another member, if its entry is there. Inside a transaction. */
int ration__permit_take_back(struct ration__engine *engine, struct ration__txn *txn, uint16_t slot,
	uint32_t generation, uint64_t seq);

/* definition.c: under mutex, inside a transaction */
/* The definition of a service, whoever's. 0, RATION_EEMPTY: none, or a store error */
int ration__definition_read(struct ration__engine *engine, struct ration__txn *txn,
	const char *service, struct ration__rules *out);
size_t ration__definition_size(void);
int ration__definition_put(
	struct ration__guard *guard, struct ration__txn *txn, char *diff, size_t size);
int ration__definition_follow(struct ration__engine *engine, struct ration__txn *txn);
/* The transaction of put or follow is over. */
void ration__definition_end(struct ration__engine *engine, bool committed);
/* hot/ was lost, or this member was taken for dead: what is in force stays in force. */
int ration__definition_restore(struct ration__guard *guard, struct ration__txn *txn);
/* under no lock: tells the log what follow changed */
void ration__definition_report(struct ration__engine *engine);

/* quota.c */
/* Is the amount covered by the ledger? When not (or soon not), a request is queued. true: it may be
 * used now. Under mutex, inside a transaction. */
bool ration__quota_covered(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__limit *limit,
	const struct ration__cell *cell, int64_t amount);
/* A record that hot/ does not have is read from the ledger. */
void ration__quota_read(struct ration__engine *engine, const struct ration__record *record,
	const struct ration__cell *cell, const struct ration__counter *counter);
/* After an ask that it refuses, or a refund: what nobody will use soon is covered no more, and the
 * ledger told. Of `sync` only. */
void ration__quota_uncover(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__limit *limit,
	const struct ration__cell *cell, const struct ration__counter *counter);
/* Of the quota's room, what other processes keep for their calls. */
int64_t ration__quota_kept(struct ration__engine *engine, struct ration__txn *txn,
	struct ration__record *record, const struct ration__counter *counter);
/* The record's rest time. */
void ration__quota_touch(
	struct ration__txn *txn, struct ration__record *record, const struct ration__limit *limit);
/* Works the ledger's queue off, or waits for who does; blocks on the disk. Under no lock. What
 * came of it: engine.ledger_news. */
void ration__ledger_work(struct ration__engine *engine);
/* What the ledger has of a quota, when hot/ has nothing: the count (counter.h), nothing covered;
 * all zero when there is none. Blocks on the disk. 0 or a store error */
int ration__ledger_read(struct ration__engine *engine, const uint8_t *key, size_t key_length,
	struct ration__quota *quota);
/* A quota back to nothing, in the ledger and in hot/, whatever others flush meanwhile. */
int ration__ledger_reset(struct ration__engine *engine, const uint8_t *key, size_t key_length);
/* Begins and ends a transaction on one record, with the mutex. 0 or a store error. */
int ration__ledger_open(struct ration__engine *engine, uint64_t hash, const uint8_t *key,
	size_t key_length, uint32_t room, struct ration__txn **txn, struct ration__record **record);
int ration__ledger_close(struct ration__engine *engine, int rc);

#endif
