/*
 * Units of `sync` quotas that a process had written for its calls, when it is killed and hot/ is
 * lost, at every step and in every order (guard/prepaid.h). The others are real processes, which
 * take one step at a time.
 */
#include "guard_fixture.h"
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "guard/flush.h"
#include "policy_dice.h"
#include "store/internal.h"

#define UNIT ((int64_t)RATION__MICRO)
#define HOUR (3600 * S)
#define PART (24 * HOUR / 64)
#define MAX 60

static struct fixture *f; /* shared: all have one clock */
static struct ration__keyset *keys;

static void setup(void)
{
	f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(f, MAP_FAILED);
	fixture_open(f);
	add_quota(f, "daily", MAX, 24 * HOUR)->durable_ns = 0;
	f->clock.wall_ns = 20000 * 24 * HOUR; /* a part begins */
	define(f);
	keys = keyset_of(f, NULL, 0);
}
static void teardown(void)
{
	ration__keyset_unref(keys);
	fixture_close(f);
	munmap(f, sizeof(*f));
}
TestSuite(prepaid, .init = setup, .fini = teardown, .timeout = 120);

/* ---- a process ---- */

enum step {
	ASKS,	/* 1: it was told to wait, for the ledger */
	WRITES, /* to the ledger, for its queue's request */
	TELLS,	/* hot/; 1: done */
	USES,	/* 1: a call was admitted */
	LEAVES, /* its waiters are gone */
	CLOSES,
};

static struct {
	struct fixture own;
	struct ration__keyset *keys;
	struct ration__ledger_request request;
	struct ration__flush flush;
} peer; /* in the other process */

static int decide(struct ration__grant *grant)
{
	struct ration__ask one = {.keyset = peer.keys, .grant = grant};
	struct ration__batch batch = {.asks = &one, .ask_count = 1};

	if (ration__guard_transact(peer.own.engine, &batch, -1) < 0)
		return -1;
	return (int)one.decision;
}

static int end_call(struct ration__grant *grant)
{
	struct ration__settle one = {.grant = grant, .outcome = RATION__SUCCESS, .last = true};
	struct ration__batch batch = {.settles = &one, .settle_count = 1};

	return ration__guard_transact(peer.own.engine, &batch, -1);
}

static int use_one(void)
{
	struct ration__grant grant = {0};

	if (decide(&grant) != RATION__ADMITTED)
		return 0;
	peer.own.engine->ledger_count = 0; /* asked for by nobody any more */
	return end_call(&grant) == 0 ? 1 : -1;
}

static int ask_units(int units)
{
	struct ration__grant grant = {0};

	peer.own.engine->ledger_count = 0;
	if (decide(&grant) == RATION__ADMITTED) /* it used what there was */
		return end_call(&grant) == 0 ? 2 : -1;
	if (!peer.own.engine->ledger_count)
		return 0;
	peer.own.engine->ledger_count = 0;
	memset(&peer.flush, 0, sizeof(peer.flush));
	peer.request = peer.own.engine->ledger[0];
	if (!peer.request.lower)
		peer.request.amount = peer.request.needed = units * UNIT;
	peer.flush.request = &peer.request;
	return 1;
}

static int take_step(enum step step, int units)
{
	bool done = false;

	switch (step) {
	case ASKS:
		return ask_units(units);
	case WRITES:
		return ration__flush_write(peer.own.engine, &peer.flush);
	case TELLS:
		return ration__flush_tell(peer.own.engine, &peer.flush, &done) < 0 ? -1 : done;
	case USES:
		return use_one();
	case LEAVES:
		ration__guard_leave(peer.keys);
		return 0;
	case CLOSES:
		ration__keyset_unref(peer.keys);
		ration__guard_close(peer.own.guard);
		ration__engine_close(peer.own.engine);
		return 0;
	}
	return -1;
}

static void run_peer(int fd)
{
	struct ration__engine_options options = {
		.store = {.path = f->path, .clock = {.fn = fake_now, .arg = &f->clock}}};
	int order[2], answer;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	peer.own.rules = f->rules;
	if (ration__engine_open(&options, &peer.own.engine, NULL) < 0 ||
		ration__guard_open(peer.own.engine, &peer.own.rules, &peer.own.guard, NULL) < 0 ||
		ration__keyset_new(peer.own.guard, NULL, 0, &peer.keys, NULL) < 0)
		_exit(1);
	while (read(fd, order, sizeof(order)) == sizeof(order)) {
		answer = take_step((enum step)order[0], order[1]);
		if (write(fd, &answer, sizeof(answer)) != sizeof(answer) || order[0] == CLOSES)
			break;
	}
	_exit(0);
}

