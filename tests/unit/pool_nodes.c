/* A service's nodes: two clients' on one store, with a clock that the test moves. */
#include <pthread.h>
#include <sys/wait.h>
#include "guard_fixture.h"
#include "http_leaks.h"
#include "base/hash.h"
#include "guard/key.h"
#include "guard/node_label.h"
#include "pool/nodes.h"

TestSuite(nodes, .fini = check_leaks, .timeout = 60);

#define RECOVER (30 * S)

static struct fixture f;
static const char *const uris[] = {"http://a:1", "http://b:2/v1", "https://c:3"};
static struct ration__service_conf conf = {
	.name = "api", .base = "http://a:1", .nodes = uris, .node_recover_ns = RECOVER};
static char said[16][256];
static int lines;

static void keep(void *arg, enum ration_log_level level, const char *text)
{
	if (lines < 16)
		snprintf(said[lines++], sizeof(said[0]), "%d %s", (int)level, text);
}

static struct ration__nodes *open_nodes(size_t count)
{
	struct ration__nodes_options options = {.engine = f.engine,
		.service = "api",
		.conf = &conf,
		.log = keep,
		.log_level = RATION_LOG_INFO};
	struct ration__nodes *nodes;

	conf.node_count = count;
	cr_assert_eq(ration__nodes_new(&options, &nodes), 0);
	return nodes;
}

static int pick_for(struct ration__nodes *nodes, const char *origin,
	const struct ration__node *avoid, struct ration__node **node, int64_t *at_ns)
{
	struct ration__node_want want = {.now_ns = f.clock.now_ns,
		.origin = origin,
		.origin_length = origin ? strlen(origin) : 0,
		.avoid = avoid};

	return ration__nodes_pick(nodes, &want, node, at_ns);
}

static struct ration__node *pick(struct ration__nodes *nodes)
{
	struct ration__node *node;
	int64_t at_ns;

	cr_assert_eq(pick_for(nodes, NULL, NULL, &node, &at_ns), 0);
	return node;
}

static void report(struct ration__nodes *nodes, struct ration__node *node,
	enum ration__outcome outcome, int64_t cool_ns)
{
	struct ration__node_report end = {.outcome = outcome,
		.status = outcome == RATION__SUCCESS ? 200 : 0,
		.start_ns = f.clock.now_ns,
		.now_ns = f.clock.now_ns,
		.cool_ns = cool_ns};

	ration__nodes_report(nodes, node, &end);
}

static bool is(const struct ration__node *node, int i)
{
	return strcmp(ration__node_uri(node), uris[i]) == 0;
}

/* An attempt at that node; it must be the next one within a round. */
static void end_at(
	struct ration__nodes *nodes, int i, enum ration__outcome outcome, int64_t cool_ns)
{
	for (int round = 0; round < 4; round++) {
		struct ration__node *node = pick(nodes);

		if (is(node, i)) {
			report(nodes, node, outcome, cool_ns);
			return;
		}
		report(nodes, node, RATION__IGNORED, 0);
	}
	cr_assert_fail("%s is not picked", uris[i]);
}

/* How often each is picked in n attempts that succeed. */
static void count_picks(struct ration__nodes *nodes, int n, int taken[3])
{
	memset(taken, 0, 3 * sizeof(*taken));
	for (int i = 0; i < n; i++) {
		struct ration__node *node = pick(nodes);

		for (int k = 0; k < 3; k++)
			taken[k] += is(node, k);
		report(nodes, node, RATION__SUCCESS, 0);
	}
}

static uint64_t commits(void)
{
	return ration__store_commits(ration__engine_store(f.engine));
}

/* ---- round robin ---- */

Test(nodes, E16_hundred_calls_on_two_nodes_without_a_transaction)
{
	struct ration__nodes *nodes;
	uint64_t before;
	int taken[3];

	fixture_open(&f);
	nodes = open_nodes(2);
	before = commits();
	count_picks(nodes, 100, taken);
	cr_assert_eq(taken[0], 50);
	cr_assert_eq(taken[1], 50);
	cr_assert_eq(commits(), before);
	ration__nodes_free(nodes);
	fixture_close(&f);
}

