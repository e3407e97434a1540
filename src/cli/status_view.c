/* The table of `ration status`, from the JSON that programs get. Names come from whoever can write
 * the store: they steer no terminal. */
#include "cli/status_view.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <ration/ration.h>
#include "base/units.h"
#include "base/util.h"
#include "cli/cli.h"

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static double number_of(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

static void put_text(const char *text, int width)
{
	int put = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0)
			c = (unsigned char)*++text & 0x1f; /* U+0080 to U+009F steer as well */
		putchar(c < ' ' || c == 127 ? '?' : c);
		put += (c & 0xc0) != 0x80;
	}
	for (; put < width; put++)
		putchar(' ');
}

static void put_number(double number)
{
	printf("%.*f", number >= 100 || number == (int)number ? 0 : 1, number);
}

static void put_seconds(const char *before, double seconds)
{
	char text[64];

	if (seconds > 1e9)
		seconds = 1e9;
	ration__format_duration_human(text, sizeof(text), (int64_t)(seconds * 1e9));
	printf("%s%s", before, text);
}

/* Of what may be there: ", cools down for 3 s" */
static void put_time(const json_t *entry, const char *name, const char *before)
{
	if (number_of(entry, name) > 0)
		put_seconds(before, number_of(entry, name));
}

static void put_keys(const json_t *entry)
{
	const char *key, *separator = " {";
	json_t *value;

	json_object_foreach(json_object_get(entry, "keys"), key, value)
	{
		fputs(separator, stdout);
		put_text(key, 0);
		putchar('=');
		put_text(json_string_value(value) ? json_string_value(value) : "", 0);
		separator = ", ";
	}
	if (*separator == ',')
		putchar('}');
}

/* "  breaker      ", or with keys "  breaker      {tenant=a}: " */
static void put_head(const char *kind, const json_t *entry)
{
	printf("  %-12s", kind);
	put_keys(entry);
	fputs(json_object_size(json_object_get(entry, "keys")) ? ": " : " ", stdout);
}

/* ---- limits ---- */

static void put_tokens(const json_t *entry)
{
	put_number(number_of(entry, "remaining"));
	fputs(" left of burst ", stdout);
	put_number(number_of(entry, "burst"));
	fputs(", ", stdout);
	put_text(text_of(entry, "rate"), 0);
}

static void put_learned(const json_t *entry)
{
	put_text(text_of(entry, "rate"), 0);
	printf(" now (%g/s to %g/s), ", number_of(entry, "min"), number_of(entry, "max"));
	put_number(number_of(entry, "remaining"));
	fputs(" left of burst ", stdout);
	put_number(number_of(entry, "burst"));
	put_time(entry, "cooldown_s", ", cools down for ");
	if (number_of(entry, "cut_s") > 0) {
		put_seconds(", cut ", number_of(entry, "cut_s"));
		fputs(" ago", stdout);
	}
}

static void put_counted(const json_t *entry)
{
	put_number(number_of(entry, "remaining"));
	fputs(" left of ", stdout);
	put_number(number_of(entry, "max"));
	putchar('/');
	put_text(text_of(entry, "window"), 0);
}

static void put_limit(const json_t *entry, const char *kind)
{
	bool learned = strcmp(text_of(entry, "kind"), "adaptive") == 0;
	bool rate = json_object_get(entry, "rate") != NULL;

	printf("  %-12s ", learned ? "adaptive" : rate ? "rate" : kind);
	put_text(text_of(entry, "name"), 0);
	put_keys(entry);
	fputs(": ", stdout);
	if (learned)
		put_learned(entry);
	else if (rate)
		put_tokens(entry);
	else
		put_counted(entry);
	if (*text_of(entry, "unit")) {
		putchar(' ');
		put_text(text_of(entry, "unit"), 0);
	}
	if (number_of(entry, "resets_in_s") > 0)
		put_time(entry, "resets_in_s", ", resets in ");
	else
		put_time(entry, "frees_in_s", ", next frees in ");
	if (json_is_true(json_object_get(entry, "set")))
		fputs(", set by hand", stdout);
	putchar('\n');
}

/* ---- breakers, places ---- */

