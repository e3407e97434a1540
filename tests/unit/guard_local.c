/* What goes on while the store cannot answer, or has no room: shares of many key values, what is
 * charged afterwards, and hot/ that is full. */
#include <sys/wait.h>
#include "guard_fixture.h"
#include "guard/engine.h"
#include "store/internal.h"

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(guard_local, .init = setup, .fini = teardown, .timeout = 60);

static void end_peer(pid_t peer)
{
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
}

static struct ration__keyset *tenant(int number)
{
	char text[16];
	struct ration__pair key = {"tenant", text};

	snprintf(text, sizeof(text), "%d", number);
	return keyset_of(&f, &key, 1);
}

static double left(struct ration__keyset *keys, const char *limit)
{
	double tokens = -1;

	cr_assert_eq(ration__guard_remaining(keys, limit, &tokens), 0);
	return tokens;
}

/* One call of it, which ends at once. */
static bool try(struct ration__keyset *keys, uint8_t mode)
{
	struct ration__grant grant = {0};
	struct ration__ask one = ask(&f, keys, &grant, false);

	cr_assert_eq(one.mode, mode, "%s", ration__mode_name(one.mode));
	if (one.decision != RATION__ADMITTED)
		return false;
	settle(&f, &grant, RATION__SUCCESS);
	return true;
}

/* ---- shares ---- */

#define TENANTS 3000

Test(guard_local, thousands_of_key_values_have_their_shares)
{
	static struct ration__keyset *keys[TENANTS];
	int admitted = 0;
	pid_t peer;

	add_rate(&f, "calls", 0.01, 4);
	strcpy(f.rules.limits[0].per[0], "tenant");
	define(&f);
	for (int i = 0; i < TENANTS; i++)
		keys[i] = tenant(i);
	cr_assert(try(keys[0], RATION__EXACT)); /* a member now, before the store is stuck */
	cr_assert_eq(f.engine->locals.size, 0);
	peer = stuck_peer(&f);
	cr_assert_not(try(keys[0], RATION__LOCAL), "shares begin empty");
	pass(&f, 400 * S);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < TENANTS; i++)
			admitted += try(keys[i], RATION__LOCAL);
	cr_assert_eq(admitted, 2 * TENANTS, "%d: two of four tokens for each", admitted);
	cr_assert_eq(f.engine->locals.count, TENANTS);
	end_peer(peer);
	cr_assert(try(keys[0], RATION__EXACT));
	cr_assert_eq(f.engine->locals.size, 0, "what is not needed is given back");
	cr_assert_float_eq(left(keys[0], "calls"), 1, 1e-6);
	for (int i = 1; i < TENANTS; i++)
		cr_assert_float_eq(left(keys[i], "calls"), 2, 1e-6, "%d: charged once", i);
	for (int i = 0; i < TENANTS; i++)
		ration__keyset_unref(keys[i]);
}

Test(guard_local, as_many_as_there_may_be_and_then_those_at_rest_make_room)
{
	struct ration__locals table = {0};
	struct ration__local *entry;
	uint32_t key;

	for (key = 0; key < RATION__LOCALS_KEYS; key++) {
		entry = ration__locals_add(
			&table, key * 2654435761u, (uint8_t *)&key, sizeof(key), 0);
		cr_assert(entry, "%u", key);
		entry->until_ns = key % 2 ? 10 * S : 1000 * S;
	}
	cr_assert_null(ration__locals_add(&table, 7, (uint8_t *)&key, sizeof(key), 5 * S));
	cr_assert(ration__locals_add(&table, 7, (uint8_t *)&key, sizeof(key), 10 * S));
	cr_assert_eq(table.count, RATION__LOCALS_KEYS / 2 + 1);
	key = 4;
	entry = ration__locals_find(&table, key * 2654435761u, (uint8_t *)&key, sizeof(key));
	cr_assert(entry);
	cr_assert_eq(entry->until_ns, 1000 * S);
	key = 5;
	cr_assert_null(
		ration__locals_find(&table, key * 2654435761u, (uint8_t *)&key, sizeof(key)));
	ration__locals_clear(&table);
	cr_assert_eq(table.size, 0);
}

/* An hour of half the rate, of which the bucket never held more than its burst. */
Test(guard_local, what_was_taken_long_ago_is_charged_no_more)
{
	struct ration__keyset *keys;
	int admitted = 0;
	pid_t peer;

	add_rate(&f, "calls", 1, 10);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, RATION__EXACT));
	peer = stuck_peer(&f);
	for (int i = 0; i < 3600; i++) {
		admitted += try(keys, RATION__LOCAL);
		pass(&f, S);
	}
	cr_assert_gt(admitted, 1700);
	end_peer(peer);
	cr_assert(try(keys, RATION__EXACT));
	cr_assert_geq(left(keys, "calls"), 4, "%f", left(keys, "calls"));
	ration__keyset_unref(keys);
}

Test(guard_local, who_booked_hears_which_limit_it_waits_for)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keys;
	struct ration__ask no;
	pid_t peer;

	add_rate(&f, "quick", 1000, 1000);
	add_rate(&f, "slow", 1, 1);
	define(&f);
	keys = keyset_of(&f, NULL, 0);
	cr_assert(try(keys, RATION__EXACT));
	no = ask(&f, keys, &grant, true);
	cr_assert_eq(no.decision, RATION__BOOKED);
	peer = stuck_peer(&f);
	no = ask(&f, keys, &grant, true);
	cr_assert_eq(no.decision, RATION__DENIED);
	cr_assert_eq(no.denial, RATION_DENIED_RATE);
	cr_assert_eq(no.rule, 1);
	end_peer(peer);
	ration__guard_leave(keys);
	ration__keyset_unref(keys);
}