struct other {
	pid_t pid;
	int fd;
};

static struct other start(void)
{
	struct other other;
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	other.pid = fork();
	if (other.pid == 0) {
		close(fds[0]);
		run_peer(fds[1]);
	}
	close(fds[1]);
	other.fd = fds[0];
	return other;
}

static int step(struct other *other, enum step what, int units)
{
	int order[2] = {(int)what, units}, answer = -1;

	cr_assert_eq(write(other->fd, order, sizeof(order)), (ssize_t)sizeof(order));
	cr_assert_eq(read(other->fd, &answer, sizeof(answer)), (ssize_t)sizeof(answer));
	cr_assert_geq(answer, 0, "%s", ration_strerror(answer));
	return answer;
}

static void end(struct other *other, int signal)
{
	if (signal)
		kill(other->pid, signal);
	else
		step(other, CLOSES, 0);
	waitpid(other->pid, NULL, 0);
	close(other->fd);
}

/* Units are written, told and kept. */
static struct other one_that_keeps(int units)
{
	struct other other = start();

	cr_assert_eq(step(&other, ASKS, units), 1);
	step(&other, WRITES, 0);
	cr_assert_eq(step(&other, TELLS, 0), 1);
	return other;
}

static struct other one_that_wrote(int units)
{
	struct other other = start();

	cr_assert_eq(step(&other, ASKS, units), 1);
	step(&other, WRITES, 0);
	return other;
}

/* ---- this process ---- */

static bool take(void)
{
	struct ration__grant grant = {0};
	struct ration__ask one;
	int rc;

	pass(f, 11 * MS); /* the dead are looked for now and then */
	rc = ration__guard_acquire(keys, NULL, 0, 0, &grant, 0, &one);
	cr_assert_geq(rc, 0, "%s", ration_strerror(rc));
	settle(f, &grant, RATION__SUCCESS);
	return one.decision == RATION__ADMITTED;
}

static int take_all(void)
{
	int count = 0;

	while (take())
		cr_assert_lt(++count, 1000);
	return count;
}

/* hot/ is made anew at most once a minute. */
static void wipe(void)
{
	struct ration__store *store = ration__engine_store(f->engine);

	pass(f, 61 * S);
	store->header->suspect = store->header->epoch;
}

/* ---- one that lives ---- */

Test(prepaid, nobody_else_uses_what_one_keeps)
{
	struct other other = one_that_keeps(3);

	cr_assert_eq(take_all(), MAX - 3);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(step(&other, USES, 0), 1);
	cr_assert_eq(step(&other, USES, 0), 0);
	end(&other, 0);
}

Test(prepaid, who_keeps_them_has_them_when_hot_is_lost)
{
	struct other other = one_that_keeps(3);

	wipe();
	cr_assert_eq(take_all(), MAX - 3);
	wipe();
	cr_assert_eq(step(&other, ASKS, 0), 1, "the record has to be read first");
	step(&other, WRITES, 0);
	cr_assert_eq(step(&other, TELLS, 0), 1);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(step(&other, USES, 0), 1);
	end(&other, 0);
}

Test(prepaid, who_waits_no_more_gives_them_up)
{
	struct other other = one_that_keeps(3);

	step(&other, LEAVES, 0);
	cr_assert_eq(take_all(), MAX);
	end(&other, 0);
}

Test(prepaid, who_closes_leaves_them_to_others)
{
	struct other other = one_that_keeps(3);

	end(&other, 0);
	wipe();
	cr_assert_eq(take_all(), MAX);
}

/* ---- one that dies ---- */

Test(prepaid, what_one_kept_that_is_killed_is_used_by_others)
{
	struct other other = one_that_keeps(3);

	cr_assert_eq(step(&other, USES, 0), 1);
	end(&other, SIGKILL);
	cr_assert_eq(take_all(), MAX - 1);
}

Test(prepaid, so_it_is_when_hot_is_lost_at_the_same_time)
{
	struct other other = one_that_keeps(3);

	cr_assert_eq(step(&other, USES, 0), 1);
	end(&other, SIGKILL);
	wipe();
	cr_assert_eq(take_all(), MAX - 1);
}