static void put_breaker(const json_t *breaker)
{
	double calls = number_of(breaker, "calls");

	if (!breaker)
		return;
	put_head("breaker", breaker);
	put_text(text_of(breaker, "state"), 0);
	put_time(breaker, "forced_for_s", " for ");
	put_time(breaker, "until_s", ", probed in ");
	if (json_object_get(breaker, "probes"))
		printf(", probes out: %.0f, succeeded: %.0f", number_of(breaker, "probes"),
			number_of(breaker, "successes"));
	if (number_of(breaker, "failures") > 0)
		printf(", %.0f failures in a row", number_of(breaker, "failures"));
	if (calls > 0)
		printf(", of %.0f calls %.0f %% failed and %.0f %% were slow", calls,
			100 * number_of(breaker, "failure_rate"),
			100 * number_of(breaker, "slow_rate"));
	putchar('\n');
}

static void put_concurrency(const json_t *concurrency, const char *kind)
{
	const char *algorithm = text_of(concurrency, "algorithm");
	json_t *member;
	int waiting = 0;
	size_t i;

	if (!concurrency)
		return;
	json_array_foreach(json_object_get(concurrency, "members"), i, member) waiting +=
		json_is_true(json_object_get(member, "waiting"));
	put_head(kind, concurrency);
	printf("%.0f of %.0f in flight", number_of(concurrency, "in_flight"),
		number_of(concurrency, "limit"));
	if (*algorithm && strcmp(algorithm, "fixed") != 0) {
		fputs(", learned (", stdout);
		put_text(algorithm, 0);
		printf(", at most %.0f)", number_of(concurrency, "max"));
	}
	if (waiting)
		printf(", %d member%s waiting", waiting, waiting == 1 ? " is" : "s are");
	putchar('\n');
}

/* ---- cooldown, budget, what was set ---- */

static void put_budget(const json_t *budget)
{
	if (!budget)
		return;
	put_head("retries", NULL);
	printf("%.0f of %.0f left", number_of(budget, "remaining"), number_of(budget, "capacity"));
	if (number_of(budget, "refused") > 0)
		printf(", %.0f refused so far", number_of(budget, "refused"));
	putchar('\n');
}

static void put_cooldown(const json_t *cooldown)
{
	put_head("cooldown", cooldown);
	put_seconds("nothing goes for ", number_of(cooldown, "for_s"));
	putchar('\n');
}

/* "  node         http://h:8081: failed 3 times in a row, out for 2 min, tried again in 4 s" */
static void put_node(const json_t *node)
{
	double failures = number_of(node, "failures");
	const char *state = text_of(node, "state");

	put_head("node", NULL);
	put_text(*text_of(node, "uri") ? text_of(node, "uri") : "(its name is not known)", 0);
	fputs(failures > 0 ? ": failed " : ": ", stdout);
	if (failures > 1)
		printf("%.0f times in a row", failures);
	else if (failures > 0)
		fputs("once", stdout);
	if (number_of(node, "status") > 0)
		printf(", last with status %.0f", number_of(node, "status"));
	put_time(node, "out_s", ", out for ");
	if (failures > 0)
		fputs(", ", stdout);
	if (strcmp(state, "unhealthy") == 0)
		put_seconds("tried again in ", number_of(node, "for_s"));
	else if (strcmp(state, "cooling") == 0)
		put_seconds("cools down for ", number_of(node, "for_s"));
	else if (strcmp(state, "probing") == 0)
		fputs("is being probed", stdout);
	else if (strcmp(state, "due") == 0)
		fputs("may be tried again", stdout);
	else
		put_text(state, 0);
	putchar('\n');
}

