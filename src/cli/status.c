/* ration status: what a store holds now. The JSON is the library's; the table is made from it, so
 * that people and programs see the same. Looks only: makes no store, takes nothing. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ration/ration.h>
#include "base/units.h"
#include "base/util.h"
#include "cli/cli.h"
#include "cli/options.h"

enum option { CONFIG, STORE, JSON, HELP };

static const struct ration__option table[] = {
	[CONFIG] = {"config", 'c', "FILE", "the configuration that names the store"},
	[STORE] = {"store", 0, "DIR", "the store [$RATION_STORE, $XDG_STATE_HOME/ration]"},
	[JSON] = {"json", 0, NULL, "as JSON"},
	[HELP] = {"help", 'h', NULL, "this text"},
	{0},
};

static const char head[] =
	"Usage: ration status [OPTION]... [SERVICE]\n"
	"\n"
	"Shows the limits, quotas, breakers, requests in flight and members of a store, or those "
	"of one\nservice. A limit with keys shows those that are in use: one at rest has no record.\n";

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static double number_of(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

/* Untrusted by the terminal: names come from whoever can write the store. */
static void put_text(const char *text, int width)
{
	int put = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

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

static void put_seconds(double seconds)
{
	char text[64];

	if (seconds > 1e9)
		seconds = 1e9;
	ration__format_duration_human(text, sizeof(text), (int64_t)(seconds * 1e9));
	fputs(text, stdout);
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

static void put_limit(const json_t *entry, const char *kind)
{
	printf("  %-12s ", kind);
	put_text(text_of(entry, "name"), 0);
	put_keys(entry);
	fputs(": ", stdout);
	put_number(number_of(entry, "remaining"));
	if (json_object_get(entry, "rate")) {
		fputs(" left of burst ", stdout);
		put_number(number_of(entry, "burst"));
		fputs(", ", stdout);
		put_text(text_of(entry, "rate"), 0);
	} else {
		fputs(" left of ", stdout);
		put_number(number_of(entry, "max"));
		putchar('/');
		put_text(text_of(entry, "window"), 0);
	}
	if (*text_of(entry, "unit")) {
		putchar(' ');
		put_text(text_of(entry, "unit"), 0);
	}
	if (number_of(entry, "frees_in_s") > 0) {
		fputs(", next frees in ", stdout);
		put_seconds(number_of(entry, "frees_in_s"));
	}
	putchar('\n');
}

static void put_breaker(const json_t *breaker)
{
	if (!breaker)
		return;
	printf("  %-12s ", "breaker");
	put_text(text_of(breaker, "state"), 0);
	if (number_of(breaker, "until_s") > 0) {
		fputs(", probed in ", stdout);
		put_seconds(number_of(breaker, "until_s"));
	}
	if (number_of(breaker, "failures") > 0)
		printf(", %.0f failures in a row", number_of(breaker, "failures"));
	putchar('\n');
}

static void put_concurrency(const json_t *concurrency)
{
	json_t *member;
	int waiting = 0;
	size_t i;

	if (!concurrency)
		return;
	json_array_foreach(json_object_get(concurrency, "members"), i, member) waiting +=
		json_is_true(json_object_get(member, "waiting"));
	printf("  %-12s %.0f of %.0f in flight", "concurrency", number_of(concurrency, "in_flight"),
		number_of(concurrency, "max"));
	if (waiting)
		printf(", %d member%s waiting", waiting, waiting == 1 ? " is" : "s are");
	putchar('\n');
}

static void put_service(const json_t *service)
{
	json_t *entry;
	size_t i;

	put_text(text_of(service, "name"), 0);
	putchar('\n');
	json_array_foreach(json_object_get(service, "limits"), i, entry)
		put_limit(entry, json_object_get(entry, "rate") ? "rate" : "limit");
	json_array_foreach(json_object_get(service, "quotas"), i, entry) put_limit(entry, "quota");
	put_breaker(json_object_get(service, "breaker"));
	put_concurrency(json_object_get(service, "concurrency"));
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

static int put_table(const char *json)
{
	json_t *root = json_loads(json, 0, NULL);
	const json_t *store = json_object_get(root, "store");
	json_t *service;
	size_t i;

	if (!root) {
		ration__cli_error("status", "%s", ration_strerror(RATION_ENOMEM));
		return RATION__EXIT_STORE;
	}
	fputs("store ", stdout);
	put_text(text_of(store, "path"), 0);
	putchar('\n');
	json_array_foreach(json_object_get(root, "services"), i, service) put_service(service);
	put_members(json_object_get(root, "members"));
	if (json_is_true(json_object_get(store, "truncated")))
		puts("(more records than are shown; name a service)");
	json_decref(root);
	return ration__cli_finish_stdout("status");
}

static int fail(int code, ration_error *err)
{
	ration__cli_error("status", "%s", err ? ration_error_text(err) : ration_strerror(code));
	ration_error_free(err);
	return ration__cli_exit_of(code);
}

static int status(const char *file, const char *store, const char *service, bool as_json)
{
	ration_config *config = ration_config_new();
	ration_error *err = NULL;
	int rc = config ? 0 : RATION_ENOMEM;
	char *json = NULL;

	if (rc == 0 && file)
		rc = ration_config_load(config, file, &err);
	if (rc == 0 && store)
		rc = ration_config_set(config, "store.path", store, &err);
	if (rc == 0)
		rc = ration_inspect(config, service, &json, &err);
	ration_config_free(config);
	if (rc < 0)
		return fail(rc, err);
	if (as_json) {
		puts(json);
		rc = ration__cli_finish_stdout("status");
	} else {
		rc = put_table(json);
	}
	ration_free(json);
	return rc;
}

int ration__cmd_status(int argc, char **argv)
{
	const char *file = NULL, *store = NULL, *service = NULL;
	struct ration__options options;
	bool as_json = false;
	int found;

	ration__options_init(&options, table, argc, argv);
	while ((found = ration__options_next(&options)) != RATION__OPTIONS_END) {
		switch (found) {
		case CONFIG:
			file = options.value;
			break;
		case STORE:
			store = options.value;
			break;
		case JSON:
			as_json = true;
			break;
		case HELP:
			ration__options_help(stdout, head, table);
			return ration__cli_finish_stdout("status");
		case RATION__OPTIONS_ARGUMENT:
			if (!service) {
				service = options.value;
				break;
			}
			ration__cli_error("status", "one service only: %s", options.value);
			return RATION__EXIT_USAGE;
		default:
			return RATION__EXIT_USAGE;
		}
	}
	return status(file, store, service ? service : "", as_json);
}
