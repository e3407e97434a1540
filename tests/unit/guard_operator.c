/* The operator's side: settings that stay, commands and selectors, views, one rule by itself. */
#include <sys/wait.h>
#include "guard_fixture.h"
#include "guard/difference.h"
#include "guard/engine.h"
#include "guard/selector.h"
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
TestSuite(operator, .init = setup, .fini = teardown, .timeout = 60);

/* ---- kit ---- */

static void control(const char *selector, const char *action, int64_t ttl_ms)
{
	ration_error *err = NULL;

	cr_assert_eq(ration__engine_control(f.engine, selector, action, ttl_ms, &err), 0,
		"%s %s: %s", selector, action, ration_error_text(err));
}

/* The error's text says each of these. */
static void refused(const char *selector, const char *action, int64_t ttl_ms, int code,
	const char *says, const char *too)
{
	ration_error *err = NULL;

	cr_assert_eq(ration__engine_control(f.engine, selector, action, ttl_ms, &err), code,
		"%s %s: %s", selector, action, ration_error_text(err));
	cr_assert(strstr(ration_error_text(err), says) && strstr(ration_error_text(err), too), "%s",
		ration_error_text(err));
	ration_error_free(err);
}

/* The same from another process. */
static void control_elsewhere(const char *selector, const char *action)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		ration_error *err = NULL;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (open_engine(&f, NULL) < 0 ||
			ration__engine_control(f.engine, selector, action, 0, &err) < 0) {
			fprintf(stderr, "%s\n", err ? ration_error_text(err) : "no engine");
			_exit(1);
		}
		ration__engine_close(f.engine);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
}

/* One decision as any caller makes it: with a new keyset when the rules changed. */
static struct ration__ask decide(
	const struct ration__pair *keys, size_t count, struct ration__grant *grant)
{
	struct ration__ask one;
	bool stale = false;

	do {
		struct ration__keyset *keyset = keyset_of(&f, keys, count);

		cr_assert_not(stale && one.decision != RATION__STALE);
		one = ask(&f, keyset, grant, false);
		if (one.decision != RATION__ADMITTED && one.decision != RATION__STALE)
			one.keyset = NULL;
		ration__keyset_unref(keyset);
		stale = true;
	} while (one.decision == RATION__STALE);
	return one;
}

/* How many calls go through now. */
static int let_through(const struct ration__pair *key, enum ration__outcome outcome)
{
	int count = 0;

	for (; count < 1000; count++) {
		struct ration__grant grant = {0};

		if (decide(key, key ? 1 : 0, &grant).decision != RATION__ADMITTED)
			break;
		settle(&f, &grant, outcome);
	}
	return count;
}

static struct ration__rule_state state_of(const struct ration__pair *key, const char *rule)
{
	struct ration__rule_state state;
	int rc;

	do {
		struct ration__keyset *keyset = keyset_of(&f, key, key ? 1 : 0);

		rc = ration__guard_state(keyset, rule, &state);
		ration__keyset_unref(keyset);
	} while (rc == RATION_EAGAIN);
	cr_assert_eq(rc, 0, "%s: %d", rule, rc);
	return state;
}

static void wipe(void)
{
	struct ration__store *store = ration__engine_store(f.engine);

	f.clock.now_ns += 61 * S;
	f.clock.wall_ns += 61 * S;
	atomic_store(&store->header->suspect, store->hot_epoch);
}

static void reopen(void)
{
	ration_error *err = NULL;

	ration__guard_close(f.guard);
	ration__engine_close(f.engine);
	cr_assert_eq(open_engine(&f, &err), 0, "%s", ration_error_text(err));
	define(&f);
}

static void add_breaker(void)
{
	f.rules.breaker = (struct ration__breaker_conf){
		.trip_after = 3, .close_after = 2, .probes = 1, .open_ns = 60 * S};
}

static struct ration__adaptive_conf *add_adaptive(const char *name)
{
	struct ration__limit *limit = add_limit(&f, name, RATION__LIMIT_ADAPTIVE);

	limit->adaptive = (struct ration__adaptive_conf){.initial = 2,
		.min = 0.25,
		.max = 4,
		.step = 0.1,
		.factor = 0.5,
		.multiplier = 1,
		.cooldown_min_ns = 1 * S,
		.cooldown_max_ns = 60 * S,
		.idle_ns = 3600 * S};
	return &limit->adaptive;
}

static void per(struct ration__limit *limit, const char *name)
{
	snprintf(limit->per[0], sizeof(limit->per[0]), "%s", name);
}

static void has(const char *json, const char *text)
{
	cr_assert(strstr(json, text), "%s\nis not in\n%s", text, json);
}

static char *inspect(void)
{
	char *json = NULL;

	cr_assert_eq(ration__engine_inspect(f.engine, "", &json, NULL), 0);
	return json;
}

/* ---- breakers by hand ---- */

Test(operator, N9_forced_open_persists)
{
	struct ration__grant grant = {0};
	struct ration__ask one;
	char text[128];

	add_breaker();
	define(&f);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 1000);
	control("api", "open", 0);
	one = decide(NULL, 0, &grant);
	cr_assert_eq(one.decision, RATION__REFUSED);
	cr_assert_eq(one.denial, RATION_DENIED_BREAKER);
	ration__denial_text(text, sizeof(text), f.guard, &one, f.clock.now_ns);
	cr_assert_str_eq(text, "circuit breaker is forced open: api");
	cr_assert_str_eq(state_of(NULL, "breaker").state, "forced-open");
	cr_assert_eq(state_of(NULL, "breaker").remaining, 0);

	pass(&f, 100000 * S);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 0, "no time ends it");
	wipe();
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 0, "nor does the loss of hot/");
	reopen();
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 0, "nor the end of every process");
	control("api/breaker", "reset", 0);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 0, "reset leaves settings alone");
	control("api/breaker", "auto", 0);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 1000);
}

Test(operator, N9_disabled_lets_everything_by)
{
	add_breaker();
	define(&f);
	cr_assert_eq(let_through(NULL, RATION__FAILURE), 3);
	control("api/breaker", "disable", 0);
	cr_assert_str_eq(state_of(NULL, "breaker").state, "disabled");
	cr_assert_eq(let_through(NULL, RATION__FAILURE), 1000);
	control("api/breaker", "auto", 0);
	cr_assert_eq(let_through(NULL, RATION__FAILURE), 0, "it is open still");
	control("api/breaker", "reset", 0);
	cr_assert_eq(let_through(NULL, RATION__FAILURE), 3);
}

Test(operator, N9_a_breaker_that_no_rule_has_can_be_forced_open)
{
	add_rate(&f, "calls", 1000, 5);
	define(&f);
	cr_assert_str_eq(state_of(NULL, "breaker").state, "disabled");
	control("api/breaker", "open", 0);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 0);
	control("api", "auto", 0);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 5);
}

