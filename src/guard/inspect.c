/*
 * The store's state as JSON: definitions, limits, quotas, breakers, permits, nodes, settings,
 * members.
 * Records are copied at most 64 a hold of the gate, and told apart and formatted outside (view.c).
 */
#include "guard/view.h"

#include <stdlib.h>
#include <string.h>
#include "base/units.h"
#include "base/zone.h"

#define COPY_BATCH 64
#define RECORDS_SHOWN 10000 /* a million keys are no view */

/* ---- copying ---- */

static int copy_record(void *arg, const void *key, size_t key_length, uint16_t type,
	const void *value, size_t length)
{
	struct ration__view *view = arg;
	struct ration__copied *copy = malloc(sizeof(*copy) + length);

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

static int copy_type(struct ration__view *view, uint8_t type)
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

static int copy_setting(
	void *arg, const uint8_t *key, size_t length, const struct ration__operator *setting)
{
	struct ration__view *view = arg;
	struct ration__held *held = calloc(1, sizeof(*held));

	if (!held)
		return RATION_ENOMEM;
	held->setting = *setting;
	held->key_length = length;
	memcpy(held->key, key, length);
	*view->last_held = held;
	view->last_held = &held->next;
	return 0;
}

static void forget_copies(struct ration__view *view)
{
	while (view->first) {
		struct ration__copied *copy = view->first;

		view->first = copy->next;
		free(copy);
	}
	while (view->held) {
		struct ration__held *held = view->held;

		view->held = held->next;
		free(held);
	}
}

/* ---- telling apart ---- */

/* The service's object in the view, made when it is new. */
static json_t *service_of(struct ration__view *view, const char *name)
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

/* NULL: the record is none */
static const struct definition_view *definition_of(const struct ration__copied *copy)
{
	const struct definition_view *definition = (const void *)copy->value;

	return copy->key[0] == RATION__RECORD_DEFINITION && copy->length == sizeof(*definition) &&
			       definition->rules.version == RATION__RULES_VERSION &&
			       definition->rules.limit_count <= RATION__LIMITS_MAX &&
			       definition->rules.override_count <= RATION__OVERRIDES_MAX
		       ? definition
		       : NULL;
}

/* Definitions were copied first. */
static const struct ration__rules *rules_of(const struct ration__view *view, const char *service)
{
	for (const struct ration__copied *copy = view->first;
		copy && copy->key[0] == RATION__RECORD_DEFINITION; copy = copy->next) {
		const struct definition_view *definition = definition_of(copy);

		if (definition && strcmp(definition->rules.service, service) == 0)
			return &definition->rules;
	}
	return NULL;
}

/* Is the record of a service that is shown? Its name and the parts of the key. */
static size_t read_key(const struct ration__view *view, const uint8_t *key, size_t key_length,
	char name[RATION__NAME_MAX], struct ration__key_part parts[2 + RATION__PER_MAX])
{
	size_t count = ration__key_split(key, key_length, parts, 2 + RATION__PER_MAX);

	if (count == 0 || parts[0].length >= RATION__NAME_MAX)
		return 0;
	memcpy(name, parts[0].text, parts[0].length);
	name[parts[0].length] = 0;
	return view->selector[0] && strcmp(view->selector, name) != 0 ? 0 : count;
}

static void add_definition(struct ration__view *view, const struct ration__copied *copy)
{
	const struct definition_view *definition = definition_of(copy);
	const struct ration__rules *rules;
	json_t *service;

	if (!definition)
		return;
	rules = &definition->rules;
	service = service_of(view, rules->service);
	json_object_set_new(service, "defined_by", json_string(definition->who));
	if (rules->revision)
		json_object_set_new(service, "revision", json_integer((json_int_t)rules->revision));
	if (!rules->breaker_per[0][0])
		ration__view_breaker(view, service, rules, NULL, NULL, 0);
	if (rules->concurrency.max)
		ration__view_concurrency(view, service, rules, NULL, NULL, 0);
	ration__view_budget(view, service, rules, NULL);
	ration__view_overrides(service, rules);
}

static void add_record(struct ration__view *view, const struct ration__copied *copy)
{
	struct ration__key_part parts[2 + RATION__PER_MAX];
	char name[RATION__NAME_MAX];
	size_t count = read_key(view, copy->key, copy->key_length, name, parts);
	const struct ration__rules *rules;
	json_t *service;

	if (count == 0 || copy->key[0] == RATION__RECORD_NODE)
		return; /* a label is found by its table's entry */
	if (copy->key[0] == RATION__RECORD_DEFINITION) {
		add_definition(view, copy);
		return;
	}
	rules = rules_of(view, name);
	service = service_of(view, name);
	switch (copy->key[0]) {
	case RATION__RECORD_BREAKER:
		ration__view_breaker(view, service, rules, copy, parts, count);
		return;
	case RATION__RECORD_CONCURRENCY:
	case RATION__RECORD_PLACE:
		ration__view_concurrency(view, service, rules, copy, parts, count);
		return;
	case RATION__RECORD_COOLDOWN:
		ration__view_cooldown(view, service, rules, copy, parts, count);
		return;
	case RATION__RECORD_BUDGET:
		ration__view_budget(view, service, rules, copy);
		return;
	case RATION__RECORD_NODES:
		ration__view_nodes(view, service, copy);
		return;
	default:
		break;
	}
	for (uint32_t i = 0; count > 1 && rules && i < rules->limit_count; i++)
		if (strlen(rules->limits[i].name) == parts[1].length &&
			memcmp(rules->limits[i].name, parts[1].text, parts[1].length) == 0)
			ration__view_limit(view, service, rules, i, copy, parts, count);
}

/* What a limit without a record would have in one. A quota that hot/ knows nothing of may have been
 * used all the same: the ledger knows. */
static bool read_resting(struct ration__view *view, const struct ration__rules *rules,
	const struct ration__limit *limit, struct ration__copied *none)
{
	uint8_t key[RATION__KEY_ROOM];
	size_t length;

	memset(none->value, 0, sizeof(struct ration__quota));
	switch (limit->kind) {
	case RATION__LIMIT_BUCKET:
		none->length = sizeof(struct ration__bucket);
		return true;
	case RATION__LIMIT_ADAPTIVE:
		none->length = sizeof(struct ration__adaptive);
		return true;
	case RATION__LIMIT_WINDOW:
		none->length = sizeof(struct ration__window);
		return true;
	default:
		none->length = sizeof(struct ration__quota);
		length = ration__key_build(
			key, RATION__RECORD_QUOTA, rules->service, limit->name, NULL, NULL, 0);
		return ration__ledger_read(view->engine, key, length, (void *)none->value) == 0;
	}
}

/* A limit that nobody uses at the moment has no record: it is shown as it would answer. With keys
 * it is not: there is none without a record. */
static void add_resting(struct ration__view *view, const struct ration__copied *copy)
{
	const struct definition_view *definition = definition_of(copy);
	const struct ration__rules *rules;
	struct ration__copied *none;
	json_t *service;

	if (!definition)
		return;
	rules = &definition->rules;
	if (view->selector[0] && strcmp(view->selector, rules->service) != 0)
		return;
	none = calloc(1, sizeof(*none) + sizeof(struct ration__quota));
	service = service_of(view, rules->service);
	for (uint32_t i = 0; none && i < rules->limit_count; i++) {
		const struct ration__limit *limit = &rules->limits[i];
		json_t *entry;
		size_t n;
		bool shown = limit->per[0][0] != 0;

		json_array_foreach(
			json_object_get(
				service, limit->kind == RATION__LIMIT_QUOTA ? "quotas" : "limits"),
			n, entry) shown |=
			strcmp(json_string_value(json_object_get(entry, "name")), limit->name) == 0;
		if (!shown && read_resting(view, rules, limit, none))
			ration__view_limit(view, service, rules, i, none, NULL, 0);
	}
	free(none);
}

static void add_setting(struct ration__view *view, const struct ration__held *held)
{
	struct ration__key_part parts[2 + RATION__PER_MAX];
	char name[RATION__NAME_MAX];

	if (read_key(view, held->key, held->key_length, name, parts))
		ration__view_setting(view, service_of(view, name), held);
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

/* All that there is to see, by type: definitions first, then what nodes are called. */
static int look(struct ration__view *view)
{
	static const uint8_t types[] = {RATION__RECORD_DEFINITION, RATION__RECORD_NODE,
		RATION__RECORD_NODES, RATION__RECORD_BUCKET, RATION__RECORD_ADAPTIVE,
		RATION__RECORD_WINDOW, RATION__RECORD_QUOTA, RATION__RECORD_BREAKER,
		RATION__RECORD_CONCURRENCY, RATION__RECORD_PLACE, RATION__RECORD_COOLDOWN,
		RATION__RECORD_BUDGET};
	int rc = ration__settings_visit(view->engine, -1, copy_setting, view);

	for (size_t i = 0; rc == 0 && i < RATION__COUNT(types); i++)
		rc = copy_type(view, types[i]);
	if (rc < 0)
		return rc;
	for (const struct ration__copied *copy = view->first; copy; copy = copy->next)
		add_record(view, copy);
	for (const struct ration__copied *copy = view->first; copy; copy = copy->next)
		add_resting(view, copy);
	for (const struct ration__held *held = view->held; held; held = held->next)
		add_setting(view, held);
	return 0;
}

/* All of it is zero where the store cannot answer. */
static json_t *store_of(struct ration__view *view)
{
	struct ration__engine *engine = view->engine;
	struct ration__store *store = engine->store;
	uint64_t used = 0, written = 0, size = 0, records = 0;
	struct ration__txn *txn;

	pthread_mutex_lock(&engine->mutex);
	if (ration__store_begin(store, -1, &txn) == 0) {
		ration__txn_usage(txn, &used, &written, &records);
		size = ration__txn_size(txn);
		ration__store_abort(txn);
	}
	pthread_mutex_unlock(&engine->mutex);
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:b}", "path",
		ration__store_path(store), "hot", ration__store_hot_path(store), "used_bytes",
		(json_int_t)used, "written_bytes", (json_int_t)written, "size_bytes",
		(json_int_t)size, "full", ration__full_said(engine), "records", (json_int_t)records,
		"epoch", (json_int_t)ration__store_epoch(store), "commits",
		(json_int_t)ration__store_commits(store), "truncated",
		view->count >= RECORDS_SHOWN);
}

int ration__engine_inspect(
	struct ration__engine *engine, const char *selector, char **json, ration_error **err)
{
	struct ration__view *view = calloc(1, sizeof(*view));
	json_t *root;
	char *text;
	int rc;

	if (!view)
		return ration__error_set(err, RATION_ENOMEM, "out of memory");
	view->engine = engine;
	view->selector = selector ? selector : "";
	view->last = &view->first;
	view->last_held = &view->held;
	view->services = json_array();
	rc = look(view);
	forget_copies(view);
	ration__zone_free(view->zone);
	if (rc < 0) {
		json_decref(view->services);
		free(view);
		return ration__error_set(
			err, rc, "%s: %s", ration__store_path(engine->store), ration_strerror(rc));
	}
	root = json_pack("{s:o, s:o, s:o}", "store", store_of(view), "services", view->services,
		"members", members_of(engine->store));
	free(view);
	text = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
	json_decref(root);
	if (!text)
		return ration__error_set(err, RATION_ENOMEM, "out of memory");
	*json = text;
	return 0;
}