struct racer {
	struct ration__nodes *nodes;
	int taken[3];
};

static void *race(void *arg)
{
	struct racer *racer = arg;

	count_picks(racer->nodes, 500, racer->taken);
	return NULL;
}

Test(nodes, E16_two_threads_take_turns)
{
	struct racer racers[2];
	pthread_t threads[2];

	fixture_open(&f);
	racers[0].nodes = racers[1].nodes = open_nodes(2);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(racers[0].taken[0] + racers[1].taken[0], 500);
	ration__nodes_free(racers[0].nodes);
	fixture_close(&f);
}

/* ---- the fleet's health ---- */

Test(nodes, E17_what_one_client_saw_fail_the_other_avoids)
{
	struct ration__nodes *one, *two;
	int taken[3];

	fixture_open(&f);
	one = open_nodes(3);
	two = open_nodes(3);
	end_at(one, 1, RATION__FAILURE, 0);
	count_picks(one, 30, taken);
	cr_assert(taken[0] == 15 && taken[1] == 0 && taken[2] == 15);
	count_picks(two, 30, taken);
	cr_assert(taken[0] == 15 && taken[1] == 0 && taken[2] == 15);
	cr_assert_eq(lines, 2, "each says it once");
	for (int i = 0; i < 2; i++)
		cr_assert_str_eq(said[i], "1 service api: node http://b:2/v1 failed; it is left "
					  "alone for 30 s, then probed");
	ration__nodes_free(one);
	ration__nodes_free(two);
	fixture_close(&f);
}

Test(nodes, E18_one_probe_for_the_fleet)
{
	struct ration__nodes *one, *two;
	struct ration__node *probe;
	int taken[3];

	fixture_open(&f);
	one = open_nodes(2);
	two = open_nodes(2);
	end_at(one, 1, RATION__FAILURE, 0);
	pass(&f, RECOVER - 1);
	count_picks(two, 10, taken);
	cr_assert_eq(taken[1], 0, "too early");
	pass(&f, 1);
	probe = pick(two);
	cr_assert(is(probe, 1));
	count_picks(one, 10, taken);
	cr_assert_eq(taken[1], 0, "it is being probed by the other");
	count_picks(two, 10, taken);
	cr_assert_eq(taken[1], 0);
	pass(&f, S);
	report(two, probe, RATION__FAILURE, 0);
	pass(&f, RECOVER - 1);
	count_picks(one, 10, taken);
	cr_assert_eq(taken[1], 0, "marked for another while");
	pass(&f, 1);
	count_picks(one, 1, taken);
	cr_assert_eq(taken[1], 1, "the next probe");
	count_picks(two, 10, taken);
	cr_assert_eq(taken[1], 5, "healthy, for all");
	cr_assert_str_eq(said[lines - 1], "2 service api: node http://b:2/v1 is healthy again");
	ration__nodes_free(one);
	ration__nodes_free(two);
	fixture_close(&f);
}

Test(nodes, a_prober_that_never_reports_costs_one_while)
{
	struct ration__nodes *one, *two;
	struct ration__node *probe;
	int taken[3];

	fixture_open(&f);
	one = open_nodes(2);
	two = open_nodes(2);
	end_at(one, 0, RATION__FAILURE, 0);
	pass(&f, RECOVER);
	probe = pick(one);
	cr_assert(is(probe, 0));
	pass(&f, RECOVER - 1);
	count_picks(two, 10, taken);
	cr_assert_eq(taken[0], 0);
	pass(&f, 1);
	count_picks(two, 1, taken);
	cr_assert_eq(taken[0], 1);
	report(one, probe, RATION__IGNORED, 0);
	ration__nodes_free(one);
	ration__nodes_free(two);
	fixture_close(&f);
}