Test(operator, a_breaker_per_key_is_forced_open_for_one_or_all)
{
	const struct ration__pair acme = {"tenant", "ac/me,\\inc"}, globex = {"tenant", "globex"};

	add_breaker();
	snprintf(f.rules.breaker_per[0], sizeof(f.rules.breaker_per[0]), "tenant");
	define(&f);
	control("api/breaker/ac\\/me\\,\\\\inc", "open", 0);
	cr_assert_eq(let_through(&acme, RATION__SUCCESS), 0);
	cr_assert_eq(let_through(&globex, RATION__SUCCESS), 1000);
	control("api/breaker", "disable", 0);
	cr_assert_eq(let_through(&acme, RATION__FAILURE), 0, "its own setting goes before");
	cr_assert_eq(let_through(&globex, RATION__FAILURE), 1000);
	control("api/breaker/ac\\/me\\,\\\\inc", "auto", 0);
	cr_assert_eq(let_through(&acme, RATION__FAILURE), 1000);
	control("api/breaker", "auto", 0);
	cr_assert_eq(let_through(&globex, RATION__FAILURE), 3);
}

Test(operator, a_time_limit_ends_a_setting)
{
	char *json;

	add_breaker();
	define(&f);
	control("api/breaker", "open", 5000);
	pass(&f, 5 * S - 1);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 0);
	json = inspect();
	has(json, "\"state\":\"forced-open\"");
	free(json);
	pass(&f, 1);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 1000);
	json = inspect();
	cr_assert_not(strstr(json, "forced-open"), "%s", json);
	free(json);
	reopen();
	cr_assert_eq(
		let_through(NULL, RATION__SUCCESS), 1000, "the ledger has it still; it is over");
}

/* ---- other numbers ---- */

Test(operator, an_override_by_command_holds_at_the_next_decision_of_another_process)
{
	const struct ration__pair acme = {"tenant", "acme"}, globex = {"tenant", "globex"};

	add_rate(&f, "calls", 1, 5);
	per(&f.rules.limits[0], "tenant");
	define(&f);
	cr_assert_eq(let_through(&acme, RATION__SUCCESS), 5);
	cr_assert_eq(let_through(&globex, RATION__SUCCESS), 5);
	pass(&f, 1000 * S);
	control_elsewhere("api/calls/acme", "set rate=2/s burst=7");
	cr_assert_eq(let_through(&acme, RATION__SUCCESS), 7);
	cr_assert_eq(let_through(&globex, RATION__SUCCESS), 5);
	pass(&f, 1 * S);
	cr_assert_eq(let_through(&acme, RATION__SUCCESS), 2);
	cr_assert_eq(let_through(&globex, RATION__SUCCESS), 1);
	control_elsewhere("api/calls", "set burst=20");
	pass(&f, 1000 * S);
	cr_assert_eq(let_through(&acme, RATION__SUCCESS), 7);
	cr_assert_eq(let_through(&globex, RATION__SUCCESS), 20);
	control_elsewhere("api/calls", "auto");
	pass(&f, 1000 * S);
	cr_assert_eq(let_through(&acme, RATION__SUCCESS), 5, "auto takes them all back");
	cr_assert_eq(let_through(&globex, RATION__SUCCESS), 5);
}

Test(operator, numbers_that_are_not_named_stay_as_they_were_set)
{
	add_rate(&f, "calls", 1, 5);
	define(&f);
	control("api/calls", "set burst=9", 0);
	control("api/calls", "set rate=180/min", 0);
	cr_assert_eq(state_of(NULL, "calls").limit, 9);
	cr_assert_float_eq(state_of(NULL, "calls").rate, 3, 1e-12);
	reopen();
	cr_assert_eq(state_of(NULL, "calls").limit, 9);
}

Test(operator, a_burst_that_is_not_named_stays_the_definitions)
{
	const struct ration__pair acme = {"tenant", "acme"}, globex = {"tenant", "globex"};

	add_rate(&f, "calls", 5, 100);
	per(&f.rules.limits[0], "tenant");
	f.rules.overrides[0] =
		(struct ration__override){.value = "acme", .limit = 0, .rate = 10, .max = -1};
	f.rules.override_count = 1;
	define(&f);
	cr_assert_eq(state_of(&acme, "calls").rate, 10);
	cr_assert_eq(state_of(&acme, "calls").limit, 100);
	control("api/calls", "set rate=1/s", 0);
	cr_assert_eq(state_of(&globex, "calls").rate, 1);
	cr_assert_eq(state_of(&globex, "calls").limit, 100);
	cr_assert_eq(let_through(&acme, RATION__SUCCESS), 100);
	pass(&f, 5 * S);
	cr_assert_eq(let_through(&acme, RATION__SUCCESS), 5);
}

Test(operator, numbers_below_the_estimate_are_refused)
{
	const struct ration__pair acme = {"tenant", "acme"};

	add_rate(&f, "tokens", 1, 100);
	f.rules.limits[0].estimate = 10;
	add_quota(&f, "daily", 100, 24 * 3600 * S)->estimate = 10;
	per(&f.rules.limits[1], "tenant");
	define(&f);
	refused("api/tokens", "set rate=2/s burst=5", 0, RATION_EINVAL,
		"burst: 5 is below the limit's estimate", "at least 10");
	refused("api/daily/acme", "set max=9.5", 0, RATION_EINVAL,
		"max: 9.5 is below the limit's estimate", "at least 10, or 0 for nothing at all");
	cr_assert_eq(state_of(NULL, "tokens").rate, 1, "nothing was done");
	control("api/tokens", "set burst=10", 0);
	control("api/daily/acme", "set max=10", 0);
	cr_assert_eq(state_of(NULL, "tokens").limit, 10);
	cr_assert_eq(state_of(&acme, "daily").limit, 10);
	control("api/daily/acme", "set max=0", 0);
	cr_assert_eq(state_of(&acme, "daily").limit, 0);
}

Test(operator, what_is_set_for_a_value_leaves_what_is_set_for_all)
{
	const struct ration__pair acme = {"tenant", "acme"};
	char *json;

	add_rate(&f, "calls", 5, 100);
	per(&f.rules.limits[0], "tenant");
	define(&f);
	control("api/calls", "set rate=1/s", 0);
	control("api/calls/acme", "set burst=9", 0);
	cr_assert_eq(let_through(&acme, RATION__SUCCESS), 9);
	cr_assert_eq(state_of(&acme, "calls").rate, 1);
	json = inspect();
	cr_assert(strstr(json, "\"rate\":\"1/s\",\"burst\":9"), "%s", json);
	free(json);
	control("api/calls", "auto", 0);
	cr_assert_eq(state_of(&acme, "calls").rate, 5);
	cr_assert_eq(state_of(&acme, "calls").limit, 100);
}

