/*
 * The table of settings, in the order in which they are shown. A setting that is not implemented
 * does not stand here: an unknown key is refused, a key that does nothing would be a lie.
 */
#include "config/schema.h"
#include "base/clock.h"
#include "base/util.h"
#include "config/compile.h"
#include "guard/rules.h"
#include "http/service.h"

#define NS ((double)RATION__NS_PER_S)
#define DAY (24.0 * 3600 * NS)
#define YEARS (36525.0 * DAY)
#define MIB (1024.0 * 1024)

#define INTO(target_, structure, member)                                                  \
	.target = RATION__TARGET_##target_, .offset = offsetof(struct structure, member), \
	.width = sizeof(((struct structure *)0)->member)
#define SERVICE(member) INTO(SERVICE, ration__service_conf, member), .per_request = true
#define RULES(member) INTO(RULES, ration__rules, member)
#define LIMIT(member) INTO(LIMIT, ration__limit, member)
#define PROCESS(member) INTO(PROCESS, ration__process_conf, member)

#define DURATION RATION__TYPE_DURATION
#define UINT RATION__TYPE_UINT
#define DURATION_EXPECTED "a duration such as 250ms, 30s or 1h30m"
#define NAMES_EXPECTED "a list of at most 4 key names, such as [agent, tool]"
#define NAME_EXPECTED "a name of at most 31 letters, digits, dots, dashes and underscores"
#define NUMBER_EXPECTED "a number above 0, such as 1000"
#define TIMES_EXPECTED "a whole number from 1 to 1000"

/* The formatter's alignment of lists in macros is no help to a reader. */
/* clang-format off */

/* One backoff's settings: `retry.backoff` and `retry.throttle` differ in their defaults only. */
#define BACKOFF(name, kind_, jitter_, what)                                                     \
	{.pattern = "services.*.retry." #name ".kind",                                          \
		.type = RATION__TYPE_CHOICE,                                                    \
		.fallback = kind_,                                                              \
		.words = "constant|exponential",                                                \
		.expected = "constant or exponential",                                          \
		.meaning = "how the pause after " what " grows",                                \
		SERVICE(retry.name.kind)},                                                      \
	{.pattern = "services.*.retry." #name ".first",                                         \
		.type = DURATION,                                                               \
		.fallback = "1s",                                                               \
		.max = DAY,                                                                     \
		.expected = "a duration of at most 24h, such as 1s",                            \
		.meaning = "first pause after " what,                                           \
		SERVICE(retry.name.first_ns)},                                                  \
	{.pattern = "services.*.retry." #name ".max",                                           \
		.type = DURATION,                                                               \
		.fallback = "60s",                                                              \
		.max = DAY,                                                                     \
		.expected = "a duration of at most 24h, such as 60s",                           \
		.meaning = "longest pause after " what,                                         \
		SERVICE(retry.name.max_ns)},                                                    \
	{.pattern = "services.*.retry." #name ".factor",                                        \
		.type = RATION__TYPE_NUMBER,                                                    \
		.fallback = "2",                                                                \
		.min = 1,                                                                       \
		.max = 100,                                                                     \
		.expected = "a number from 1 to 100",                                           \
		.meaning = "each pause is this many times the one before (exponential)",        \
		SERVICE(retry.name.factor)},                                                    \
	{.pattern = "services.*.retry." #name ".jitter",                                        \
		.type = RATION__TYPE_CHOICE,                                                    \
		.fallback = jitter_,                                                            \
		.words = "none|full|equal",                                                     \
		.expected = "none, full or equal",                                              \
		.meaning = "randomness: none, anywhere below the pause, or its upper half",     \
		SERVICE(retry.name.jitter)}