Test(nodes, E19_all_unhealthy_the_one_that_failed_longest_ago)
{
	struct ration__nodes *one, *two;
	struct ration__node *node;

	fixture_open(&f);
	one = open_nodes(3);
	two = open_nodes(3);
	end_at(one, 2, RATION__FAILURE, 0);
	pass(&f, S);
	end_at(two, 0, RATION__FAILURE, 0);
	pass(&f, S);
	end_at(one, 1, RATION__FAILURE, 0);
	pass(&f, S);
	node = pick(two);
	cr_assert(is(node, 2), "%s", ration__node_uri(node));
	report(two, node, RATION__FAILURE, 0);
	node = pick(one);
	cr_assert(is(node, 0), "%s", ration__node_uri(node));
	report(one, node, RATION__SUCCESS, 0);
	for (int i = 0; i < 6; i++) {
		node = pick(two);
		cr_assert(is(node, 0), "the only healthy one");
		report(two, node, RATION__SUCCESS, 0);
	}
	ration__nodes_free(one);
	ration__nodes_free(two);
	fixture_close(&f);
}

Test(nodes, old_attempts_say_nothing_new)
{
	struct ration__nodes *nodes;
	struct ration__node *slow;
	struct ration__node_report end = {.now_ns = 0};
	int taken[3];

	fixture_open(&f);
	nodes = open_nodes(2);
	slow = pick(nodes);
	if (is(slow, 0)) {
		report(nodes, slow, RATION__IGNORED, 0);
		slow = pick(nodes);
	}
	end.start_ns = f.clock.now_ns;
	pass(&f, S);
	report(nodes, pick(nodes), RATION__SUCCESS, 0);
	end_at(nodes, 1, RATION__FAILURE, 0);
	pass(&f, S);
	end.now_ns = f.clock.now_ns;
	end.outcome = RATION__SUCCESS;
	ration__nodes_report(nodes, slow, &end);
	count_picks(nodes, 10, taken);
	cr_assert_eq(taken[1], 0, "its success is older than the failure");
	ration__nodes_free(nodes);
	fixture_close(&f);
}

Test(nodes, X8_a_throttled_node_cools_for_all_and_is_not_unhealthy)
{
	struct ration__nodes *one, *two;
	struct ration__node *node;
	int64_t at_ns = 0;
	int taken[3];

	fixture_open(&f);
	one = open_nodes(2);
	two = open_nodes(2);
	end_at(one, 0, RATION__THROTTLED, 5 * S);
	count_picks(two, 10, taken);
	cr_assert_eq(taken[1], 10);
	end_at(two, 1, RATION__THROTTLED, 3 * S);
	cr_assert_eq(pick_for(one, NULL, NULL, &node, &at_ns), RATION_EAGAIN);
	cr_assert_eq(at_ns, f.clock.now_ns + 3 * S);
	pass(&f, 3 * S);
	count_picks(one, 10, taken);
	cr_assert_eq(taken[1], 10);
	pass(&f, 2 * S);
	count_picks(two, 10, taken);
	cr_assert_eq(taken[0], 5, "at once, without a probe");
	cr_assert_eq(lines, 0);
	ration__nodes_free(one);
	ration__nodes_free(two);
	fixture_close(&f);
}

Test(nodes, E11_retry_goes_to_another)
{
	struct ration__nodes *nodes;
	struct ration__node *node, *other;
	int64_t at_ns;

	fixture_open(&f);
	nodes = open_nodes(2);
	for (int i = 0; i < 10; i++) {
		node = pick(nodes);
		report(nodes, node, RATION__THROTTLED, 0);
		cr_assert_eq(pick_for(nodes, NULL, node, &other, &at_ns), 0);
		cr_assert_neq(node, other);
		report(nodes, other, RATION__SUCCESS, 0);
	}
	cr_assert(ration__nodes_have_other(nodes, node, f.clock.now_ns));
	report(nodes, pick(nodes), RATION__FAILURE, 0);
	cr_assert(ration__nodes_have_other(nodes, NULL, f.clock.now_ns));
	end_at(nodes, is(node, 0) ? 1 : 0, RATION__SUCCESS, 0);
	ration__nodes_free(nodes);
	fixture_close(&f);
}

