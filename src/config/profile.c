/* Profiles. See profile.h. */
#include "config/profile.h"
#include <string.h>
#include "base/util.h"
#include "config/bind.h"
#include "config/value.h"

/* In the order of the words of services.*.profile. */
static const struct {
	const char *leaf, *text[2];
} rows[] = {
	{"timeouts.connect", {"30s", "60s"}},
	{"timeouts.read", {"10s", "30s"}},
	{"timeouts.write", {"10s", "30s"}},
	{"retry.attempts", {"2", "3"}},
	{"retry.backoff.first", {"100ms", "1s"}},
	{"retry.backoff.max", {"1s", "30s"}},
	{"concurrency.max", {"100", "20"}},
	{"concurrency.wait", {"5s", "10s"}},
	{"breaker.trip_after", {NULL, "5"}},
	{"breaker.open_for", {NULL, "60s"}},
};

const char *ration__profile_text(
	const ration_config *config, const struct ration__setting *setting, const char *service)
{
	static const char prefix[] = "services.*.";
	const struct ration__entry *entry;

	if (strncmp(setting->pattern, prefix, sizeof(prefix) - 1))
		return NULL;
	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		if (strcmp(rows[i].leaf, setting->pattern + sizeof(prefix) - 1))
			continue;
		entry = ration__bind_entry(config, "services.*.profile", service, NULL);
		return entry ? rows[i].text[ration__word_index(entry->setting->words, entry->text)]
			     : NULL;
	}
	return NULL;
}