Test(prepaid, and_when_it_died_after_others_had_gone_on)
{
	struct other other = one_that_keeps(3);

	wipe();
	cr_assert(take());
	end(&other, SIGKILL);
	cr_assert_eq(take_all(), MAX - 1);
}

Test(prepaid, what_one_wrote_that_is_killed_is_used_by_others)
{
	struct other other = one_that_wrote(3);

	end(&other, SIGKILL);
	cr_assert_eq(take_all(), MAX);
}

Test(prepaid, so_it_is_when_hot_is_lost_before_it_was_told)
{
	struct other other = one_that_wrote(3);

	end(&other, SIGKILL);
	wipe();
	cr_assert_eq(take_all(), MAX);
}

/* ---- what the slot says ---- */

/* As it would be in the middle of the ledger's commit: the slot's first cell has what is announced,
 * its last word but one says that it was written. */
struct announced {
	int64_t units;
	uint64_t hash, epoch;
	int64_t part;
	uint64_t born, seq;
	uint32_t generation, confirmed;
};

static struct announced *announced_by(const struct other *other)
{
	struct ration__store *store = ration__engine_store(f->engine);

	uint16_t slot = 0;

	while (slot < 16 && store->header->slots[slot].pid != other->pid)
		slot++;
	cr_assert_lt(slot, 16);
	return ration__slot_area(store, slot);
}

Test(prepaid, one_that_died_in_the_ledgers_commit_had_written)
{
	struct other other = one_that_wrote(3);

	announced_by(&other)->confirmed = 0;
	end(&other, SIGKILL);
	wipe();
	cr_assert_eq(take_all(), MAX);
}

Test(prepaid, what_was_announced_and_not_written_is_nothing)
{
	struct other other = one_that_wrote(3);
	struct announced *announced = announced_by(&other);

	cr_assert_eq(step(&other, TELLS, 0), 1);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(step(&other, USES, 0), 1);
	announced->seq++;
	announced->confirmed = 0;
	announced->units = 5 * UNIT;
	end(&other, SIGKILL);
	wipe();
	cr_assert_eq(take_all(), MAX - 3);
}

/* ---- many, at random ---- */

#define OTHERS 3

struct crowd {
	struct other others[OTHERS];
	enum step next[OTHERS];
	int used, wipes;
};

static void random_step(struct crowd *c, struct ration__random *dice)
{
	int i = (int)roll_dice(dice, OTHERS), what = (int)roll_dice(dice, 100);
	struct other *other = &c->others[i];
	int answer;

	if (what < 2 && c->wipes < 12) {
		wipe();
		c->wipes++;
	} else if (what < 6) {
		end(other, what < 5 ? SIGKILL : 0);
		*other = start();
		c->next[i] = ASKS;
	} else if (what < 20)
		c->used += take();
	else if (c->next[i] == ASKS) {
		/* near the end no more than is left: who is refused gives up what it has, and what
		 * is given up is lost with hot/ until the ledger knows */
		answer = step(other, ASKS, c->used < MAX - 30 ? 1 + (int)roll_dice(dice, 3) : 1);
		c->used += answer == 2;
		c->next[i] = answer == 1 ? WRITES : ASKS;
	} else if (c->next[i] == WRITES) {
		step(other, WRITES, 0);
		c->next[i] = TELLS;
	} else if (c->next[i] == TELLS)
		c->next[i] = step(other, TELLS, 0) ? USES : WRITES;
	else if (step(other, USES, 0))
		c->used++;
	else
		c->next[i] = ASKS;
}

Test(prepaid, in_no_order_is_one_used_twice_or_wasted)
{
	struct crowd c;

	for (int seed = 0; seed < 12; seed++) {
		struct ration__random dice = dice_new((uint64_t)seed);

		cr_assert_eq(
			ration__ledger_reset(f->engine, ration__cell_key(keys, &keys->cells[0]),
				keys->cells[0].length),
			0);
		memset(&c, 0, sizeof(c));
		for (int i = 0; i < OTHERS; i++)
			c.others[i] = start();
		for (int i = 0; i < 120; i++) {
			random_step(&c, &dice);
			cr_assert_leq(c.used, MAX, "seed %d, step %d", seed, i);
		}
		for (int i = 0; i < OTHERS; i++)
			end(&c.others[i], SIGKILL);
		c.used += take_all();
		cr_assert_eq(c.used, MAX, "seed %d", seed);
		pass(f, PART - f->clock.wall_ns % PART); /* the next one begins at its begin */
	}
}
