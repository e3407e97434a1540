/*
 * Configuration turned into what the layers below work with. Here, and only here, settings that
 * contradict each other are refused.
 */
#ifndef CONFIG_COMPILE_H
#define CONFIG_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ration/config.h>
#include "guard/rules.h"
#include "http/exchange.h"
#include "http/service.h"
#include "store/store.h"

/* Services by name, in order. The name is borrowed until the next change. */
int ration__config_service_count(const ration_config *config);
const char *ration__config_service_name(const ration_config *config, int i);
bool ration__config_has_service(const ration_config *config, const char *service);

/* What the fleet shares. Compares as bytes: the same settings give the same rules, in whatever
 * order they were written. 0, RATION_ESERVICE, RATION_ECONFIG. */
int ration__config_rules(const ration_config *config, const char *service,
	struct ration__rules *out, ration_error **err);

/* The HTTP side. Independent of config afterwards; _fini frees it. 0, RATION_ESERVICE,
 * RATION_ECONFIG, RATION_ENOMEM. */
int ration__config_service(const ration_config *config, const char *service,
	struct ration__service_conf *out, ration_error **err);
void ration__service_conf_fini(struct ration__service_conf *conf); /* zeroes it; twice is fine */
/* A shallow copy for one request: its strings are those of `from`, which must outlive it; _fini is
 * not needed and does nothing. */
void ration__service_conf_copy(
	struct ration__service_conf *copy, const struct ration__service_conf *from);
/* One setting of the service for one request: "timeouts.read", "retry.attempts". On failure copy
 * is untouched. 0, RATION_ECONFIG. */
int ration__config_request_option(
	struct ration__service_conf *copy, const char *path, const char *value, ration_error **err);

/* Whose turn it is among a process's jobs. Independent of config afterwards; _fini frees it. */
struct ration__weight {
	const char *value;
	uint32_t weight; /* 1 .. 100 */
};
#define RATION__WEIGHTS_MAX 256
struct ration__fairness_conf {
	char per[RATION__KEYNAME_MAX];	/* key name; "": no key, all of the service's jobs are alike
					 */
	struct ration__weight *weights; /* by value, in order; of others the weight is 1 */
	size_t weight_count;
};
/* 0, RATION_ESERVICE, RATION_ECONFIG, RATION_ENOMEM. */
int ration__config_fairness(const ration_config *config, const char *service,
	struct ration__fairness_conf *out, ration_error **err);
void ration__fairness_conf_fini(struct ration__fairness_conf *conf); /* zeroes it */

/* Where the store is; path, size: room for the default's path, which out->path then points to.
 * Strings of out are borrowed until config's next change. hooks, deadline, must_exist are the
 * caller's. 0, RATION_ENOSTORE, RATION_ETOOBIG. */
int ration__config_store(const ration_config *config, struct ration__store_options *out, char *path,
	size_t size, ration_error **err);

/* This process's own. */
struct ration__process_conf {
	uint32_t threads;
	uint32_t queue_max; /* jobs submitted and not ended, all threads */
	uint32_t log_level; /* enum ration_log_level */
};
void ration__config_process(const ration_config *config, struct ration__process_conf *out);

struct ration__config_hooks {
	struct ration__clock clock;
	ration_random_fn random; /* NULL: the library's own */
	void *random_arg;
	struct ration__transport transport; /* in place of the network */
	ration_log_fn log;		    /* NULL: nobody listens */
	void *log_arg;
	ration_event_fn event; /* NULL: nobody listens */
	void *event_arg;
};
void ration__config_hooks(const ration_config *config, struct ration__config_hooks *out);
/* The token provider given for that service; NULL in *fn: none. */
void ration__config_token(
	const ration_config *config, const char *service, ration_token_fn *fn, void **arg);

#endif
