/*
 * The table of settings, in the order in which they are shown; the rows of services' larger maps
 * stand in schema_*.inc. A setting that is not implemented does not stand here: an unknown key is
 * refused, a key that does nothing would be a lie.
 */
#include "config/schema.h"
#include "base/clock.h"
#include "base/util.h"
#include "config/compile.h"
#include "config/preset.h"
#include "guard/rules.h"
#include "http/redirect.h"
#include "http/service.h"

#define NS ((double)RATION__NS_PER_S)
#define DAY (24.0 * 3600 * NS)
#define YEARS (36525.0 * DAY)
#define MIB (1024.0 * 1024)

#define INTO(target_, structure, member)                                                  \
	.target = RATION__TARGET_##target_, .offset = offsetof(struct structure, member), \
	.width = sizeof(((struct structure *)0)->member)
#define SERVICE(member) INTO(SERVICE, ration__service_conf, member), .per_request = true
#define FIXED(member) INTO(SERVICE, ration__service_conf, member)
#define STRING(member) INTO(STRING, ration__service_conf, member), .http = true
#define RULES(member) INTO(RULES, ration__rules, member)
#define LIMIT(member) INTO(LIMIT, ration__limit, member)
#define PROCESS(member) INTO(PROCESS, ration__process_conf, member)
#define PRESET(member) INTO(PRESET, ration__preset, member)
#define ADAPTIVE(member) INTO(ADAPTIVE, ration__adaptive_conf, member)

#define DURATION RATION__TYPE_DURATION
#define UINT RATION__TYPE_UINT
#define DURATION_EXPECTED "a duration such as 250ms, 30s or 1h30m"
#define NAMES_EXPECTED "a list of at most 4 different key names, such as [agent, tool]"
#define URIS_EXPECTED \
	"a list of at most 32 http:// or https:// URIs without user, query or fragment"
#define FILE_EXPECTED "a file's path; ~ is not expanded"
#define URI_EXPECTED "one http:// or https:// URI without user, query or fragment"
#define NAME_EXPECTED "a name of at most 31 letters, digits, dots, dashes and underscores"
#define NUMBER_EXPECTED "a number above 0, such as 1000"
#define RATE_EXPECTED "a rate such as 3/s, 180/min or 1000/24h"
#define FACTOR_EXPECTED "a number from 0.01 to 0.99"
#define TIMES_EXPECTED "a whole number from 1 to 1000"

