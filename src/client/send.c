/* Sending: submit, perform, and what tells how it goes. See include/ration/client.h. */
#include "client/internal.h"

#include <stdlib.h>
#include <string.h>
#include "base/util.h"

#define WAITING_MAX 256

/* The request's own settings on a copy of the service's; NULL when it has none. */
static int make_conf(const struct ration__request_view *view,
	const struct ration__client_service *service, struct ration__service_conf **out)
{
	struct ration__service_conf *conf;

	*out = NULL;
	if (!view->option_count)
		return 0;
	conf = malloc(sizeof(*conf));
	if (!conf)
		return RATION_ENOMEM;
	ration__service_conf_copy(conf, &service->conf);
	for (size_t i = 0; i < view->option_count; i++)
		if (ration__config_request_option(
			    conf, view->options[i].name, view->options[i].value, NULL) < 0) {
			free(conf);
			return RATION_EINVAL;
		}
	*out = conf;
	return 0;
}

/* The earlier of the request's own end and its context's. */
static int64_t total_ns_of(
	const struct ration__request_view *view, const struct ration__service_conf *conf)
{
	int64_t total_ns = conf->timeouts.total_ns, left_ns = RATION__NEVER;

	if (view->deadline_ms >= 0)
		total_ns = ration__min64(view->deadline_ms, RATION__NEVER / RATION__NS_PER_MS / 2) *
			   RATION__NS_PER_MS;
	if (view->context)
		left_ns = ration__context_left_ns(view->context);
	if (left_ns >= RATION__NEVER)
		return total_ns;
	return total_ns < 0 ? left_ns : ration__min64(total_ns, left_ns);
}

static int pack_job(
	const ration_client *client, const ration_request *request, struct ration__job **out)
{
	struct ration__keys_room room;
	struct ration__client_service *service;
	struct ration__service_conf *conf;
	struct ration__request_view view;
	struct ration__job *job;
	int64_t total_ns;
	int rc;

	ration__request_view(request, &view);
	if (view.error)
		return view.error;
	service = ration__client_service(client, view.service);
	if (!service || !service->conf.base) /* without a base it guards something else */
		return RATION_ESERVICE;
	rc = make_conf(&view, service, &conf);
	if (rc < 0)
		return rc;
	if (view.context && service->context_keys)
		ration__client_add_keys(&view, view.context, service->context_keys, &room);
	rc = ration__job_new(request, &view, service->pool, conf, &job);
	if (rc < 0) {
		free(conf);
		return rc;
	}
	total_ns = total_ns_of(&view, job->conf);
	job->mark_ns = ration__engine_now(client->engine);
	if (total_ns >= 0)
		job->deadline_ns = job->mark_ns + total_ns;
	*out = job;
	return 0;
}

static int make_job(ration_client *client, ration_request *request, struct ration__job **out)
{
	ration_context *context = ration__client_context(client);
	int rc;

	ration__request_lend(request, context);
	rc = pack_job(client, request, out);
	ration__request_lend(request, NULL);
	ration_context_free(context);
	return rc;
}

static int check_open(const ration_client *client)
{
	int rc = ration__client_check(client);

	if (rc == 0 && atomic_load_explicit(&client->pool->closing, memory_order_relaxed))
		rc = RATION_ECLOSED;
	return rc;
}

int ration_submit(
	ration_client *client, ration_request *request, int64_t wait_ms, ration_ticket *ticket)
{
	struct ration__job *job;
	int rc = check_open(client);

	if (rc == 0 && !request)
		rc = RATION_EINVAL;
	if (rc == 0 && wait_ms != 0 && ration__on_worker())
		rc = RATION_EWORKER;
	if (rc == 0)
		rc = make_job(client, request, &job);
	if (rc < 0)
		return rc;
	rc = ration__completion_enter(&client->pool->completion, wait_ms);
	if (rc < 0) {
		ration__job_free(job);
		return rc;
	}
	ration__pool_submit(client->pool, job, ticket);
	ration_request_free(request);
	return 0;
}

