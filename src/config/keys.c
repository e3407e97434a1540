/* Names of keys that are ration's own, "node" and "service": where a call's own key is meant they
 * are refused. As what a rule is `per`, the node is one of its keys, and the service none. */
#include <stdio.h>
#include <string.h>
#include "base/pair.h"
#include "base/util.h"
#include "config/policies.h"
#include "config/service.h"
#include "config/value.h"

struct keys {
	const ration_config *config;
	const char *service;
	ration_error **err;
};

static int fail(const struct keys *keys, const struct ration__entry *entry, const char *name,
	const char *why)
{
	char what[192];

	snprintf(what, sizeof(what), "\"%s\" is no key that a call gives: %s", name, why);
	return ration__bind_fail(entry, NULL, NULL, NULL, keys->err, what);
}

static int check(const struct keys *keys, const struct ration__entry *entry, const char *name)
{
	if (!strcmp(name, RATION__KEY_SERVICE))
		return fail(keys, entry, name, "it stands for the service");
	/* of what is no HTTP the caller says which node it goes to */
	if (!strcmp(name, RATION__KEY_NODE) && ration__place_exists(keys->config, keys->service))
		return fail(keys, entry, name, "it is the node that the call goes to");
	return 0;
}

static int check_list(const struct keys *keys, const char *pattern)
{
	const struct ration__entry *entry =
		ration__bind_entry(keys->config, pattern, keys->service, NULL);
	char name[RATION__KEYNAME_MAX];
	struct ration__list list;
	int rc = 0;

	if (!entry)
		return 0;
	ration__list_init(&list, entry->text);
	while (rc == 0 && ration__list_next(&list, name, sizeof(name)) == 1)
		rc = check(keys, entry, name);
	return rc;
}

/* "/run/secrets/{tenant}" */
static int check_braces(const struct keys *keys)
{
	static const char *const names[] = {RATION__KEY_NODE, RATION__KEY_SERVICE};
	const struct ration__entry *entry = ration__bind_entry(
		keys->config, "services.*.auth.bearer_file", keys->service, NULL);
	char braces[16];
	int rc = 0;

	for (size_t i = 0; entry && rc == 0 && i < RATION__COUNT(names); i++) {
		snprintf(braces, sizeof(braces), "{%s}", names[i]);
		if (strstr(entry->text, braces))
			rc = check(keys, entry, names[i]);
	}
	return rc;
}

int ration__keys_check(const ration_config *config, const char *service, ration_error **err)
{
	static const char *const patterns[] = {
		"services.*.required_keys", "services.*.auth.per", "services.*.fairness.per"};
	const struct keys keys = {config, service, err};
	int rc = check_braces(&keys);

	for (size_t i = 0; rc == 0 && i < RATION__COUNT(patterns); i++)
		rc = check_list(&keys, patterns[i]);
	return rc;
}