Test(nodes, a_single_node_is_used_whatever_it_does)
{
	struct ration__nodes *nodes;
	uint64_t before;

	fixture_open(&f);
	nodes = open_nodes(1);
	before = commits();
	for (int i = 0; i < 10; i++)
		report(nodes, pick(nodes), i % 2 ? RATION__FAILURE : RATION__THROTTLED, S);
	cr_assert_eq(commits(), before);
	cr_assert_not(ration__nodes_have_other(nodes, NULL, f.clock.now_ns) &&
		      ration__nodes_count(nodes) > 1);
	cr_assert_eq(lines, 0);
	ration__nodes_free(nodes);
	fixture_close(&f);
}

/* ---- origins ---- */

Test(nodes, an_origin_is_answered_by_its_nodes_alone)
{
	struct ration__nodes *nodes;
	struct ration__node *node;
	int64_t at_ns = 0;

	fixture_open(&f);
	nodes = open_nodes(3);
	for (int i = 0; i < 6; i++) {
		cr_assert_eq(pick_for(nodes, "HTTP://B:2", NULL, &node, &at_ns), 0);
		cr_assert(is(node, 1));
		report(nodes, node, i ? RATION__SUCCESS : RATION__FAILURE, 0);
	}
	cr_assert_eq(ration__nodes_replace(nodes, uris, 1), 0);
	cr_assert_eq(pick_for(nodes, "http://b:2/x", NULL, &node, &at_ns), 0);
	cr_assert(is(node, 1), "it was accepted when that one was in the list");
	report(nodes, node, RATION__SUCCESS, 0);
	cr_assert_eq(pick_for(nodes, "http://d:2", NULL, &node, &at_ns), RATION_EAGAIN);
	ration__nodes_free(nodes);
	fixture_close(&f);
}

/* ---- another list ---- */

Test(nodes, E23_surviving_nodes_keep_their_state)
{
	const char *const list[] = {uris[1], uris[2], uris[1]};
	const char *many[RATION__NODES_MAX + 1];
	struct ration__nodes *nodes;
	int taken[3];

	fixture_open(&f);
	nodes = open_nodes(2);
	end_at(nodes, 1, RATION__FAILURE, 0);
	cr_assert_eq(ration__nodes_replace(nodes, list, 3), 0);
	cr_assert_eq(ration__nodes_count(nodes), 2);
	count_picks(nodes, 10, taken);
	cr_assert(taken[0] == 0 && taken[1] == 0 && taken[2] == 10);
	for (size_t i = 0; i <= RATION__NODES_MAX; i++)
		many[i] = uris[0];
	cr_assert_eq(ration__nodes_replace(nodes, many, RATION__NODES_MAX + 1), RATION_ETOOBIG);
	cr_assert_eq(ration__nodes_count(nodes), 2);
	ration__nodes_free(nodes);
	fixture_close(&f);
}

Test(nodes, a_node_that_comes_new_has_the_health_that_the_fleet_knows)
{
	struct ration__nodes *one, *two;
	int taken[3];

	fixture_open(&f);
	one = open_nodes(3);
	two = open_nodes(2);
	end_at(one, 2, RATION__FAILURE, 0);
	count_picks(two, 10, taken);
	cr_assert_eq(ration__nodes_replace(two, uris, 3), 0);
	count_picks(two, 10, taken);
	cr_assert_eq(taken[2], 0);
	ration__nodes_free(one);
	ration__nodes_free(two);
	fixture_close(&f);
}

/* ---- the store is silent ---- */

Test(nodes, without_the_store_each_goes_by_what_it_saw_and_says_it_later)
{
	struct ration__nodes *one, *two;
	struct ration__node *probe;
	int taken[3];
	pid_t peer;

	fixture_open(&f);
	one = open_nodes(2);
	two = open_nodes(2);
	peer = stuck_peer(&f);
	end_at(one, 0, RATION__FAILURE, 0);
	count_picks(one, 10, taken);
	cr_assert_eq(taken[0], 0);
	count_picks(two, 10, taken);
	cr_assert_eq(taken[0], 5, "it cannot know");
	pass(&f, RECOVER);
	/* each process probes for itself, once it is sure that the store cannot answer */
	for (int tries = 0; probe = pick(one), !is(probe, 0); tries++) {
		cr_assert_lt(tries, 10000, "no probe");
		report(one, probe, RATION__IGNORED, 0);
		usleep(1000);
	}
	report(one, probe, RATION__FAILURE, 0);
	kill(peer, SIGKILL);
	cr_assert_eq(waitpid(peer, NULL, 0), peer);
	count_picks(one, 1, taken);
	count_picks(two, 10, taken);
	cr_assert_eq(taken[0], 0, "it was told later");
	ration__nodes_free(one);
	ration__nodes_free(two);
	fixture_close(&f);
}