int ration__client_begin(
	ration_client *client, ration_request *request, bool fresh, struct ration__waiter *waiter)
{
	struct ration__completion *completion;
	struct ration__job *job;
	int rc = check_open(client);

	if (rc == 0 && ration__on_worker())
		rc = RATION_EWORKER;
	if (rc == 0)
		rc = make_job(client, request, &job);
	if (rc < 0)
		return rc;
	completion = &client->pool->completion;
	rc = ration__completion_enter(completion, -1);
	if (rc < 0) {
		ration__job_free(job);
		return rc;
	}
	if (fresh && job->flags & RATION__JOB_OWN_CONF) /* so it is no other job's */
		((struct ration__service_conf *)job->conf)->fresh = 1;
	atomic_fetch_add(&completion->performing, 1);
	*waiter = (struct ration__waiter){.user = job->user};
	pthread_cond_init(&waiter->done, NULL);
	job->user = waiter;
	job->flags |= RATION__JOB_PERFORM;
	ration__pool_submit(client->pool, job, NULL);
	return 0;
}

int ration__client_end(ration_client *client, struct ration__waiter *waiter, ration_response **out)
{
	int rc = ration__completion_wait(&client->pool->completion, waiter);

	pthread_cond_destroy(&waiter->done);
	if (rc < 0)
		return rc;
	*out = waiter->response;
	return ration_response_code(waiter->response);
}

int ration_perform(ration_client *client, ration_request *request, ration_response **out)
{
	struct ration__waiter waiter;
	int rc = check_open(client);

	if (rc == 0 && (!request || !out))
		rc = RATION_EINVAL;
	if (rc == 0)
		rc = ration__client_begin(client, request, false, &waiter);
	return rc < 0 ? rc : ration__client_end(client, &waiter, out);
}

int ration_get(
	ration_client *client, const char *service, const char *target, ration_response **out)
{
	ration_request *request;
	int rc = check_open(client);

	if (rc < 0)
		return rc;
	request = ration_request_new(service, "GET", target);
	if (!request)
		return RATION_ENOMEM;
	rc = ration_perform(client, request, out);
	ration_request_free(request);
	return rc;
}

int ration_cancel(ration_client *client, ration_ticket ticket)
{
	int rc = ration__client_check(client);

	return rc < 0 ? rc : ration__pool_cancel(client->pool, ticket);
}

int ration_resume(ration_client *client, ration_ticket ticket)
{
	int rc = ration__client_check(client);

	return rc < 0 ? rc : ration__pool_resume(client->pool, ticket);
}

int ration_next(ration_client *client, int64_t timeout_ms, ration_response **out)
{
	int rc = ration__client_check(client);

	if (rc == 0 && !out)
		rc = RATION_EINVAL;
	if (rc == 0 && ration__on_worker())
		rc = RATION_EWORKER;
	return rc < 0 ? rc : ration__completion_next(&client->pool->completion, timeout_ms, out);
}

int ration_fd(const ration_client *client)
{
	int rc = ration__client_check(client);

	return rc < 0 ? rc : ration__completion_fd(&client->pool->completion);
}

int ration_client_on_done(ration_client *client, ration_done_fn fn, void *arg)
{
	int rc = ration__client_check(client);

	if (rc < 0)
		return rc;
	if (atomic_load(&client->pool->submitted))
		return RATION_EBUSY;
	client->pool->completion.fn = fn;
	client->pool->completion.arg = arg;
	return 0;
}

int ration_client_drain(ration_client *client, int64_t timeout_ms)
{
	int rc = ration__client_check(client);

	if (rc == 0 && ration__on_worker())
		rc = RATION_EWORKER;
	return rc < 0 ? rc : ration__completion_drain(&client->pool->completion, timeout_ms);
}

int ration_client_counts(const ration_client *client, struct ration_counts *out)
{
	int rc = ration__client_check(client);

	if (rc == 0 && (!out || out->size < sizeof(out->size)))
		rc = RATION_EINVAL;
	if (rc == 0)
		ration__pool_counts(client->pool, out);
	return rc;
}

int ration_client_waiting(const ration_client *client, char **text)
{
	int rc = ration__client_check(client);
	char buffer[WAITING_MAX], *copy;

	if (rc == 0 && !text)
		rc = RATION_EINVAL;
	if (rc < 0)
		return rc;
	ration__pool_waiting(client->pool, buffer, sizeof(buffer));
	copy = strdup(buffer);
	if (!copy)
		return RATION_ENOMEM;
	*text = copy;
	return 0;
}