/* "  by hand      daily/premium: max 10000, for 29 min" */
static void put_setting(const json_t *entry, const char *kind)
{
	const char *separator = ": ";

	printf("  %-12s ", kind);
	put_text(text_of(entry, json_object_get(entry, "rule") ? "rule" : "limit"), 0);
	if (json_object_get(entry, "values") || json_object_get(entry, "value")) {
		putchar('/');
		put_text(text_of(entry, json_object_get(entry, "values") ? "values" : "value"), 0);
	}
	if (*text_of(entry, "state")) {
		fputs(separator, stdout);
		put_text(text_of(entry, "state"), 0);
		separator = ", ";
	}
	if (*text_of(entry, "rate")) {
		printf("%srate ", separator);
		put_text(text_of(entry, "rate"), 0);
		separator = ", ";
	}
	if (json_object_get(entry, "burst")) {
		printf("%sburst ", separator);
		put_number(number_of(entry, "burst"));
		separator = ", ";
	}
	if (json_object_get(entry, "max")) {
		printf("%smax ", separator);
		put_number(number_of(entry, "max"));
	}
	put_time(entry, "for_s", ", for ");
	putchar('\n');
}

/* ---- all ---- */

static void put_service(const json_t *service)
{
	json_t *entry;
	size_t i;

	put_text(text_of(service, "name"), 0);
	putchar('\n');
	json_array_foreach(json_object_get(service, "limits"), i, entry) put_limit(entry, "limit");
	json_array_foreach(json_object_get(service, "quotas"), i, entry) put_limit(entry, "quota");
	put_breaker(json_object_get(service, "breaker"));
	json_array_foreach(json_object_get(service, "breakers"), i, entry) put_breaker(entry);
	put_concurrency(json_object_get(service, "concurrency"), "concurrency");
	json_array_foreach(json_object_get(service, "places"), i, entry)
		put_concurrency(entry, "place");
	put_budget(json_object_get(service, "budget"));
	json_array_foreach(json_object_get(service, "nodes"), i, entry) put_node(entry);
	json_array_foreach(json_object_get(service, "cooldowns"), i, entry) put_cooldown(entry);
	json_array_foreach(json_object_get(service, "overrides"), i, entry)
		put_setting(entry, "override");
	json_array_foreach(json_object_get(service, "settings"), i, entry)
		put_setting(entry, "by hand");
}

/* "36 KiB", "1.5 MiB" */
static void put_size(double bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
	size_t unit = 0;

	for (; bytes >= 1024 && unit + 1 < RATION__COUNT(units); unit++)
		bytes /= 1024;
	put_number(bytes);
	printf(" %s", units[unit]);
}

/* "store /run/x: 36 KiB of 64 MiB in use, 3 records" */
static void put_store(const json_t *store)
{
	double records = number_of(store, "records");

	fputs("store ", stdout);
	put_text(text_of(store, "path"), 0);
	fputs(": ", stdout);
	put_size(number_of(store, "used_bytes"));
	fputs(" of ", stdout);
	put_size(number_of(store, "size_bytes"));
	printf(" in use, %.0f record%s\n", records, records == 1 ? "" : "s");
	if (json_is_true(json_object_get(store, "full")))
		puts("  hot/ is full: until there is room each service's on_store_failure decides; "
		     "a larger store.hot_size or fewer key values help");
}

static void put_members(const json_t *members)
{
	json_t *member;
	size_t i;

	printf("%zu member%s, with this command\n", json_array_size(members),
		json_array_size(members) == 1 ? "" : "s");
	json_array_foreach(members, i, member)
	{
		time_t since = (time_t)number_of(member, "since");
		char text[32] = "";
		struct tm tm;

		if (localtime_r(&since, &tm))
			strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
		printf("  slot %-5.0f pid %-8.0f ", number_of(member, "slot"),
			number_of(member, "pid"));
		put_text(text_of(member, "name"), 16);
		printf(" since %s%s\n", text,
			json_is_true(json_object_get(member, "alive"))
				? ""
				: " (dead, not yet reclaimed)");
	}
}

int ration__status_view(const char *json)
{
	json_t *root = json_loads(json, 0, NULL);
	const json_t *store = json_object_get(root, "store");
	json_t *service;
	size_t i;

	if (!root) {
		ration__cli_error("status", "%s", ration_strerror(RATION_ENOMEM));
		return RATION__EXIT_STORE;
	}
	put_store(store);
	json_array_foreach(json_object_get(root, "services"), i, service) put_service(service);
	put_members(json_object_get(root, "members"));
	if (json_is_true(json_object_get(store, "truncated")))
		puts("(more records than are shown; name a service)");
	json_decref(root);
	return ration__cli_finish_stdout("status");
}
