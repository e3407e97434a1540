/*
 * Configuration: settings by path, one vocabulary for YAML files, code, environment variables and
 * the command's --set.
 *
 * A path names one setting: "services.notion.limits.requests.rate". Values are text as people
 * write it ("3/s", "30s", "16MiB"). Mistakes are refused where they are made, with the place and
 * what would be right.
 */
#ifndef RATION_CONFIG_H
#define RATION_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <ration/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ration_config ration_config;

/* An empty configuration, every setting at its default. NULL: out of memory. [1] */
RATION_EXPORT ration_config *ration_config_new(void);
RATION_EXPORT void ration_config_free(ration_config *config);

/* Reads a YAML file and adds its settings. All or nothing. Blocks on the file. [1]
 * 0, RATION_ENOFILE, RATION_ECONFIG, RATION_ENOMEM. */
RATION_EXPORT int ration_config_load(ration_config *config, const char *path, ration_error **err);
/* The same from memory; name stands for the file in error messages. [1] */
RATION_EXPORT int ration_config_load_text(
	ration_config *config, const char *text, const char *name, ration_error **err);
/* Applies the settings that stand under environments.NAME in the files loaded so far, as if a file
 * with them were loaded now. All or nothing. [1]
 * 0, RATION_ECONFIG with the names that there are, RATION_ENOMEM. */
RATION_EXPORT int ration_config_overlay(
	ration_config *config, const char *name, ration_error **err);
/* Adds settings from environment variables: PREFIX__services__notion__timeouts__read=15s. Two
 * underscores stand for a dot; case does not matter, and in names that were set before neither does
 * the difference of - . and _. All or nothing; an error names the variable. prefix NULL: "RATION".
 * env: "NAME=VALUE" strings, ended by NULL; NULL: the process's own, not beside setenv. [1]
 * 0, RATION_ECONFIG, RATION_ENOMEM. */
RATION_EXPORT int ration_config_load_env(
	ration_config *config, const char *prefix, const char *const *env, ration_error **err);
/* Sets one setting; wins over what was set before. [1] 0, RATION_ECONFIG, RATION_ENOMEM. */
RATION_EXPORT int ration_config_set(
	ration_config *config, const char *path, const char *value, ration_error **err);
/* The text that was set, else the default's, else NULL. Borrowed until the next change. [1] */
RATION_EXPORT const char *ration_config_get(const ration_config *config, const char *path);
/* Every effective setting, defaults included, as YAML. Caller frees with ration_free. [1]
 * 0, RATION_ECONFIG when settings contradict each other, RATION_ENOMEM. */
RATION_EXPORT int ration_config_dump(const ration_config *config, char **text, ration_error **err);

/* A preset by its name, as JSON: name; initial, min, max and step in tokens per second; factor; uri
 * (null: none). config may be NULL: built-in presets only. Caller frees with ration_free. [1]
 * 0, RATION_ECONFIG with the names that there are, RATION_ENOMEM. */
RATION_EXPORT int ration_preset_get(
	const ration_config *config, const char *name, char **json, ration_error **err);

/*
 * Hooks. They are copied when a client or guard is opened; they may be called from any thread of
 * the library and must not block.
 */

enum ration_clock {
	RATION_CLOCK_STEADY, /* never steps; counts on while the machine sleeps */
	RATION_CLOCK_WALL,   /* since 1970-01-01 UTC; may step */
};
/* Nanoseconds of the clock asked for. A store made with an injected clock refuses members without
 * one, and the other way round, since both would count different times. */
typedef int64_t (*ration_clock_fn)(void *arg, enum ration_clock which);
RATION_EXPORT void ration_config_set_clock(ration_config *config, ration_clock_fn fn, void *arg);
/* 64 random bits; replaces the library's own generator, for jitter and ids. */
typedef uint64_t (*ration_random_fn)(void *arg);
RATION_EXPORT void ration_config_set_random(ration_config *config, ration_random_fn fn, void *arg);

enum ration_log_level { RATION_LOG_ERROR, RATION_LOG_WARNING, RATION_LOG_INFO, RATION_LOG_DEBUG };
/* One event in words; text is borrowed for the call. Never called inside a store transaction. */
typedef void (*ration_log_fn)(void *arg, enum ration_log_level level, const char *text);
RATION_EXPORT void ration_config_on_log(ration_config *config, ration_log_fn fn, void *arg);

/* What happened to a service's limits, for alerts. Each is told once in the whole fleet: by the
 * process whose decision did it. Values never change; more may come. */
enum ration_event {
	RATION_EVENT_BREAKER_OPENED = 1,
	RATION_EVENT_BREAKER_CLOSED = 2,
	RATION_EVENT_QUOTA_LOW = 3,  /* less than warn_below is left; value: how much */
	RATION_EVENT_RATE_CUT = 4,   /* an adaptive rate fell; value: the new rate, per second */
	RATION_EVENT_COOLDOWN = 5,   /* the server said wait; value: seconds */
	RATION_EVENT_DEFINITION = 6, /* somebody replaced the service's definition */
};
/* rule: the limit's or quota's name, "breaker", "cooldown"; keys: its key values, as in a selector.
 * Strings are borrowed for the call. Never called inside a store transaction. */
typedef void (*ration_event_fn)(void *arg, enum ration_event event, const char *service,
	const char *rule, const char *keys, double value);
RATION_EXPORT void ration_config_on_event(ration_config *config, ration_event_fn fn, void *arg);

/* A token provider: gives the token of the next attempt, without "Bearer ". Called on a thread of
 * the client's own, so it may block (ask another service, decrypt a file); one call at a time for
 * the same service and values of the keys in auth.per: attempts that come meanwhile share its
 * answer. It may use any client but the one that asks. */
typedef struct ration_token_ask ration_token_ask;
RATION_EXPORT const char *ration_token_ask_service(const ration_token_ask *ask);
/* The value of one of the keys in auth.per; "" for others. */
RATION_EXPORT const char *ration_token_ask_key(const ration_token_ask *ask, const char *name);
/* 1: the server answered 401 to the last token. */
RATION_EXPORT int ration_token_ask_rejected(const ration_token_ask *ask);
/* The answer; copied, and wiped after use. 0, RATION_EINVAL: control characters, or empty;
 * RATION_ETOOBIG: above 16 KiB; RATION_ENOMEM. */
RATION_EXPORT int ration_token_ask_set(ration_token_ask *ask, const char *token);
/* Returns RATION_TOKEN_OK; RATION_TOKEN_AGAIN: likewise, and when the server answers 401, ask once
 * more; or a RATION_E*: the attempt fails with RATION_ETOKEN, and is retried as a connection that
 * failed is. */
enum { RATION_TOKEN_OK = 0, RATION_TOKEN_AGAIN = 1 };
typedef int (*ration_token_fn)(void *arg, ration_token_ask *ask);
/* For the service of that name; wins over its auth settings. fn NULL: none. [1] 0, RATION_EINVAL,
 * RATION_ENOMEM. */
RATION_EXPORT int ration_config_on_token(
	ration_config *config, const char *service, ration_token_fn fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
