/*
 * The store's state as JSON: definitions, limits, quotas, breakers, permits, members. Records are
 * copied at most 64 a hold of the gate, and told apart and formatted outside.
 */
#include "guard/engine.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/units.h"

#define COPY_BATCH 64
#define RECORDS_SHOWN 10000 /* a million keys are no view */

struct copied {
	struct copied *next;
	size_t key_length, length;
	uint8_t key[RATION__KEY_MAX];
	_Alignas(8) unsigned char value[];
};

struct view {
	struct ration__engine *engine;
	struct copied *first, **last;
	size_t count;
	bool failed;
	int64_t now_ns, wall_ns;
	const char *selector;
	json_t *services;
};

static int copy_record(void *arg, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length)
{
	struct view *view = arg;
	struct copied *copy = malloc(sizeof(*copy) + length);

	if (!copy) {
		view->failed = true;
		return 1;
	}
	copy->next = NULL;
	copy->key_length = key_length;
	copy->length = length;
	memcpy(copy->key, key, key_length);
	memcpy(copy->value, value, length);
	*view->last = copy;
	view->last = &copy->next;
	view->count++;
	return 0;
}

static int copy_type(struct view *view, uint8_t type)
{
	struct ration__engine *engine = view->engine;
	uint8_t next[RATION__KEY_MAX];
	size_t next_length = 0;
	int rc;

	do {
		struct ration__txn *txn;

		pthread_mutex_lock(&engine->mutex);
		rc = ration__store_begin(engine->store, -1, &txn);
		if (rc == 0) {
			rc = ration__txn_visit(txn, &type, 1, next_length ? next : NULL,
				next_length, COPY_BATCH, copy_record, view, next, &next_length);
			view->now_ns = txn->now_ns;
			view->wall_ns = ration__txn_wall(txn);
			ration__store_abort(txn);
		}
		pthread_mutex_unlock(&engine->mutex);
	} while (rc == 0 && next_length && view->count < RECORDS_SHOWN);
	if (view->failed)
		return RATION_ENOMEM;
	return rc < 0 ? rc : 0;
}

/* The service's object in the view, made when it is new. */
static json_t *service_of(struct view *view, const char *name)
{
	json_t *service;
	size_t i;

	json_array_foreach(view->services, i,
		service) if (strcmp(json_string_value(json_object_get(service, "name")), name) ==
			     0) return service;
	service = json_pack("{s:s, s:[], s:[]}", "name", name, "limits", "quotas");
	json_array_append_new(view->services, service);
	return service;
}

/* The definition record's layout, as definition.c has it. */
struct definition_view {
	int64_t rest_at_ns;
	uint64_t version;
	char who[64];
	struct ration__rules rules;
};

static const struct ration__rules *rules_of(const struct view *view, const char *service)
{
	for (const struct copied *copy = view->first; copy; copy = copy->next) {
		const struct definition_view *definition = (const void *)copy->value;

		if (copy->key[0] == RATION__RECORD_DEFINITION &&
			copy->length == sizeof(*definition) &&
			strcmp(definition->rules.service, service) == 0)
			return &definition->rules;
	}
	return NULL;
}

/* Whether the record is what this limit counts with: one of another kind may linger under its name.
 */
static bool is_of(const struct ration__limit *limit, const struct copied *copy)
{
	if (copy->key[0] == RATION__RECORD_BUCKET)
		return limit->kind == RATION__LIMIT_BUCKET &&
		       copy->length == sizeof(struct ration__bucket);
	if (copy->key[0] == RATION__RECORD_WINDOW)
		return limit->kind == RATION__LIMIT_WINDOW &&
		       copy->length == sizeof(struct ration__window);
	return copy->key[0] == RATION__RECORD_QUOTA && limit->kind == RATION__LIMIT_QUOTA &&
	       copy->length == sizeof(struct ration__quota);
}

static double seconds_until(int64_t at_ns, int64_t now_ns)
{
	return at_ns <= now_ns ? 0 : (double)(at_ns - now_ns) / 1e9;
}

static json_t *keys_of(
	const struct ration__limit *limit, const struct ration__key_part *parts, size_t count)
{
	json_t *keys = json_object();

	for (size_t i = 0; i < RATION__PER_MAX && limit->per[i][0] && i + 2 < count; i++)
		json_object_set_new(
			keys, limit->per[i], json_stringn(parts[i + 2].text, parts[i + 2].length));
	return keys;
}