Test(operator, N5_N6_a_quota_lowered_below_what_is_used_has_nothing_left)
{
	const struct ration__pair agent = {"agent", "importer"};

	per(add_quota(&f, "daily", 10, 24 * 3600 * S), "agent");
	f.rules.limits[0].durable_ns = 0;
	define(&f);
	for (int i = 0; i < 4; i++) {
		struct ration__grant grant = {0};
		struct ration__keyset *keyset = keyset_of(&f, &agent, 1);
		struct ration__ask one;

		cr_assert_eq(ration__guard_acquire(keyset, NULL, 0, 0, &grant, 0, &one), 0);
		settle(&f, &grant, RATION__SUCCESS);
		ration__keyset_unref(keyset);
	}
	cr_assert_eq(state_of(&agent, "daily").remaining, 6);
	control("api/daily/importer", "set max=3", 0);
	cr_assert_eq(state_of(&agent, "daily").remaining, 0, "and not -1");
	cr_assert_eq(state_of(&agent, "daily").limit, 3);
	control("api/daily/importer", "set max=1000", 0);
	cr_assert_eq(state_of(&agent, "daily").remaining, 996);
	control("api/daily/importer", "reset", 0);
	cr_assert_eq(state_of(&agent, "daily").remaining, 1000, "reset keeps the configuration");
}

static int same_number(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	memcpy(value, arg, sizeof(struct ration__operator));
	*length = sizeof(struct ration__operator);
	return 0;
}

static int count_setting(
	void *arg, const uint8_t *key, size_t length, const struct ration__operator *setting)
{
	++*(int *)arg;
	return 0;
}

Test(operator, settings_are_bounded)
{
	struct ration__store *store = ration__engine_store(f.engine);
	struct ration__operator other = {.rate = 1, .max = -1};
	uint8_t key[] = {'O', 'B', 1, 'x', 1, 'y', 0, 0};
	int count = 0;

	add_rate(&f, "calls", 1, 5);
	define(&f);
	control("api/calls", "set burst=9", 0);
	mdb_env_set_flags(store->ledger.env.env, MDB_NOSYNC, 1);
	for (int i = 0; i < RATION__SETTINGS_MAX - 1; i++) {
		key[6] = (uint8_t)(i >> 8);
		key[7] = (uint8_t)i;
		cr_assert_eq(
			ration__ledger_update(store, key, sizeof(key), same_number, &other), 0);
	}
	cr_assert_eq(ration__settings_visit(f.engine, -1, count_setting, &count), 0);
	cr_assert_eq(count, RATION__SETTINGS_MAX);
	control("api/calls", "set burst=8", 0);
	cr_assert_eq(state_of(NULL, "calls").limit, 8, "one that is there is changed");
	refused("api", "open", 0, RATION_EFULL, "as many settings as it keeps", "auto");
	/* one whose time is over makes room */
	other.until_ns = f.clock.wall_ns;
	cr_assert_eq(ration__ledger_update(store, key, sizeof(key), same_number, &other), 0);
	control("api", "open", 0);
	refused("api/calls/", "open", 0, RATION_EINVAL, "no keys", "");
	control("api", "auto", 0);
	cr_assert_eq(state_of(NULL, "calls").limit, 5);
}

struct visited {
	int count, stop_at;
	char keys[64];
};

static int visit_key(
	void *arg, const void *key, size_t key_length, const void *value, size_t length)
{
	struct visited *visited = arg;

	cr_assert_eq(length, sizeof(struct ration__operator));
	strncat(visited->keys, key, key_length);
	return ++visited->count == visited->stop_at ? 7 : 0;
}

Test(operator, the_ledger_is_visited_by_prefix_and_in_portions)
{
	struct ration__store *store = ration__engine_store(f.engine);
	static const char *const keys[] = {"a", "p", "pa", "pb", "pc", "q"};
	struct ration__operator value = {0};
	struct visited visited = {0};
	char next[RATION__LEDGER_KEY_MAX];
	size_t next_length = 99;
	uint64_t word;

	cr_assert_eq(ration__ledger_visit(store, "p", 1, -1, NULL, 0, 9, visit_key, &visited, next,
			     &next_length),
		0);
	cr_assert_eq(next_length, 0);
	cr_assert_lt(faccessat(store->ledger.dir_fd, "data", F_OK, 0), 0, "looking makes none");
	for (size_t i = 0; i < RATION__COUNT(keys); i++)
		cr_assert_eq(
			ration__ledger_update(store, keys[i], strlen(keys[i]), same_number, &value),
			0);
	cr_assert_eq(ration__ledger_visit(store, "p", 1, -1, NULL, 0, 3, visit_key, &visited, next,
			     &next_length),
		0);
	cr_assert(visited.count == 3 && next_length == 2 && !memcmp(next, "pc", 2));
	cr_assert_eq(ration__ledger_visit(store, "p", 1, 0, next, next_length, 3, visit_key,
			     &visited, next, &next_length),
		0);
	cr_assert_eq(next_length, 0);
	cr_assert_str_eq(visited.keys, "ppapbpc");
	visited = (struct visited){.stop_at = 2};
	cr_assert_eq(ration__ledger_visit(
			     store, "p", 1, -1, NULL, 0, 9, visit_key, &visited, NULL, NULL),
		7);
	cr_assert_eq(ration__ledger_delete(store, "pa", 2), 0);
	cr_assert_eq(ration__ledger_delete(store, "pa", 2), 0);
	visited = (struct visited){0};
	cr_assert_eq(ration__ledger_visit(
			     store, "p", 1, -1, NULL, 0, 9, visit_key, &visited, NULL, NULL),
		0);
	cr_assert_str_eq(visited.keys, "ppbpc");
	/* somebody is in there: a try does not wait */
	word = atomic_exchange(&store->header->ledger_gate.word, store->name);
	cr_assert_eq(word, 0);
	cr_assert_eq(
		ration__ledger_visit(store, "p", 1, 0, NULL, 0, 9, visit_key, &visited, NULL, NULL),
		RATION_EAGAIN);
	atomic_store(&store->header->ledger_gate.word, 0);
}

/* Who is in the ledger must not hold up decisions: they go on by what was known, and follow as soon
 * as it can be read. */
Test(operator, settings_that_cannot_be_read_now_are_read_later)
{
	struct ration__store *store = ration__engine_store(f.engine);

	add_rate(&f, "calls", 1, 5);
	define(&f);
	control_elsewhere("api/calls", "set burst=9");
	atomic_store(&store->header->ledger_gate.word, store->name);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 5);
	atomic_store(&store->header->ledger_gate.word, 0);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 4);
}

