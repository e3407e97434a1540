/* Opening and closing a client, and its services. See internal.h and include/ration/client.h. */
#include "client/internal.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/util.h"
#include "pool/nodes.h"
#include "pool/token.h"
#include "client/store.h"

#define IN_FLIGHT_MAX 8192 /* of one worker */
/* For a client that is opened without services and is given them later. */
#define CONNECTIONS_IDLE 100
#define CONNECTION_AGE_NS (25 * RATION__NS_PER_S)

int ration__client_check(const ration_client *client)
{
	if (!client)
		return RATION_EINVAL;
	return ration__pool_forked(client->pool) ? RATION_EFORK : 0;
}

/* ---- services ---- */

static size_t head_of(const char *name)
{
	return ration__hash64(name, strlen(name)) % RATION__SERVICE_HEADS;
}

struct ration__client_service *ration__client_service(const ration_client *client, const char *name)
{
	/* acquire: pairs with the release that linked it */
	struct ration__client_service *service =
		atomic_load_explicit(&client->services[head_of(name)], memory_order_acquire);

	while (service && strcmp(service->conf.name, name) != 0)
		service = service->next;
	return service;
}

static void free_service(struct ration__client_service *service)
{
	ration__tokens_free(service->tokens);
	ration__uri_watch_free(service->uris);
	ration__nodes_free(service->nodes);
	ration__guard_close(service->guard);
	ration__service_conf_fini(&service->conf);
	free((void *)service->fairness.weights);
	ration__fairness_conf_fini(&service->fairness_conf);
	free(service);
}

static int load_fairness(struct ration__client_service *service, const ration_config *config,
	const char *name, ration_error **err)
{
	struct ration__fairness_conf *conf = &service->fairness_conf;
	struct ration__fair_weight *weights;
	int rc = ration__config_fairness(config, name, conf, err);

	if (rc < 0)
		return rc;
	weights = calloc(conf->weight_count + 1, sizeof(*weights));
	if (!weights)
		return ration__error_set(err, RATION_ENOMEM, "out of memory");
	for (size_t i = 0; i < conf->weight_count; i++)
		weights[i] = (struct ration__fair_weight){
			conf->weights[i].value, conf->weights[i].weight};
	service->fairness = (struct ration__fairness){
		.per = conf->per, .weights = weights, .weight_count = conf->weight_count};
	return 0;
}

/* Where its calls go, and as whom. */
static int load_route(ration_client *client, const ration_config *config,
	struct ration__client_service *service, ration_error **err)
{
	const struct ration__config_hooks *hooks = &client->hooks;
	struct ration__nodes_options nodes = {.engine = client->engine,
		.service = service->conf.name,
		.conf = &service->conf,
		.log = hooks->log,
		.log_arg = hooks->log_arg,
		.log_level = client->pool->options.log_level};
	struct ration__tokens_options tokens = {.service = service->conf.name,
		.auth = &service->conf.auth,
		.log = hooks->log,
		.log_arg = hooks->log_arg,
		.log_level = client->pool->options.log_level};
	int rc;

	if (!service->conf.base)
		return 0;
	rc = ration__nodes_new(&nodes, &service->nodes);
	if (rc < 0)
		return ration__error_set(err, rc, "%s", ration_strerror(rc));
	ration__config_token(config, service->conf.name, &tokens.provider, &tokens.provider_arg);
	return ration__tokens_new(&tokens, &service->tokens, err);
}

static int make_service(ration_client *client, const ration_config *config, const char *name,
	struct ration__client_service **out, ration_error **err)
{
	struct ration__client_service *service = calloc(1, sizeof(*service));
	struct ration__rules *rules = malloc(sizeof(*rules));
	int rc = service && rules ? 0 : ration__error_set(err, RATION_ENOMEM, "out of memory");

	if (rc == 0)
		rc = ration__config_service(config, name, &service->conf, err);
	if (rc == 0)
		rc = load_fairness(service, config, name, err);
	if (rc == 0)
		rc = ration__config_rules(config, name, rules, err);
	if (rc == 0)
		rc = ration__guard_open(client->engine, rules, &service->guard, err);
	if (rc == 0)
		rc = load_route(client, config, service, err);
	if (rc == 0)
		rc = ration__client_watch_uris(client, service, err);
	if (rc == 0) {
		rc = ration__pool_add_service(
			client->pool, service->guard, &service->conf, &service->pool);
		if (rc < 0)
			ration__error_set(err, rc, "out of memory");
	}
	if (rc == 0) {
		service->context_keys = ration__client_context_keys(service, rules);
		ration__pool_fair(service->pool, &service->fairness);
		ration__pool_route(service->pool, service->nodes, service->tokens);
	}
	free(rules);
	if (rc == 0)
		*out = service;
	else if (service)
		free_service(service);
	return rc;
}

