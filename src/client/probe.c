/* Health probes and warm-up: a service's health path, asked as any other. See
 * include/ration/client.h. */
#include "client/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARM_MAX 1000

/* base NULL: wherever the next request would go. */
static int new_probe(const struct ration__service_conf *conf, const char *base, int64_t timeout_ms,
	ration_request **out)
{
	const char *health = conf->health ? conf->health : "/";
	size_t size = (base ? strlen(base) : 0) + strlen(health) + 1;
	char *target = malloc(size);
	ration_request *request;
	int rc = 0;

	if (!target)
		return RATION_ENOMEM;
	snprintf(target, size, "%s%s", base ? base : "", health);
	request = ration_request_new(conf->name, "GET", target);
	free(target);
	if (!request)
		return RATION_ENOMEM;
	if (timeout_ms >= 0)
		rc = ration_request_set_deadline(request, timeout_ms);
	if (rc == 0)
		rc = ration_request_set_option(request, "retry.attempts", "1");
	if (rc == 0)
		rc = ration_request_set_option(request, "retry.throttled_attempts", "1");
	if (rc < 0) {
		ration_request_free(request);
		return rc;
	}
	*out = request;
	return 0;
}

static int find_conf(
	const ration_client *client, const char *service, const struct ration__service_conf **conf)
{
	const struct ration__client_service *found;
	int rc = ration__client_check(client);

	if (rc == 0 && !service)
		rc = RATION_EINVAL;
	if (rc < 0)
		return rc;
	found = ration__client_service(client, service);
	if (!found || !found->conf.base)
		return RATION_ESERVICE;
	*conf = &found->conf;
	return 0;
}

int ration_client_probe(
	ration_client *client, const char *service, int64_t timeout_ms, ration_response **out)
{
	const struct ration__service_conf *conf;
	ration_request *request;
	int rc = find_conf(client, service, &conf);

	if (rc == 0)
		rc = new_probe(conf, NULL, timeout_ms, &request);
	if (rc < 0)
		return rc;
	rc = ration_perform(client, request, out);
	ration_request_free(request);
	return rc;
}

/* Begins one for each waiter, nodes in turn; how many were begun, *code why not more. */
static size_t begin_all(ration_client *client, const struct ration__service_conf *conf,
	struct ration__waiter *waiters, size_t count, int64_t timeout_ms, int *code)
{
	ration_request *request;
	size_t begun = 0;
	int rc = 0;

	while (begun < count) {
		const char *node =
			conf->node_count > 1 ? conf->nodes[begun % conf->node_count] : NULL;

		rc = new_probe(conf, node, timeout_ms, &request);
		if (rc < 0)
			break;
		rc = ration__client_begin(client, request, true, &waiters[begun]);
		ration_request_free(request);
		if (rc < 0)
			break;
		begun++;
	}
	*code = rc;
	return begun;
}

int ration_client_warm(
	ration_client *client, const char *service, int connections, int64_t timeout_ms)
{
	const struct ration__service_conf *conf;
	struct ration__waiter *waiters;
	size_t count, begun;
	int answered = 0, rc;

	if (connections < 1 || connections > WARM_MAX)
		return RATION_EINVAL;
	rc = find_conf(client, service, &conf);
	if (rc < 0)
		return rc;
	count = (size_t)connections * (conf->node_count > 1 ? conf->node_count : 1);
	waiters = calloc(count, sizeof(*waiters));
	if (!waiters)
		return RATION_ENOMEM;
	begun = begin_all(client, conf, waiters, count, timeout_ms, &rc);
	for (size_t i = 0; i < begun; i++) {
		ration_response *response = NULL;

		ration__client_end(client, &waiters[i], &response);
		answered += response && ration_response_status(response) > 0;
		ration_response_free(response);
	}
	free(waiters);
	return begun ? answered : rc;
}