Test(nodes, records_of_the_healthy_go_away)
{
	struct ration__nodes *nodes;
	struct ration__txn *txn;
	uint64_t used, file, records[3];

	fixture_open(&f);
	nodes = open_nodes(2);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(ration__store_begin(ration__engine_store(f.engine), -1, &txn), 0);
		ration__txn_usage(txn, &used, &file, &records[i]);
		ration__store_abort(txn);
		if (i == 0)
			end_at(nodes, 1, RATION__FAILURE, 0);
		pass(&f, RECOVER);
		if (i == 1)
			end_at(nodes, 1, RATION__SUCCESS, 0);
	}
	cr_assert_eq(records[1], records[0] + 2, "the table, and its name");
	cr_assert_eq(records[2], records[0]);
	ration__nodes_free(nodes);
	fixture_close(&f);
}

/* ---- what people read ---- */

/* The service's nodes in the view; "": none is shown. */
static const char *shown(void)
{
	static char nodes[1024];
	char *json = NULL, *from, *to;

	cr_assert_eq(ration__engine_inspect(f.engine, "", &json, NULL), 0);
	from = strstr(json, "\"nodes\":[");
	to = from ? strchr(from, ']') : NULL;
	snprintf(nodes, sizeof(nodes), "%.*s", to ? (int)(to - from) + 1 : 0, to ? from : "");
	free(json);
	return nodes;
}

Test(nodes, a_view_names_who_is_not_healthy_and_says_why)
{
	struct ration__node_report refused = {.outcome = RATION__FAILURE, .status = 503};
	struct ration__nodes *one, *two;
	struct ration__node *probe;

	fixture_open(&f);
	one = open_nodes(2);
	two = open_nodes(2);
	cr_assert_str_eq(shown(), "");
	end_at(one, 1, RATION__FAILURE, 0);
	pass(&f, 10 * S);
	cr_assert_str_eq(shown(), "\"nodes\":[{\"uri\":\"http://b:2/v1\",\"state\":\"unhealthy\","
				  "\"failures\":1,\"for_s\":20.0,\"out_s\":10.0}]");
	pass(&f, 20 * S);
	cr_assert_str_eq(shown(), "\"nodes\":[{\"uri\":\"http://b:2/v1\",\"state\":\"due\","
				  "\"failures\":1,\"for_s\":0.0,\"out_s\":30.0}]");
	probe = pick(two);
	cr_assert(is(probe, 1));
	pass(&f, 5 * S);
	cr_assert_str_eq(shown(), "\"nodes\":[{\"uri\":\"http://b:2/v1\",\"state\":\"probing\","
				  "\"failures\":1,\"for_s\":25.0,\"out_s\":35.0}]");
	refused.start_ns = refused.now_ns = f.clock.now_ns;
	refused.cool_ns = 40 * S;
	ration__nodes_report(two, probe, &refused);
	cr_assert_str_eq(shown(), "\"nodes\":[{\"uri\":\"http://b:2/v1\",\"state\":\"unhealthy\","
				  "\"failures\":2,\"for_s\":40.0,\"status\":503,\"out_s\":35.0}]");
	pass(&f, 30 * S);
	cr_assert_str_eq(shown(), "\"nodes\":[{\"uri\":\"http://b:2/v1\",\"state\":\"cooling\","
				  "\"failures\":2,\"for_s\":10.0,\"status\":503,\"out_s\":65.0}]");
	pass(&f, 10 * S);
	end_at(one, 1, RATION__THROTTLED, 3 * S);
	cr_assert_str_eq(shown(),
		"\"nodes\":[{\"uri\":\"http://b:2/v1\",\"state\":\"cooling\","
		"\"failures\":0,\"for_s\":3.0}]",
		"it answered");
	pass(&f, 3 * S);
	cr_assert_str_eq(shown(), "");
	end_at(one, 1, RATION__FAILURE, 0);
	cr_assert(strstr(shown(), "\"failures\":1,"), "a new row: %s", shown());
	ration__nodes_free(one);
	ration__nodes_free(two);
	fixture_close(&f);
}