/* Keysets are made anew when something changed for them, and not at each look. */
Test(operator, no_setting_makes_no_keyset_stale)
{
	struct ration__keyset *keyset;
	struct ration__grant grant = {0};

	add_rate(&f, "calls", 1, 5);
	define(&f);
	keyset = keyset_of(&f, NULL, 0);
	cr_assert_eq(ask(&f, keyset, &grant, false).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	control("api/calls", "auto", 0);
	cr_assert_eq(ask(&f, keyset, &grant, false).decision, RATION__ADMITTED);
	settle(&f, &grant, RATION__SUCCESS);
	control("api/calls", "set burst=5", 0);
	cr_assert_eq(ask(&f, keyset, &grant, false).decision, RATION__STALE);
	ration__keyset_unref(keyset);
	keyset = keyset_of(&f, NULL, 0);
	control("api/calls", "set burst=5", 0);
	cr_assert_eq(ask(&f, keyset, &grant, false).decision, RATION__ADMITTED, "the same again");
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keyset);
}

/* ---- reset ---- */

Test(operator, N6_N9_reset_puts_each_rule_back)
{
	struct ration__keyset *keyset;
	struct ration__settle throttled = {
		.outcome = RATION__THROTTLED, .throttle = true, .retry_after_ns = 30 * S};
	struct ration__settle failed = {.outcome = RATION__FAILURE, .last = true};

	add_rate(&f, "calls", 1, 5);
	add_limit(&f, "window", RATION__LIMIT_WINDOW)->window =
		(struct ration__window_conf){4 * (int64_t)RATION__MICRO, 60 * S};
	add_adaptive("learned");
	add_breaker();
	f.rules.concurrency = (struct ration__concurrency_conf){.max = 200,
		.algorithm = RATION__CONCURRENCY_AIMD,
		.initial = 20,
		.min = 1,
		.growth = RATION__GROWTH_SEED};
	f.rules.budget = (struct ration__budget_conf){500, 14, 5, 1};
	define(&f);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 2, "a burst of the adaptive limit");
	cr_assert_eq(state_of(NULL, "calls").remaining, 3);
	cr_assert_eq(state_of(NULL, "window").remaining, 2);
	cr_assert_eq(state_of(NULL, "learned").remaining, 0);
	cr_assert_eq(state_of(NULL, "concurrency").limit, 22);

	keyset = keyset_of(&f, NULL, 0);
	throttled.retry = RATION__RETRY;
	for (int i = 0; i < 3; i++)
		cr_assert_eq(ration__guard_record(keyset, &failed), 0);
	cr_assert_eq(ration__guard_record(keyset, &throttled), 0);
	ration__keyset_unref(keyset);
	cr_assert_eq(state_of(NULL, "budget").remaining, 486);
	cr_assert_eq(state_of(NULL, "cooldown").at_ns, f.clock.now_ns + 30 * S);
	cr_assert_str_eq(state_of(NULL, "breaker").state, "open");
	cr_assert_lt(state_of(NULL, "learned").rate, 2);

	control("api/calls", "reset", 0);
	cr_assert_eq(state_of(NULL, "calls").remaining, 5);
	cr_assert_eq(state_of(NULL, "window").remaining, 2, "only what was named");
	control("api/window", "reset", 0);
	cr_assert_eq(state_of(NULL, "window").remaining, 4);
	control("api/learned", "reset", 0);
	cr_assert_eq(state_of(NULL, "learned").remaining, 2);
	cr_assert_eq(state_of(NULL, "learned").rate, 2);
	control("api/breaker", "reset", 0);
	cr_assert_str_eq(state_of(NULL, "breaker").state, "closed");
	control("api/concurrency", "reset", 0);
	cr_assert_eq(state_of(NULL, "concurrency").limit, 20);
	control("api/budget", "reset", 0);
	cr_assert_eq(state_of(NULL, "budget").remaining, 500);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 0, "the cooldown holds");
	control("api/cooldown", "reset", 0);
	cr_assert_eq(state_of(NULL, "cooldown").remaining, 1);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 2);
}

/* vegas halves its limit for a round now and then; a reset may come within that round. */
static void end_samples(struct ration__keyset *keyset, int count, int64_t elapsed_ns)
{
	for (int i = 0; i < count; i++) {
		struct ration__grant grant = {0};
		struct ration__settle one = {.grant = &grant,
			.outcome = RATION__SUCCESS,
			.last = true,
			.elapsed_ns = elapsed_ns};
		struct ration__batch batch = {.settles = &one, .settle_count = 1};

		cr_assert_eq(ask(&f, keyset, &grant, false).decision, RATION__ADMITTED);
		cr_assert_eq(ration__guard_transact(f.engine, &batch, -1), 0);
		pass(&f, MS);
	}
}

Test(operator, N6_a_learned_limit_is_reset_in_the_middle_of_a_probe)
{
	struct ration__grant held[3] = {{0}};
	struct ration__keyset *keyset;
	int samples = 0;

	f.rules.concurrency = (struct ration__concurrency_conf){
		.max = 8, .algorithm = RATION__CONCURRENCY_VEGAS, .initial = 8, .min = 2};
	define(&f);
	keyset = keyset_of(&f, NULL, 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(ask(&f, keyset, &held[i], false).decision, RATION__ADMITTED);
	while (state_of(NULL, "concurrency").limit > 4 && samples++ < 1000)
		end_samples(keyset, 1, 10 * MS);
	cr_assert_eq(state_of(NULL, "concurrency").limit, 4, "a probe is on");
	control("api/concurrency", "reset", 0);
	cr_assert_eq(state_of(NULL, "concurrency").limit, 8);
	end_samples(keyset, 8, MS); /* by the old probe that would be a server without queue */
	cr_assert_eq(state_of(NULL, "concurrency").limit, 8);
	for (int i = 0; i < 3; i++)
		settle(&f, &held[i], RATION__SUCCESS);
	ration__keyset_unref(keyset);
}

Test(operator, N6_a_service_is_reset_as_a_whole_and_permits_stay)
{
	const struct ration__pair tenants[] = {{"tenant", "a"}, {"tenant", "b"}};
	struct ration__grant grant = {0};

	add_rate(&f, "calls", 1, 2);
	per(&f.rules.limits[0], "tenant");
	add_breaker();
	f.rules.concurrency = (struct ration__concurrency_conf){.max = 9,
		.algorithm = RATION__CONCURRENCY_AIMD,
		.initial = 3,
		.min = 1,
		.growth = RATION__GROWTH_SEED};
	define(&f);
	cr_assert_eq(let_through(&tenants[0], RATION__SUCCESS), 2);
	cr_assert_eq(let_through(&tenants[1], RATION__FAILURE), 2);
	pass(&f, 1 * S);
	cr_assert_eq(decide(tenants, 1, &grant).decision, RATION__ADMITTED);
	cr_assert_eq(state_of(NULL, "concurrency").limit, 5);
	control("api", "reset", 0);
	cr_assert_eq(state_of(&tenants[0], "calls").remaining, 2);
	cr_assert_eq(state_of(&tenants[1], "calls").remaining, 2);
	cr_assert_eq(state_of(NULL, "breaker").failures, 0);
	cr_assert_eq(state_of(NULL, "concurrency").remaining, 2, "one is in flight");
	settle(&f, &grant, RATION__SUCCESS);
	cr_assert_eq(state_of(NULL, "concurrency").remaining, 4, "and it learned from that");
	control("api/calls/b", "reset", 0);
}

/* An absent record counts as spent after hot/ was lost; one that was reset does not. */
Test(operator, N3_a_limit_that_was_lost_with_hot_is_reset)
{
	add_rate(&f, "calls", 0.001, 5);
	add_limit(&f, "window", RATION__LIMIT_WINDOW)->window =
		(struct ration__window_conf){4 * (int64_t)RATION__MICRO, 3600 * S};
	define(&f);
	wipe();
	cr_assert_lt(state_of(NULL, "calls").remaining, 1);
	cr_assert_eq(state_of(NULL, "window").remaining, 0);
	control("api/calls", "reset", 0);
	for (int i = 0; i < 300; i++) { /* the sweep comes by */
		struct ration__txn *txn;

		cr_assert_eq(ration__store_begin(ration__engine_store(f.engine), -1, &txn), 0);
		cr_assert_eq(ration__store_commit(txn), 0);
	}
	cr_assert_eq(state_of(NULL, "calls").remaining, 5);
	cr_assert_eq(state_of(NULL, "window").remaining, 0);
	control("api", "reset", 0);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 4);
}