const struct ration__setting ration__schema[] = {
	{.pattern = "version",
		.type = UINT,
		.fallback = "1",
		.min = 1,
		.max = 1,
		.expected = "1",
		.meaning = "version of this vocabulary"},
	{.pattern = "store.path",
		.type = RATION__TYPE_TEXT,
		.unset = "$RATION_STORE, else $XDG_STATE_HOME/ration, else ~/.local/state/ration",
		.expected = "a directory's path; ~ is not expanded",
		.meaning = "the directory that the processes share"},
	{.pattern = "store.group",
		.type = RATION__TYPE_TEXT,
		.unset = "private to its owner",
		.expected = "a group's name",
		.meaning = "members of this group may use the store, and trust each other as "
			   "threads do"},
	{.pattern = "store.hot_path",
		.type = RATION__TYPE_TEXT,
		.unset = "in the store; under /dev/shm where the file system copies on write",
		.expected = "a directory's path; ~ is not expanded",
		.meaning = "where the disposable part of the store is"},
	{.pattern = "store.hot_size",
		.type = RATION__TYPE_SIZE,
		.fallback = "64MiB",
		.min = MIB,
		.max = 65536 * MIB,
		.expected = "a size from 1MiB to 64GiB, such as 64MiB",
		.meaning = "size of that part, allocated in full"},
	{.pattern = "workers.threads",
		.type = UINT,
		.fallback = "1",
		.min = 1,
		.max = 64,
		.expected = "a whole number from 1 to 64",
		.meaning = "event loops that send; one serves thousands of requests in flight",
		PROCESS(threads)},
	{.pattern = "workers.queue_max",
		.type = UINT,
		.fallback = "10000",
		.min = 1,
		.max = 10e6,
		.expected = "a whole number from 1 to 10000000",
		.meaning = "jobs that may be submitted and not ended; above, submit says full or "
			   "waits",
		PROCESS(queue_max)},
	{.pattern = "log.level",
		.type = RATION__TYPE_CHOICE,
		.fallback = "info",
		.words = "error|warning|info|debug",
		.expected = "error, warning, info or debug",
		.meaning = "least important events that are still reported",
		PROCESS(log_level)},

	{.pattern = "presets.*",
		.type = RATION__TYPE_MAP,
		.expected = "a map with initial, or with what differs from the built-in preset",
		.meaning = "an API's adaptive rate and place, for services and limits to name"},
	{.pattern = "presets.*.initial",
		.type = RATION__TYPE_RATE,
		.unset = "the built-in preset's; others must say",
		.expected = RATE_EXPECTED,
		.meaning = "the rate that it starts at",
		PRESET(initial)},
	{.pattern = "presets.*.min",
		.type = RATION__TYPE_RATE,
		.unset = "the built-in preset's, else a tenth of initial",
		.expected = RATE_EXPECTED,
		.meaning = "it never falls below this",
		PRESET(min)},
	{.pattern = "presets.*.max",
		.type = RATION__TYPE_RATE,
		.unset = "the built-in preset's, else ten times initial",
		.expected = RATE_EXPECTED,
		.meaning = "it never grows above this",
		PRESET(max)},
	{.pattern = "presets.*.step",
		.type = RATION__TYPE_RATE,
		.unset = "the built-in preset's, else a twentieth of initial",
		.expected = RATE_EXPECTED,
		.meaning = "what a success adds to it",
		PRESET(step)},
	{.pattern = "presets.*.factor",
		.type = RATION__TYPE_NUMBER,
		.unset = "the built-in preset's, else 0.5",
		.min = 0.01,
		.max = 0.99,
		.expected = FACTOR_EXPECTED,
		.meaning = "what a backoff signal multiplies it with",
		PRESET(factor)},
	{.pattern = "presets.*.uri",
		.type = RATION__TYPE_URIS,
		.unset = "the built-in preset's, else none",
		.max = 1,
		.expected = URI_EXPECTED,
		.meaning = "base URI of services that name the preset and have no uris"},

	{.pattern = "environments.*",
		.type = RATION__TYPE_MAP,
		.expected = "a map of settings as they stand at the top, or {}",
		.meaning = "settings that hold over all others when this environment is chosen"},

	{.pattern = "services.*",
		.type = RATION__TYPE_MAP,
		.expected = "a map of the service's settings, or {}",
		.meaning = "a service; the name is its identity across processes"},
	{.pattern = "services.*.mode",
		.type = RATION__TYPE_CHOICE,
		.fallback = "enforce",
		.words = "enforce|observe",
		.expected = "enforce or observe",
		.meaning =
			"observe: decide, count and log what would wait or be refused, but delay "
			"nothing",
		RULES(own.observe)},
	{.pattern = "services.*.preset",
		.type = RATION__TYPE_NAME,
		.expected = "a preset's name, such as notion",
		.meaning =
			"gives the service uris and an adaptive limit named learned, where it has "
			"none of its own"},
	{.pattern = "services.*.profile",
		.type = RATION__TYPE_CHOICE,
		.unset = "the defaults of this table",
		.words = "high-throughput|production",
		.expected = "high-throughput or production",
		.meaning = "other defaults for timeouts, retry, breaker and concurrency"},
	{.pattern = "services.*.uris",
		.type = RATION__TYPE_URIS,
		.unset = "uri_file's, else the preset's; else not an HTTP service: a guard only",
		.max = RATION__NODES_MAX,
		.expected = URIS_EXPECTED,
		.meaning = "nodes: base URIs that requests' paths are joined to"},
	{.pattern = "services.*.uri_file",
		.type = RATION__TYPE_TEXT,
		.expected = FILE_EXPECTED,
		.meaning =
			"instead of uris, a file with one in each line; followed when it changes",
		STRING(uri_file)},
	{.pattern = "services.*.revision",
		.type = UINT,
		.unset = "the definition that was opened last holds",
		.min = 1,
		.max = 9007199254740992.0,
		.expected = "a whole number of at least 1",
		.meaning = "a definition with a lower revision follows the store's instead of "
			   "replacing it",
		RULES(revision)},
	{.pattern = "services.*.required_keys",
		.type = RATION__TYPE_NAMES,
		.fallback = "[]",
		.expected = NAMES_EXPECTED,
		.meaning = "a call without one of these keys is refused",
		RULES(own.required_keys)},
	{.pattern = "services.*.headers.*",
		.type = RATION__TYPE_HEADER,
		.expected = "text without control characters and without blanks at its ends",
		.meaning = "a header that every request carries",
		.http = true},
	{.pattern = "services.*.user_agent",
		.type = RATION__TYPE_HEADER,
		.expected = "text without control characters and without blanks at its ends",
		.alias = "headers.User-Agent"},

#include "config/schema_limits.inc"
#include "config/schema_policies.inc"
#include "config/schema_http.inc"
#include "config/schema_place.inc"
};

const size_t ration__schema_count = RATION__COUNT(ration__schema);