/* A member of a release without labels writes the table alone. */
Test(nodes, a_node_without_a_label_is_shown_without_a_name)
{
	struct ration__node_news news = {.node = ration__hash64("http://a:1", 10),
		.event = RATION__NODE_FAILED,
		.recover_ns = RECOVER};
	uint8_t key[RATION__KEY_ROOM];
	struct ration__node_table table;
	struct ration__nodes *nodes;
	struct ration__txn *txn;
	uint64_t moved;
	size_t length;
	bool claimed;

	fixture_open(&f);
	nodes = open_nodes(2);
	news.start_ns = news.at_ns = f.clock.now_ns;
	cr_assert_eq(
		ration__fleet_nodes_tell(f.engine, "api", &news, 1, -1, &table, &moved, &claimed),
		0);
	cr_assert(strstr(shown(), "{\"uri\":null,\"state\":\"unhealthy\",\"failures\":1,"), "%s",
		shown());
	cr_assert_eq(ration__store_begin(ration__engine_store(f.engine), -1, &txn), 0);
	length = ration__node_label_key(key, "api", news.node);
	cr_assert_eq(ration__txn_del(txn, key, length), 0);
	cr_assert_eq(ration__store_commit(txn), 0);
	pass(&f, RECOVER);
	cr_assert_str_eq(shown(), "\"nodes\":[{\"uri\":null,\"state\":\"due\",\"failures\":1,"
				  "\"for_s\":0.0,\"out_s\":30.0}]");
	end_at(nodes, 0, RATION__FAILURE, 0);
	cr_assert_str_eq(shown(), "\"nodes\":[{\"uri\":\"http://a:1\",\"state\":\"unhealthy\","
				  "\"failures\":2,\"for_s\":30.0,\"out_s\":30.0}]");
	ration__nodes_free(nodes);
	fixture_close(&f);
}

static void named(const char *uri, const char *name)
{
	char out[RATION__NODE_URI_MAX + 1];

	out[ration__node_label_name(out, uri)] = 0;
	cr_assert_str_eq(out, name);
}

Test(nodes, names_are_bounded_and_hold_no_credentials)
{
	char uri[400], name[RATION__NODE_URI_MAX + 1];

	named("https://a.example.org/v1", "https://a.example.org/v1");
	named("https://user:pass@a:1/v1", "https://a:1/v1");
	named("https://user:p@ss@a", "https://a");
	named("https://user:pass@a?token=b", "https://a");
	named("https://a/v1?token=b@c/d", "https://a/v1");
	named("https://a/v1@2#d", "https://a/v1@2");
	named("user:pass@a", "a");
	named("", "");
	for (int length = RATION__NODE_URI_MAX - 4; length < RATION__NODE_URI_MAX + 4; length++) {
		snprintf(uri, sizeof(uri), "http://%0*d", length - 7, 7);
		snprintf(name, sizeof(name), "%.*s%s",
			length > RATION__NODE_URI_MAX ? RATION__NODE_URI_MAX - 3 : length, uri,
			length > RATION__NODE_URI_MAX ? "..." : "");
		named(uri, name);
	}
	snprintf(uri, sizeof(uri), "http://%0*d\u20ac%0*d", RATION__NODE_URI_MAX - 12, 7, 50, 7);
	snprintf(name, sizeof(name), "http://%0*d...", RATION__NODE_URI_MAX - 12, 7);
	named(uri, name);
	snprintf(uri, sizeof(uri), "%0*d://secret@a", 300, 7); /* no scheme is that long */
	cr_assert_eq(ration__node_label_name(name, uri), 1);
}

/* ---- joining, for rules per node ---- */