Test(operator, N6_a_quota_that_only_the_ledger_knows_is_reset)
{
	struct ration__grant grant = {0};
	struct ration__keyset *keyset;
	struct ration__ask one;

	add_quota(&f, "daily", 10, 24 * 3600 * S)->durable_ns = 0;
	define(&f);
	keyset = keyset_of(&f, NULL, 0);
	cr_assert_eq(ration__guard_acquire(keyset, NULL, 0, 0, &grant, 0, &one), 0);
	settle(&f, &grant, RATION__SUCCESS);
	ration__keyset_unref(keyset);
	wipe();
	cr_assert_eq(state_of(NULL, "daily").remaining, 9);
	control("api", "reset", 0);
	cr_assert_eq(state_of(NULL, "daily").remaining, 10);
}

/* Key values that the record knows by their hash alone. */
Test(operator, long_key_values_are_reset_by_name)
{
	char value[251], selector[300];
	const struct ration__pair long_one[] = {{"a", value}, {"b", value}};
	struct ration__grant grant = {0};
	int left = 0;

	memset(value, 'x', 250);
	value[250] = 0;
	add_rate(&f, "calls", 1, 2);
	per(&f.rules.limits[0], "a");
	snprintf(f.rules.limits[0].per[1], RATION__KEYNAME_MAX, "b");
	define(&f);
	for (; decide(long_one, 2, &grant).decision == RATION__ADMITTED; left++)
		settle(&f, &grant, RATION__SUCCESS);
	cr_assert_eq(left, 2);
	refused("api/calls", "reset", 0, RATION_ETOOBIG, "name them", "api/calls/VALUE");
	cr_assert_eq(decide(long_one, 2, &grant).decision, RATION__DENIED);
	snprintf(selector, sizeof(selector), "api/calls/%.20s", value);
	refused(selector, "reset", 0, RATION_EINVAL, "a,b", "each");
	{
		char full[600];

		snprintf(full, sizeof(full), "api/calls/%s,%s", value, value);
		control(full, "reset", 0);
		cr_assert_eq(decide(long_one, 2, &grant).decision, RATION__ADMITTED);
		settle(&f, &grant, RATION__SUCCESS);
		control(full, "set burst=1", 0);
		refused("api", "auto", 0, RATION_ETOOBIG, "name them", "api/RULE/VALUE");
		control(full, "auto", 0);
		control("api", "auto", 0);
	}
}

/* ---- selectors and errors ---- */

Test(operator, selectors)
{
	struct ration__selector s;
	struct ration__key_part parts[2] = {{"a/b", 3}, {"c,\\", 3}};
	char text[32];

	cr_assert_eq(ration__selector_parse("api", &s, NULL), 0);
	cr_assert(!strcmp(s.service, "api") && !s.rule[0] && !s.has_values);
	cr_assert_eq(ration__selector_parse("http://host:80", &s, NULL), 0);
	cr_assert(!strcmp(s.service, "http://host:80") && !s.rule[0]);
	cr_assert_eq(ration__selector_parse("https://host/requests/x", &s, NULL), 0);
	cr_assert(!strcmp(s.service, "https://host") && !strcmp(s.rule, "requests"));
	cr_assert(s.value_count == 1 && !strcmp(s.values[0], "x"));
	cr_assert_eq(ration__selector_parse("a\\/b/r/", &s, NULL), 0);
	cr_assert(
		!strcmp(s.service, "a/b") && s.has_values && s.value_count == 1 && !s.values[0][0]);
	cr_assert_eq(ration__selector_parse("api/r/a\\/b,c\\,\\\\", &s, NULL), 0);
	cr_assert(
		s.value_count == 2 && !strcmp(s.values[0], "a/b") && !strcmp(s.values[1], "c,\\"));
	cr_assert_eq(ration__selector_values(text, sizeof(text), parts, 2), 10);
	cr_assert_str_eq(text, "a\\/b,c\\,\\\\");
	cr_assert_eq(ration__selector_values(text, 4, parts, 1), 3);
	cr_assert_str_eq(text, "a\\/");
	cr_assert_eq(ration__selector_values(text, 3, parts, 1), 1);
	cr_assert_str_eq(text, "a", "never half of a pair");

	cr_assert_eq(ration__selector_parse("", &s, NULL), RATION_EINVAL);
	cr_assert_eq(ration__selector_parse("/r", &s, NULL), RATION_EINVAL);
	cr_assert_eq(ration__selector_parse("api/", &s, NULL), RATION_EINVAL);
	cr_assert_eq(ration__selector_parse("api//x", &s, NULL), RATION_EINVAL);
	cr_assert_eq(ration__selector_parse("api/r/a/b", &s, NULL), RATION_EINVAL);
	cr_assert_eq(ration__selector_parse("api/r/a,b,c,d,e", &s, NULL), RATION_EINVAL);
	cr_assert_eq(ration__selector_parse("api/r/\\x", &s, NULL), RATION_EINVAL);
	cr_assert_eq(ration__selector_parse("api/r/x\\", &s, NULL), RATION_EINVAL);
}