int ration__client_add_service(
	ration_client *client, const ration_config *config, const char *name, ration_error **err)
{
	struct ration__client_service *service = NULL;
	size_t head = head_of(name);
	int rc = 0;

	pthread_mutex_lock(&client->mutex);
	if (ration__client_service(client, name))
		goto unlock;
	rc = make_service(client, config, name, &service, err);
	if (rc < 0)
		goto unlock;
	service->next = atomic_load_explicit(&client->services[head], memory_order_relaxed);
	atomic_store_explicit(&client->services[head], service, memory_order_release);
unlock:
	pthread_mutex_unlock(&client->mutex);
	return rc;
}

static int add_services(ration_client *client, const ration_config *config, ration_error **err)
{
	int count = ration__config_service_count(config);

	for (int i = 0; i < count; i++) {
		int rc = ration__client_add_service(
			client, config, ration__config_service_name(config, i), err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- opening ---- */

/* Idle connections are a worker's, for all services: the most that one of them asks for. */
static int size_connections(
	const ration_config *config, struct ration__pool_options *options, ration_error **err)
{
	int count = ration__config_service_count(config);

	for (int i = 0; i < count; i++) {
		struct ration__service_conf conf;
		int rc = ration__config_service(
			config, ration__config_service_name(config, i), &conf, err);

		if (rc < 0)
			return rc;
		if (i == 0) {
			options->connections_idle = conf.connections_idle;
			options->connection_age_ns = conf.connection_age_ns;
		}
		if (conf.connections_idle > options->connections_idle)
			options->connections_idle = conf.connections_idle;
		options->connection_age_ns =
			ration__min64(options->connection_age_ns, conf.connection_age_ns);
		ration__service_conf_fini(&conf);
	}
	return 0;
}

static int open_pool(ration_client *client, const ration_config *config, ration_error **err)
{
	const struct ration__config_hooks *hooks = &client->hooks;
	struct ration__process_conf process;
	struct ration__pool_options options = {.engine = client->engine,
		.in_flight_max = IN_FLIGHT_MAX,
		.connections_idle = CONNECTIONS_IDLE,
		.connection_age_ns = CONNECTION_AGE_NS,
		.random = hooks->random,
		.random_arg = hooks->random_arg,
		.transport = hooks->transport,
		.log = hooks->log,
		.log_arg = hooks->log_arg};
	int rc = size_connections(config, &options, err);

	if (rc < 0)
		return rc;
	ration__config_process(config, &process);
	options.threads = (uint32_t)ration__min64(process.threads, RATION__THREADS_MAX);
	options.queue_max = process.queue_max;
	options.log_level = process.log_level;
	return ration__pool_new(&options, &client->pool, err);
}

static void free_services(ration_client *client)
{
	for (size_t i = 0; i < RATION__SERVICE_HEADS; i++) {
		struct ration__client_service *service = client->services[i], *next;

		for (; service; service = next) {
			next = service->next;
			free_service(service);
		}
	}
}

int ration_client_open(const ration_config *config, ration_client **out, ration_error **err)
{
	ration_client *client;
	int rc;

	if (!config || !out)
		return ration__error_set(err, RATION_EINVAL, "no configuration given");
	client = calloc(1, sizeof(*client));
	if (!client)
		return ration__error_set(err, RATION_ENOMEM, "out of memory");
	pthread_mutex_init(&client->mutex, NULL);
	pthread_mutex_init(&client->context_mutex, NULL);
	ration__config_hooks(config, &client->hooks);
	rc = ration__client_engine(config, false, &client->engine, err);
	if (rc < 0)
		goto no_engine;
	rc = open_pool(client, config, err);
	if (rc < 0)
		goto no_pool;
	rc = add_services(client, config, err);
	if (rc < 0)
		goto no_services;
	*out = client;
	return 0;
no_services:
	ration__pool_free(client->pool);
	free_services(client);
	ration__watch_free(client->watch);
no_pool:
	ration__engine_close(client->engine);
no_engine:
	ration_context_free(client->context);
	pthread_mutex_destroy(&client->context_mutex);
	pthread_mutex_destroy(&client->mutex);
	free(client);
	return rc;
}

static void stop_tokens(ration_client *client)
{
	for (size_t i = 0; i < RATION__SERVICE_HEADS; i++)
		for (struct ration__client_service *service = client->services[i]; service;
			service = service->next)
			if (service->tokens)
				ration__tokens_stop(service->tokens);
}

void ration_client_close(ration_client *client)
{
	/* On a worker it would wait for itself. In a forked child the locks may be held by threads
	 * that are not there: what the child inherited stays as it is. */
	if (!client || ration__on_worker() || ration__pool_forked(client->pool))
		return;
	stop_tokens(client);
	ration__pool_free(client->pool);
	free_services(client);
	ration__watch_free(client->watch);
	ration__engine_close(client->engine);
	ration_context_free(client->context);
	pthread_mutex_destroy(&client->context_mutex);
	pthread_mutex_destroy(&client->mutex);
	free(client);
}