/* The bit of the node that is chosen; 0: none. */
static uint32_t choose(struct ration__nodes *nodes, uint32_t tried, struct ration__node **node)
{
	struct ration__node_want want = {.now_ns = f.clock.now_ns};
	uint32_t bit;

	return ration__nodes_choose(nodes, &want, tried, node, &bit) == 0 ? bit : 0;
}

static uint32_t join(struct ration__nodes *nodes, struct ration__node **node)
{
	uint32_t bit = choose(nodes, 0, node);

	cr_assert(bit);
	ration__nodes_join(nodes, *node, f.clock.now_ns);
	return bit;
}

static int pick_only(struct ration__nodes *nodes, struct ration__node *node, int64_t *at_ns)
{
	struct ration__node_want want = {.now_ns = f.clock.now_ns, .only = node};
	struct ration__node *picked;

	return ration__nodes_pick(nodes, &want, &picked, at_ns);
}

Test(nodes, X10_joined_in_turn_and_each_once_a_job)
{
	struct ration__node *node;
	struct ration__nodes *nodes;
	uint32_t first;

	fixture_open(&f);
	nodes = open_nodes(3);
	first = join(nodes, &node);
	cr_assert_eq(first | join(nodes, &node) | join(nodes, &node), 7);
	cr_assert_eq(join(nodes, &node), first);
	cr_assert_eq(choose(nodes, 3, &node), 4);
	cr_assert_eq(choose(nodes, 7, &node), 0);
	ration__nodes_free(nodes);
	fixture_close(&f);
}

Test(nodes, X10_one_job_joins_to_be_the_probe)
{
	struct ration__node *node, *failed;
	struct ration__nodes *nodes;
	int64_t at_ns = 0;

	fixture_open(&f);
	nodes = open_nodes(2);
	end_at(nodes, 1, RATION__FAILURE, 0);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(join(nodes, &node), 1);
	cr_assert_eq(choose(nodes, 1, &node), 0, "the other one would do");
	pass(&f, RECOVER);
	cr_assert_eq(join(nodes, &failed), 2);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(join(nodes, &node), 1);
	cr_assert_eq(pick_only(nodes, failed, &at_ns), 0, "claimed when it is sent");
	cr_assert_eq(pick_only(nodes, failed, &at_ns), RATION_EAGAIN, "by one");
	cr_assert_eq(at_ns, f.clock.now_ns);
	report(nodes, failed, RATION__FAILURE, 0);
	pass(&f, RECOVER);
	cr_assert_eq(join(nodes, &node), 2);
	ration__nodes_free(nodes);
	fixture_close(&f);
}

Test(nodes, X10_all_cool_and_the_first_that_will_not_is_joined)
{
	struct ration__node *node;
	struct ration__nodes *nodes;
	int64_t at_ns = 0;

	fixture_open(&f);
	nodes = open_nodes(2);
	end_at(nodes, 0, RATION__THROTTLED, 9 * S);
	end_at(nodes, 1, RATION__THROTTLED, 5 * S);
	cr_assert_eq(join(nodes, &node), 2);
	cr_assert_eq(pick_only(nodes, node, &at_ns), RATION_EAGAIN);
	cr_assert_eq(at_ns, f.clock.now_ns + 5 * S);
	cr_assert_eq(choose(nodes, 2, &node), 0);
	ration__nodes_free(nodes);
	fixture_close(&f);
}

Test(nodes, X10_balanced_by_who_joined)
{
	struct ration__node *node, *first;
	struct ration__nodes *nodes;
	uint32_t bit;

	fixture_open(&f);
	conf.node_strategy = RATION__NODES_BALANCED;
	nodes = open_nodes(2);
	bit = join(nodes, &first);
	cr_assert_neq(join(nodes, &node), bit);
	ration__nodes_leave(nodes, node);
	cr_assert_neq(join(nodes, &node), bit);
	ration__nodes_leave(nodes, first);
	cr_assert_eq(join(nodes, &node), bit);
	ration__nodes_free(nodes);
	conf.node_strategy = RATION__NODES_ROUND_ROBIN;
	fixture_close(&f);
}