static void add_limit(struct view *view, json_t *service, const struct ration__limit *limit,
	const struct copied *copy, const struct ration__key_part *parts, size_t count)
{
	json_t *entry = json_object();
	char text[64];

	json_object_set_new(entry, "name", json_string(limit->name));
	if (limit->unit[0])
		json_object_set_new(entry, "unit", json_string(limit->unit));
	if (limit->per[0][0])
		json_object_set_new(entry, "keys", keys_of(limit, parts, count));
	if (limit->kind == RATION__LIMIT_BUCKET) {
		const struct ration__bucket *bucket = (const void *)copy->value;
		struct ration__rate rate = {limit->bucket.rate, RATION__NS_PER_S};

		ration__format_rate(text, sizeof(text), &rate);
		json_object_set_new(entry, "rate", json_string(text));
		json_object_set_new(entry, "burst", json_real(limit->bucket.burst));
		json_object_set_new(entry, "remaining",
			json_real(ration__bucket_remaining(&limit->bucket, bucket, view->now_ns)));
		json_object_set_new(entry, "full_in_s",
			json_real(seconds_until(bucket->rest_at_ns, view->now_ns)));
	} else {
		const struct ration__window *window = (const void *)copy->value;
		int64_t now_ns = limit->kind == RATION__LIMIT_QUOTA ? view->wall_ns : view->now_ns;
		int64_t left = ration__window_remaining(&limit->window, window, now_ns);

		ration__format_duration(text, sizeof(text), limit->window.window_ns);
		json_object_set_new(
			entry, "max", json_real((double)limit->window.max / RATION__MICRO));
		json_object_set_new(entry, "window", json_string(text));
		json_object_set_new(entry, "remaining", json_real((double)left / RATION__MICRO));
		json_object_set_new(entry, "frees_in_s",
			json_real(seconds_until(
				ration__window_frees_at(&limit->window, window, now_ns), now_ns)));
	}
	json_array_append_new(
		json_object_get(service, limit->kind == RATION__LIMIT_QUOTA ? "quotas" : "limits"),
		entry);
}

static void add_breaker(struct view *view, json_t *service, const struct ration__rules *rules,
	const struct ration__breaker *breaker)
{
	json_t *entry =
		json_pack("{s:s, s:i, s:I}", "state", ration__breaker_state_name(breaker->state),
			"failures", (int)breaker->failures, "trips", (json_int_t)breaker->trips);

	if (rules && breaker->state == RATION__OPEN)
		json_object_set_new(entry, "until_s",
			json_real(seconds_until(
				ration__breaker_until(&rules->breaker, breaker), view->now_ns)));
	if (breaker->state == RATION__HALF_OPEN) {
		json_object_set_new(entry, "probes", json_integer(breaker->probes));
		json_object_set_new(entry, "successes", json_integer(breaker->successes));
	}
	json_object_set_new(service, "breaker", entry);
}

static void add_concurrency(struct view *view, json_t *service, const struct ration__rules *rules,
	const struct copied *copy)
{
	const struct ration__concurrency *state = (const void *)copy->value;
	uint32_t in_flight;
	json_t *members;

	if (copy->length < sizeof(*state) || copy->length != RATION__CONCURRENCY_SIZE(state->count))
		return;
	in_flight = state->in_flight;
	members = json_array();

	for (uint16_t i = 0; i < state->count; i++) {
		const struct ration__contender *member = &state->contenders[i];

		uint32_t held = member->held;

		/* ended, and settled with its member's next decision */
		if (held && member->slot < RATION__SLOTS_MAX &&
			*ration__slot_word(view->engine->store, member->slot)) {
			held--;
			in_flight--;
		}
		json_array_append_new(
			members, json_pack("{s:i, s:i, s:b}", "slot", (int)member->slot,
					 "in_flight", (int)held, "waiting", member->waiting != 0));
	}
	json_object_set_new(service, "concurrency",
		json_pack("{s:i, s:i, s:o}", "max", rules ? (int)rules->concurrency.max : 0,
			"in_flight", (int)in_flight, "members", members));
}

static void add_definition(struct view *view, const struct copied *copy)
{
	const struct definition_view *definition = (const void *)copy->value;
	json_t *service;

	if (copy->length != sizeof(*definition))
		return;
	service = service_of(view, definition->rules.service);
	json_object_set_new(service, "defined_by", json_string(definition->who));
	if (definition->rules.revision)
		json_object_set_new(
			service, "revision", json_integer((json_int_t)definition->rules.revision));
	if (definition->rules.breaker.trip_after)
		json_object_set_new(service, "breaker",
			json_pack("{s:s, s:i}", "state", "closed", "failures", 0));
	if (definition->rules.concurrency.max)
		json_object_set_new(service, "concurrency",
			json_pack("{s:i, s:i, s:[]}", "max", (int)definition->rules.concurrency.max,
				"in_flight", 0, "members"));
}

static void add_record(struct view *view, const struct copied *copy)
{
	struct ration__key_part parts[2 + RATION__PER_MAX];
	size_t count = ration__key_split(copy->key, copy->key_length, parts, RATION__COUNT(parts));
	const struct ration__rules *rules;
	char name[RATION__NAME_MAX];
	json_t *service;

	if (count == 0 || parts[0].length >= sizeof(name))
		return;
	memcpy(name, parts[0].text, parts[0].length);
	name[parts[0].length] = 0;
	if (view->selector[0] && strcmp(view->selector, name) != 0)
		return;
	if (copy->key[0] == RATION__RECORD_DEFINITION) {
		add_definition(view, copy);
		return;
	}
	rules = rules_of(view, name);
	service = service_of(view, name);
	if (copy->key[0] == RATION__RECORD_BREAKER &&
		copy->length == sizeof(struct ration__breaker))
		add_breaker(view, service, rules, (const void *)copy->value);
	else if (copy->key[0] == RATION__RECORD_CONCURRENCY)
		add_concurrency(view, service, rules, copy);
	for (uint32_t i = 0; count > 1 && rules && i < rules->limit_count; i++)
		if (strlen(rules->limits[i].name) == parts[1].length &&
			memcmp(rules->limits[i].name, parts[1].text, parts[1].length) == 0 &&
			is_of(&rules->limits[i], copy))
			add_limit(view, service, &rules->limits[i], copy, parts, count);
}