#define TIMEOUT(name, fallback_, what)                                  \
	{.pattern = "services.*.timeouts." #name,                       \
		.type = DURATION,                                       \
		.fallback = fallback_,                                  \
		.min = 1e6,                                             \
		.max = 30 * DAY,                                        \
		.expected = "a duration from 1ms to 30d, such as 30s",  \
		.meaning = what,                                        \
		SERVICE(timeouts.name##_ns)}

/* What limits and quotas have in common. */
#define COUNTED(kind)                                                           \
	{.pattern = "services.*." kind ".*.max",                                \
		.type = RATION__TYPE_NUMBER,                                    \
		.min = 1e-6,                                                    \
		.max = 1e12,                                                    \
		.expected = NUMBER_EXPECTED,                                    \
		.meaning = "at most this much in any window"},                  \
	{.pattern = "services.*." kind ".*.window",                             \
		.type = DURATION,                                               \
		.min = 1e6,                                                     \
		.max = 3660 * DAY,                                              \
		.expected = "a duration from 1ms to 3660d, such as 1m or 24h",  \
		.meaning = "length of the window"}

#define COMMON(kind)                                                                    \
	{.pattern = "services.*." kind ".*.per",                                        \
		.type = RATION__TYPE_NAMES,                                             \
		.fallback = "[]",                                                       \
		.expected = NAMES_EXPECTED,                                             \
		.meaning = "keys that have a record each; none: one record for all",    \
		LIMIT(per)},                                                            \
	{.pattern = "services.*." kind ".*.unit",                                       \
		.type = RATION__TYPE_NAME,                                              \
		.unset = "calls",                                                       \
		.expected = NAME_EXPECTED,                                              \
		.meaning = "what is counted, as calls give their cost",                 \
		LIMIT(unit)},                                                           \
	{.pattern = "services.*." kind ".*.estimate",                                   \
		.type = RATION__TYPE_NUMBER,                                            \
		.fallback = "1",                                                        \
		.max = 1e12,                                                            \
		.expected = "a number of at least 0",                                   \
		.meaning = "cost of a call that does not say",                          \
		LIMIT(estimate)}
/* clang-format on */

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

	{.pattern = "services.*",
		.type = RATION__TYPE_MAP,
		.expected = "a map of the service's settings, or {}",
		.meaning = "a service; the name is its identity across processes"},
	{.pattern = "services.*.uris",
		.type = RATION__TYPE_URIS,
		.unset = "not an HTTP service: a guard only",
		.expected = "one http:// or https:// URI without user, query or fragment",
		.meaning = "base URI that requests' paths are joined to"},
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
		RULES(required_keys)},
	{.pattern = "services.*.headers.*",
		.type = RATION__TYPE_HEADER,
		.expected = "text without control characters and without blanks at its ends",
		.meaning = "a header that every request carries"},

	{.pattern = "services.*.limits.*",
		.type = RATION__TYPE_MAP,
		.expected = "a map with rate, or with max and window",
		.meaning = "a limit; the name is its identity across processes"},
	{.pattern = "services.*.limits.*.rate",
		.type = RATION__TYPE_RATE,
		.min = 1e-9, /* a second */
		.max = 1e9,
		.expected = "a rate such as 3/s, 180/min or 1000/24h",
		.meaning = "how fast: a token bucket"},
	{.pattern = "services.*.limits.*.burst",
		.type = RATION__TYPE_BURST,
		.unset = "one second of the rate, at least 1",
		.min = 1,
		.max = 1e12,
		.expected = "a number of at least 1, or a duration's worth of the rate, such as 1m",
		.meaning = "how much may go at once after a rest"},
	COUNTED("limits"),
	COMMON("limits"),

	{.pattern = "services.*.quotas.*",
		.type = RATION__TYPE_MAP,
		.expected = "a map with max and window",
		.meaning = "a quota: a limit that survives a power cut; the name is its identity"},
	COUNTED("quotas"),
	COMMON("quotas"),
	{.pattern = "services.*.quotas.*.durable",
		.type = DURATION,
		.fallback = "1s",
		.min = 1e6,
		.max = 3600 * NS,
		.word = "sync",
		.word_value = 0,
		.expected = "sync, or a duration from 1ms to 1h",
		.meaning = "how much use a power cut may waste: of this long, or (sync) none",
		LIMIT(durable_ns)},

	{.pattern = "services.*.concurrency",
		.type = UINT,
		.min = 1,
		.max = 65535,
		.word = "off",
		.word_value = 0,
		.expected = "a map, off, or a whole number from 1 to 65535",
		.alias = "concurrency.max"},
	{.pattern = "services.*.concurrency.max",
		.type = UINT,
		.fallback = "20",
		.min = 1,
		.max = 65535,
		.word = "off",
		.word_value = 0,
		.expected = "off, or a whole number from 1 to 65535",
		.meaning = "calls in flight at most, in all processes together",
		RULES(concurrency.max)},
	{.pattern = "services.*.concurrency.wait",
		.type = DURATION,
		.fallback = "30s",
		.max = YEARS,
		.word = "forever",
		.word_value = -1,
		.expected = "forever, or " DURATION_EXPECTED,
		.meaning = "how long a job waits for tokens and a free place before it is refused",
		SERVICE(timeouts.wait_ns)},

	{.pattern = "services.*.breaker",
		.type = RATION__TYPE_CHOICE,
		.words = "off",
		.expected = "a map, or off",
		.alias = "breaker.trip_after"},
	{.pattern = "services.*.breaker.trip_after",
		.type = UINT,
		.fallback = "5",
		.min = 1,
		.max = 1e6,
		.word = "off",
		.word_value = 0,
		.expected = "off, or a whole number from 1 to 1000000",
		.meaning = "failures in a row that open the breaker",
		RULES(breaker.trip_after)},
	{.pattern = "services.*.breaker.open_for",
		.type = DURATION,
		.fallback = "60s",
		.min = 1e6,
		.max = 30 * DAY,
		.expected = "a duration from 1ms to 30d, such as 60s",
		.meaning = "how long it stays open before it is tried again",
		RULES(breaker.open_ns)},
	{.pattern = "services.*.breaker.close_after",
		.type = UINT,
		.fallback = "1",
		.min = 1,
		.max = 1000,
		.expected = TIMES_EXPECTED,
		.meaning = "successful probes that close it",
		RULES(breaker.close_after)},
	{.pattern = "services.*.breaker.probes",
		.type = UINT,
		.fallback = "1",
		.min = 1,
		.max = 1000,
		.expected = TIMES_EXPECTED,
		.meaning = "probes in flight at a time, in all processes together",
		RULES(breaker.probes)},
	{.pattern = "services.*.wait_for",
		.type = RATION__TYPE_CHOICES,
		.fallback = "[]",
		.words = "breaker|quota",
		.expected = "a list of breaker and quota",
		.meaning = "what is waited for instead of being refused at once"},
	{.pattern = "services.*.on_store_failure",
		.type = RATION__TYPE_CHOICE,
		.fallback = "local",
		.words = "local|closed|open",
		.expected = "local, closed or open",
		.meaning = "while the store cannot answer: this process's share, nothing, or "
			   "everything",
		RULES(on_failure)},

	{.pattern = "services.*.retry.attempts",
		.type = UINT,
		.fallback = "3",
		.min = 1,
		.max = 1000,
		.expected = TIMES_EXPECTED,
		.meaning = "sends in all; `retries: 2` says the same as `attempts: 3`",
		SERVICE(retry.attempts)},
	{.pattern = "services.*.retry.retries",
		.type = UINT,
		.min = 0,
		.max = 999,
		.expected = "a whole number from 0 to 999",
		.alias = "retry.attempts",
		.per_request = true},
	{.pattern = "services.*.retry.throttled_attempts",
		.type = UINT,
		.fallback = "20",
		.min = 1,
		.max = 1000,
		.expected = TIMES_EXPECTED,
		.meaning = "sends that were answered 429 and the like, counted apart",
		SERVICE(retry.throttled_attempts)},
	{.pattern = "services.*.retry.methods",
		.type = RATION__TYPE_CHOICE,
		.fallback = "safe",
		.words = "safe|all|none",
		.expected = "safe, all or none",
		.meaning = "which methods are sent again after an answer was lost",
		SERVICE(retry.methods)},
	BACKOFF(backoff, "exponential", "full", "a failure"),
	BACKOFF(throttle, "constant", "none", "a 429"),
	{.pattern = "services.*.retry.throttle.retry_after_max",
		.type = DURATION,
		.fallback = "120s",
		.max = DAY,
		.expected = "a duration of at most 24h, such as 120s",
		.meaning = "a longer Retry-After counts as this",
		SERVICE(retry.retry_after_max_ns)},

	TIMEOUT(connect, "5s", "until the connection stands: name, TCP, TLS"),
	TIMEOUT(read, "30s", "longest silence of the server"),
	TIMEOUT(write, "30s", "longest time in which nothing could be sent"),
	TIMEOUT(attempt, "60s", "one attempt, from start to the answer's last byte"),
	{.pattern = "services.*.timeouts.total",
		.type = DURATION,
		.fallback = "2m",
		.min = 1e6,
		.max = YEARS,
		.word = "none",
		.word_value = -1,
		.expected = "none, or a duration from 1ms, such as 2m",
		.meaning = "a job without a deadline of its own, waits and retries included",
		SERVICE(timeouts.total_ns)},

	{.pattern = "services.*.response.body_max",
		.type = RATION__TYPE_SIZE,
		.fallback = "16MiB",
		.max = 1024 * MIB * 1024,
		.expected = "a size such as 64KiB or 16MiB",
		.meaning = "longer bodies are cut and the job fails",
		SERVICE(body_max)},
	{.pattern = "services.*.response.headers_max",
		.type = RATION__TYPE_SIZE,
		.fallback = "256KiB",
		.min = 1024,
		.max = 16 * MIB,
		.expected = "a size from 1KiB to 16MiB, such as 256KiB",
		.meaning = "more bytes of headers fail the attempt",
		SERVICE(headers_max)},
	{.pattern = "services.*.response.accept",
		.type = RATION__TYPE_ACCEPT,
		.fallback = "[2xx]",
		.expected = "a list of statuses and classes, such as [2xx, 404]",
		.meaning = "answers that make a job ok",
		.per_request = true},

	{.pattern = "services.*.connections.idle",
		.type = UINT,
		.fallback = "256",
		.min = 1,
		.max = 4096,
		.expected = "a whole number from 1 to 4096",
		.meaning = "idle connections that each worker keeps; of several services the "
			   "largest number holds",
		INTO(SERVICE, ration__service_conf, connections_idle)},
	{.pattern = "services.*.connections.age",
		.type = DURATION,
		.fallback = "25s",
		.min = 1 * NS,
		.max = DAY,
		.expected = "a duration from 1s to 24h; keep it below the server's keep-alive time",
		.meaning = "idle connections older than this are not used again",
		INTO(SERVICE, ration__service_conf, connection_age_ns)},
};

const size_t ration__schema_count = RATION__COUNT(ration__schema);