Test(operator, what_is_wrong_is_answered_with_what_would_be_right)
{
	add_rate(&f, "calls", 1, 5);
	per(add_quota(&f, "daily", 10, 24 * 3600 * S), "agent");
	add_adaptive("learned");
	define(&f);
	refused("api", "close", 0, RATION_EINVAL, "\"close\"",
		"reset, open, disable, auto, backoff");
	refused("api", "reset now", 0, RATION_EINVAL, "\"reset now\"", "expected reset");
	refused("ap", "reset", 0, RATION_ESERVICE, "\"ap\": no such service", "knows api");
	refused("ap", "auto", 0, RATION_ESERVICE, "\"ap\": no such service", "knows api");
	refused("api/call", "reset", 0, RATION_EINVAL, "\"call\"",
		"it has calls, daily, learned, breaker, cooldown");
	refused("api/calls/x", "reset", 0, RATION_EINVAL, "no keys", "api/calls/x");
	refused("api/daily/x,y", "reset", 0, RATION_EINVAL, "a value each of agent", "");
	refused("api/calls", "open", 0, RATION_EINVAL, "only a breaker", "SERVICE/breaker");
	refused("api", "set rate=1/s", 0, RATION_EINVAL, "SERVICE/LIMIT", "set is for");
	refused("api/learned", "set rate=1/s", 0, RATION_EINVAL, "set is for", "quota");
	refused("api/calls", "set", 0, RATION_EINVAL, "expected numbers", "set rate=5/s");
	refused("api/calls", "set rate", 0, RATION_EINVAL, "\"rate\"", "KEY=NUMBER");
	refused("api/calls", "set rate=5", 0, RATION_EINVAL, "\"5\"", "such as 3/s");
	refused("api/calls", "set rate=1e10/s", 0, RATION_EINVAL, "\"1e10/s\"", "to 1e9/s");
	refused("api/calls", "set burst=0.5", 0, RATION_EINVAL, "\"0.5\"", "from 1 to 1e12");
	refused("api/calls", "set burst=1e13", 0, RATION_EINVAL, "\"1e13\"", "from 1 to 1e12");
	refused("api/daily", "set max=1e99", 0, RATION_EINVAL, "\"1e99\"", "to 1e12");
	refused("api/daily", "set max=1e-7", 0, RATION_EINVAL, "\"1e-7\"", "0, or a number");
	refused("api/calls", "set cost=5", 0, RATION_EINVAL, "\"cost\"", "max=NUMBER");
	refused("api/calls", "set max=5", 0, RATION_EINVAL, "rate and burst", "no max");
	refused("api/daily", "set burst=5", 0, RATION_EINVAL, "has a max", "no rate");
	refused("api/calls", "backoff", 0, RATION_EINVAL, "adaptive", "SERVICE/cooldown");
	refused("api", "reset", 5, RATION_EINVAL, "take no time", "");
	refused("api", "open", -1, RATION_EINVAL, "100 years", "");
	refused("api/", "reset", 0, RATION_EINVAL, "expected SERVICE", "backslash");
}

/* ---- backoff ---- */

static unsigned events[8];
static char event_text[256];

static void on_event(void *arg, enum ration_event event, const char *service, const char *rule,
	const char *keys, double value)
{
	events[event]++;
	snprintf(event_text, sizeof(event_text), "%s/%s/%s %.4g", service, rule, keys, value);
}

Test(operator, D7_a_backoff_signal_by_hand)
{
	const struct ration__pair acme = {"tenant", "a,b"}, globex = {"tenant", "globex"};
	struct ration__keyset *keyset;

	add_adaptive("learned");
	per(&f.rules.limits[0], "tenant");
	define(&f);
	f.engine->event = on_event;
	control("api/learned/a\\,b", "backoff", 0);
	cr_assert_eq(state_of(&acme, "learned").rate, 1);
	cr_assert_eq(state_of(&globex, "learned").rate, 2);
	cr_assert_eq(events[RATION_EVENT_RATE_CUT], 1);
	cr_assert_str_eq(event_text, "api/learned/a\\,b 1");
	cr_assert_str_eq(f.log, "service api: limit learned: rate cut to 1/s for a\\,b");
	cr_assert_eq(let_through(&acme, RATION__SUCCESS), 0, "its cooldown");
	pass(&f, 1 * S);
	cr_assert_eq(let_through(&acme, RATION__SUCCESS), 1);

	keyset = keyset_of(&f, &globex, 1);
	cr_assert_eq(ration__guard_backoff(keyset, 0), 0);
	cr_assert_eq(state_of(&globex, "learned").rate, 1);
	cr_assert_eq(ration__guard_backoff(keyset, 10 * S), 0);
	cr_assert_geq(state_of(&globex, "learned").at_ns, f.clock.now_ns + 10 * S);
	cr_assert_eq(state_of(&acme, "cooldown").at_ns, f.clock.now_ns + 10 * S,
		"nobody of the service sends");
	ration__keyset_unref(keyset);
	pass(&f, 100 * S);
	control("api", "backoff", 0);
	cr_assert_lt(state_of(&acme, "learned").rate, 1, "all that there are");
	cr_assert_lt(state_of(&globex, "learned").rate, 0.6);
}

Test(operator, D7_everybody_is_stopped_by_hand)
{
	struct ration__grant grant = {0};
	struct ration__ask one;
	char text[128];

	add_rate(&f, "calls", 100, 100);
	define(&f);
	f.engine->event = on_event;
	refused("api", "backoff", 0, RATION_EINVAL, "without a time", "none");
	control("api", "backoff", 5000);
	cr_assert_eq(events[RATION_EVENT_COOLDOWN], 1);
	one = decide(NULL, 0, &grant);
	cr_assert_eq(one.decision, RATION__DENIED);
	cr_assert_eq(one.denial, RATION_DENIED_COOLDOWN);
	cr_assert_eq(one.at_ns, f.clock.now_ns + 5 * S);
	ration__denial_text(text, sizeof(text), f.guard, &one, f.clock.now_ns);
	cr_assert_str_eq(text, "the server asked to wait: next in 5 s");
	ration__rule_name(text, sizeof(text), f.guard, one.rule);
	cr_assert_str_eq(text, "cooldown");
	control("api/cooldown", "backoff", 1000);
	cr_assert_eq(state_of(NULL, "cooldown").at_ns, f.clock.now_ns + 5 * S, "never shortened");
	pass(&f, 5 * S);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 100);
}

/* ---- results without a permit, one rule by itself ---- */