/* A quota that hot/ knows nothing of may have been used all the same: the ledger knows. */
static bool read_resting(struct view *view, const struct definition_view *definition,
	const struct ration__limit *limit, struct copied *none)
{
	uint8_t key[RATION__KEY_ROOM];
	size_t length;

	memset(none->value, 0, sizeof(struct ration__quota));
	if (limit->kind != RATION__LIMIT_QUOTA)
		return true;
	length = ration__key_build(
		key, RATION__RECORD_QUOTA, definition->rules.service, limit, NULL, 0);
	return ration__ledger_read(view->engine, key, length, (void *)none->value) == 0;
}

/* A limit that nobody uses at the moment has no record: it is shown as it would answer. With keys
 * it is not: there is none without a record. */
static void add_resting(struct view *view, const struct copied *copy)
{
	const struct definition_view *definition = (const void *)copy->value;
	struct copied *none;
	json_t *service;

	if (copy->key[0] != RATION__RECORD_DEFINITION || copy->length != sizeof(*definition))
		return;
	if (view->selector[0] && strcmp(view->selector, definition->rules.service) != 0)
		return;
	none = calloc(1, sizeof(*none) + sizeof(struct ration__quota));
	service = service_of(view, definition->rules.service);
	for (uint32_t i = 0; none && i < definition->rules.limit_count; i++) {
		const struct ration__limit *limit = &definition->rules.limits[i];
		json_t *entry;
		size_t n;
		bool shown = limit->per[0][0] != 0;

		json_array_foreach(
			json_object_get(
				service, limit->kind == RATION__LIMIT_QUOTA ? "quotas" : "limits"),
			n, entry) shown |=
			strcmp(json_string_value(json_object_get(entry, "name")), limit->name) == 0;
		if (!shown && read_resting(view, definition, limit, none))
			add_limit(view, service, limit, none, NULL, 0);
	}
	free(none);
}

static json_t *members_of(struct ration__store *store)
{
	struct ration__member *list = calloc(RATION__SLOTS_MAX, sizeof(*list));
	size_t count = list ? ration__store_members(store, list, RATION__SLOTS_MAX) : 0;
	json_t *members = json_array();

	for (size_t i = 0; i < count && i < RATION__SLOTS_MAX; i++)
		json_array_append_new(members,
			json_pack("{s:i, s:s, s:I, s:b, s:f}", "slot", (int)list[i].slot, "name",
				list[i].name, "pid", (json_int_t)list[i].pid, "alive",
				list[i].alive, "since", (double)list[i].since_wall_ns / 1e9));
	free(list);
	return members;
}

int ration__engine_inspect(
	struct ration__engine *engine, const char *selector, char **json, ration_error **err)
{
	static const uint8_t types[] = {RATION__RECORD_DEFINITION, RATION__RECORD_BUCKET,
		RATION__RECORD_WINDOW, RATION__RECORD_QUOTA, RATION__RECORD_BREAKER,
		RATION__RECORD_CONCURRENCY};
	struct view view = {.engine = engine, .selector = selector ? selector : ""};
	json_t *root;
	int rc = 0;

	view.last = &view.first;
	view.services = json_array();
	for (size_t i = 0; rc == 0 && i < RATION__COUNT(types); i++)
		rc = copy_type(&view, types[i]);
	for (const struct copied *copy = view.first; rc == 0 && copy; copy = copy->next)
		add_record(&view, copy);
	for (const struct copied *copy = view.first; rc == 0 && copy; copy = copy->next)
		add_resting(&view, copy);
	while (view.first) {
		struct copied *copy = view.first;

		view.first = copy->next;
		free(copy);
	}
	if (rc < 0) {
		json_decref(view.services);
		return ration__error_set(
			err, rc, "%s: %s", ration__store_path(engine->store), ration_strerror(rc));
	}
	root = json_pack("{s:{s:s, s:s, s:I, s:I, s:b}, s:o, s:o}", "store", "path",
		ration__store_path(engine->store), "hot", ration__store_hot_path(engine->store),
		"epoch", (json_int_t)ration__store_epoch(engine->store), "commits",
		(json_int_t)ration__store_commits(engine->store), "truncated",
		view.count >= RECORDS_SHOWN, "services", view.services, "members",
		members_of(engine->store));
	*json = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
	json_decref(root);
	return *json ? 0 : ration__error_set(err, RATION_ENOMEM, "out of memory");
}