Test(operator, N7_N8_results_without_a_permit_move_the_breaker)
{
	struct ration__settle failed = {.outcome = RATION__FAILURE};
	struct ration__settle good = {.outcome = RATION__SUCCESS};
	struct ration__keyset *keyset;
	struct ration__grant probe = {0};

	add_breaker();
	define(&f);
	f.engine->event = on_event;
	keyset = keyset_of(&f, NULL, 0);
	cr_assert_eq(ration__guard_record(keyset, &failed), 0);
	cr_assert_eq(ration__guard_record(keyset, &failed), 0);
	cr_assert_eq(state_of(NULL, "breaker").failures, 2);
	cr_assert_eq(ration__guard_record(keyset, &good), 0);
	cr_assert_eq(state_of(NULL, "breaker").failures, 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(ration__guard_record(keyset, &failed), 0);
	cr_assert_str_eq(state_of(NULL, "breaker").state, "open");
	cr_assert_eq(events[RATION_EVENT_BREAKER_OPENED], 1);
	cr_assert_str_eq(f.log, "service api: circuit breaker opened");
	cr_assert_eq(ration__guard_record(keyset, &good), 0);
	cr_assert_str_eq(state_of(NULL, "breaker").state, "open", "too late to say anything");
	pass(&f, 61 * S);
	cr_assert_eq(decide(NULL, 0, &probe).decision, RATION__ADMITTED, "the one probe");
	cr_assert_eq(ration__guard_record(keyset, &good), 0);
	cr_assert_str_eq(state_of(NULL, "breaker").state, "half-open");
	cr_assert_eq(state_of(NULL, "breaker").remaining, 0, "the probe's place is still its own");
	cr_assert_eq(ration__guard_record(keyset, &good), 0);
	cr_assert_str_eq(state_of(NULL, "breaker").state, "closed");
	cr_assert_eq(events[RATION_EVENT_BREAKER_CLOSED], 1);
	settle(&f, &probe, RATION__FAILURE);
	cr_assert_str_eq(state_of(NULL, "breaker").state, "closed");
	ration__keyset_unref(keyset);
}

Test(operator, D16_growth_by_results_when_the_limit_binds)
{
	struct ration__settle good = {.outcome = RATION__SUCCESS};
	struct ration__keyset *keyset;

	add_adaptive("learned");
	define(&f);
	keyset = keyset_of(&f, NULL, 0);
	cr_assert_eq(ration__guard_record(keyset, &good), 0);
	cr_assert_eq(state_of(NULL, "learned").rate, 2, "nothing was waiting");
	cr_assert_eq(let_through(NULL, RATION__IGNORED), 2);
	cr_assert_eq(ration__guard_record(keyset, &good), 0);
	cr_assert_float_eq(state_of(NULL, "learned").rate, 2.1, 1e-12);
	ration__keyset_unref(keyset);
}

Test(operator, N3_N6_one_rule_is_reset_for_its_keys)
{
	const struct ration__pair a = {"tenant", "a"}, b = {"tenant", "b"};
	struct ration__keyset *keyset;

	add_rate(&f, "calls", 1, 2);
	per(&f.rules.limits[0], "tenant");
	per(add_quota(&f, "daily", 10, 24 * 3600 * S), "tenant");
	f.rules.limits[1].durable_ns = 0;
	define(&f);
	for (int i = 0; i < 2; i++) {
		struct ration__grant grant = {0};
		struct ration__ask one;

		keyset = keyset_of(&f, i ? &b : &a, 1);
		cr_assert_eq(ration__guard_acquire(keyset, NULL, 0, 0, &grant, 0, &one), 0);
		settle(&f, &grant, RATION__SUCCESS);
		ration__keyset_unref(keyset);
	}
	keyset = keyset_of(&f, &a, 1);
	cr_assert_eq(ration__guard_reset(keyset, "nothing"), RATION_EINVAL);
	cr_assert_eq(ration__guard_reset(keyset, "breaker"), 0, "there is none to reset");
	cr_assert_eq(ration__guard_reset(keyset, "daily"), 0);
	cr_assert_eq(state_of(&a, "daily").remaining, 10);
	cr_assert_eq(state_of(&a, "calls").remaining, 1);
	cr_assert_eq(ration__guard_reset(keyset, ""), 0);
	cr_assert_eq(state_of(&a, "calls").remaining, 2);
	cr_assert_eq(state_of(&b, "calls").remaining, 1);
	cr_assert_eq(state_of(&b, "daily").remaining, 9);
	ration__keyset_unref(keyset);
}

Test(operator, states_say_what_holds)
{
	struct ration__rule_state state;
	struct ration__keyset *keyset;
	double left = -1;

	add_rate(&f, "calls", 4, 2);
	define(&f);
	cr_assert_eq(let_through(NULL, RATION__SUCCESS), 2);
	state = state_of(NULL, "calls");
	cr_assert_str_eq(state.kind, "rate");
	cr_assert(state.limit == 2 && state.rate == 4 && state.remaining == 0);
	cr_assert_eq(state.at_ns, f.clock.now_ns + S / 4);
	keyset = keyset_of(&f, NULL, 0);
	cr_assert_eq(ration__guard_state(keyset, "nothing", &state), RATION_EINVAL);
	cr_assert_str_eq(state.kind, "rate", "untouched");
	cr_assert_eq(ration__guard_remaining(keyset, "calls", &left), 0);
	cr_assert_eq(left, 0);
	control("api/calls", "set burst=3", 0);
	cr_assert_eq(ration__guard_state(keyset, "calls", &state), RATION_EAGAIN);
	cr_assert_eq(ration__guard_reset(keyset, ""), RATION_EAGAIN);
	ration__keyset_unref(keyset);
}

/* ---- words and views ---- */

Test(operator, denials_in_words)
{
	struct ration__ask one = {.denial = RATION_DENIED_CONCURRENCY, .rule = RATION__RULE_PLACE};
	char text[128];

	add_rate(&f, "calls", 1, 5);
	f.rules.place = (struct ration__concurrency_conf){.max = 5};
	snprintf(f.rules.place_per[0], sizeof(f.rules.place_per[0]), "tenant");
	snprintf(f.rules.place_per[1], sizeof(f.rules.place_per[1]), "tool");
	define(&f);
	ration__denial_text(text, sizeof(text), f.guard, &one, 0);
	cr_assert_str_eq(text, "concurrency limit reached: api (per tenant, tool)");
	ration__rule_name(text, sizeof(text), f.guard, one.rule);
	cr_assert_str_eq(text, "place");
	one.rule = RATION__RULE_CONCURRENCY;
	ration__denial_text(text, sizeof(text), f.guard, &one, 0);
	cr_assert_str_eq(text, "concurrency limit reached: api");
	one = (struct ration__ask){
		.denial = RATION_DENIED_QUEUE, .rule = RATION__RULE_CONCURRENCY, .at_ns = S};
	ration__denial_text(text, sizeof(text), f.guard, &one, 0);
	cr_assert_str_eq(text, "too many wait already: concurrency.queue of api is full");
	one.rule = 0; /* a guard's caller that would wait for tokens */
	ration__denial_text(text, sizeof(text), f.guard, &one, 0);
	cr_assert_str_eq(text, "too many wait already: concurrency.queue of api is full");
	one = (struct ration__ask){
		.denial = RATION_DENIED_BREAKER, .rule = RATION__RULE_BREAKER, .at_ns = 7 * S};
	ration__denial_text(text, sizeof(text), f.guard, &one, 0);
	cr_assert_str_eq(text, "circuit breaker is open: api, tried again in 7 s");
	one = (struct ration__ask){.denial = RATION_DENIED_COOLDOWN,
		.rule = RATION__RULE_COOLDOWN,
		.at_ns = 42 * S / 10};
	ration__denial_text(text, sizeof(text), f.guard, &one, 0);
	cr_assert_str_eq(text, "the server asked to wait: next in 4.2 s");
	cr_assert_str_eq(ration__mode_name(RATION__OBSERVED), "observe");
}

static void differs(
	const struct ration__rules *old, const struct ration__rules *new, const char *words)
{
	char text[256];

	ration__rules_difference(text, sizeof(text), old, new);
	cr_expect_str_eq(text, words);
}

Test(operator, a_changed_definition_in_words)
{
	static struct ration__rules one, two;
	char text[16];

	for (const char *name = "abcde"; *name; name++)
		add_rate(&f, (char[]){*name, 0}, 3, 3);
	f.rules.overrides[0] = (struct ration__override){.value = "x", .limit = 2, .max = -1};
	f.rules.override_count = 1;
	one = two = f.rules;
	differs(&one, &one, "");
	two.limits[0] = one.limits[2]; /* but for one all are gone */
	two.limit_count = 1;
	two.overrides[0].limit = 0;
	differs(&one, &two, "a: 3/s burst 3 -> none (and 3 more changes)");
	differs(&two, &one, "a: none -> 3/s burst 3 (and 3 more changes)");
	two.limits[0].bucket.rate = 5;
	two.limit_count = 0;
	two.override_count = 0;
	differs(&one, &two, "a: 3/s burst 3 -> none (and 5 more changes)");
	two = one;
	two.limits[2].bucket.rate = 5;
	two.concurrency.max = 7;
	differs(&one, &two, "c: 3/s burst 3 -> 5/s burst 3 (and 1 more change)");
	two = one;
	strcpy(two.limits[1].per[0], "tenant");
	differs(&one, &two, "b: 3/s burst 3 -> the same, of other calls, keys or units");
	two = one;
	two.overrides[0].rate = 1;
	two.revision = 4;
	two.own.observe = 1; /* is its own */
	differs(&one, &two, "overrides differ (and 1 more change)");
	two.overrides[0].rate = 0;
	differs(&one, &two, "revision: 0 -> 4");
	ration__rules_difference(text, sizeof(text), &one, &two);
	cr_expect_str_eq(text, "revision: 0 -> ");
}

Test(operator, the_view_shows_every_kind)
{
	const struct ration__pair acme = {"tenant", "acme"};
	struct ration__settle failed = {.outcome = RATION__FAILURE};
	struct ration__grant grant = {0};
	struct ration__keyset *keyset;
	char *json;

	add_adaptive("learned");
	add_limit(&f, "window", RATION__LIMIT_WINDOW)->window =
		(struct ration__window_conf){4 * (int64_t)RATION__MICRO, 60 * S};
	add_rate(&f, "calls", 5, 5);
	per(&f.rules.limits[2], "tenant");
	add_quota(&f, "daily", 10, 24 * 3600 * S)->calendar = RATION__CALENDAR_DAY;
	f.rules.overrides[0] = (struct ration__override){
		.value = "acme", .limit = 2, .rate = 2, .burst = 3, .max = -1};
	f.rules.override_count = 1;
	f.rules.breaker = (struct ration__breaker_conf){.failure_rate = 0.5,
		.window_calls = 10,
		.min_calls = 10,
		.probes = 2,
		.close_after = 1,
		.open_ns = S};
	snprintf(f.rules.breaker_per[0], RATION__KEYNAME_MAX, "tenant");
	f.rules.concurrency = (struct ration__concurrency_conf){
		.max = 200, .algorithm = RATION__CONCURRENCY_AIMD, .initial = 20, .min = 1};
	f.rules.place = (struct ration__concurrency_conf){.max = 5};
	snprintf(f.rules.place_per[0], RATION__KEYNAME_MAX, "tenant");
	f.rules.budget = (struct ration__budget_conf){500, 14, 5, 1};
	define(&f);
	json = inspect();
	has(json, "\"budget\":{\"capacity\":500,\"remaining\":500,\"refused\":0}");
	has(json, "\"kind\":\"adaptive\",\"rate\":\"2/s\"");
	has(json, "\"limit\":20,\"algorithm\":\"aimd\"");
	has(json, "\"name\":\"window\"");
	has(json, "\"window\":\"day\"");
	has(json, "\"resets_in_s\":");
	has(json, "\"overrides\":[{\"limit\":\"calls\",\"value\":\"acme\",\"rate\":\"2/s\","
		  "\"burst\":3.0}]");
	free(json);

	keyset = keyset_of(&f, &acme, 1);
	cr_assert_eq(ration__guard_record(keyset, &failed), 0);
	cr_assert_eq(ration__guard_backoff(keyset, 5 * S), 0);
	ration__keyset_unref(keyset);
	control("api/breaker/acme", "open", 60000);
	control("api/window", "set max=3", 0);
	json = inspect();
	has(json, "\"cooldowns\":[{\"for_s\":5.0}]");
	has(json, "\"rate\":\"1/s\"");
	has(json, "\"cut_s\":0.0");
	has(json, "\"breakers\":[{\"state\":\"forced-open\",\"failures\":0");
	has(json, "\"keys\":{\"tenant\":\"acme\"},\"calls\":1,\"failure_rate\":1.0");
	has(json,
		"{\"rule\":\"breaker\",\"values\":\"acme\",\"state\":\"forced-open\",\"for_s\":60.0}");
	has(json, "{\"rule\":\"window\",\"max\":3.0}");
	has(json, "\"max\":3.0,\"window\":\"1m\",\"remaining\":3.0");
	free(json);

	control("api", "reset", 0);
	control("api", "auto", 0);
	{
		struct ration__ask one;

		keyset = keyset_of(&f, &acme, 1);
		while (ration__guard_acquire(keyset, NULL, 0, 0, &grant, 0, &one) ==
			RATION_EAGAIN) {
			ration__keyset_unref(keyset);
			keyset = keyset_of(&f, &acme, 1);
		}
		cr_assert_eq(one.decision, RATION__ADMITTED);
		ration__keyset_unref(keyset);
	}
	json = inspect();
	has(json, "\"places\":[{\"keys\":{\"tenant\":\"acme\"},\"max\":5,\"limit\":5");
	has(json,
		"\"keys\":{\"tenant\":\"acme\"},\"rate\":\"2/s\",\"burst\":3.0,\"remaining\":2.0");
	cr_assert_not(strstr(json, "settings"), "%s", json);
	free(json);
	settle(&f, &grant, RATION__SUCCESS);
}
