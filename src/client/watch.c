/*
 * Services whose nodes stand in a file: it is watched, and read again when it changes. What cannot
 * be used (gone, broken, empty, too long) leaves the last good list in force.
 *
 * Everything but starting and stopping is on the watch's thread.
 */
#include "client/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/uri_list.h"
#include "pool/nodes.h"

struct ration__uri_watch {
	const struct ration__service_conf *conf;
	struct ration__nodes *nodes;
	ration_log_fn log;
	void *log_arg;
	enum ration_log_level log_level;
	struct ration__watch *watch;
	struct ration__watched *file;
	struct ration__uri_list list; /* in force, as it was read */
	char *complaint;	      /* said last: not said again; NULL */
};

static void say(const struct ration__uri_watch *uris, enum ration_log_level level,
	const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(
	const struct ration__uri_watch *uris, enum ration_log_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!uris->log || level > uris->log_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	uris->log(uris->log_arg, level, text);
}

static bool same_list(const struct ration__uri_list *list, const char *const *uris, size_t count)
{
	if (list->count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(list->uri[i], uris[i]) != 0)
			return false;
	return true;
}

/* Once for each thing that is wrong. */
static void complain(struct ration__uri_watch *uris, const char *why)
{
	if (uris->complaint && strcmp(uris->complaint, why) == 0)
		return;
	free(uris->complaint);
	uris->complaint = strdup(why);
	say(uris, RATION_LOG_WARNING, "service %s: %s; the last good list of %zu stays",
		uris->conf->name, why, ration__nodes_count(uris->nodes));
}

static bool is_in_force(const struct ration__uri_watch *uris, const struct ration__uri_list *list)
{
	if (uris->list.memory)
		return same_list(&uris->list, list->uri, list->count);
	return same_list(list, uris->conf->nodes, uris->conf->node_count);
}

static void read_uris(void *arg)
{
	struct ration__uri_watch *uris = arg;
	struct ration__uri_list list = {.count = 0};
	ration_error *err = NULL;
	int rc = ration__uri_list_read(uris->conf->uri_file, &list, &err);
	bool news = rc == 0 && !is_in_force(uris, &list);

	if (rc == 0 && news)
		rc = ration__nodes_replace(uris->nodes, list.uri, list.count);
	if (rc < 0) {
		complain(uris, err ? ration_error_text(err) : ration_strerror(rc));
		ration_error_free(err);
		ration__uri_list_fini(&list);
		return;
	}
	if (news || uris->complaint)
		say(uris, RATION_LOG_INFO, "service %s: %zu nodes from %s", uris->conf->name,
			ration__nodes_count(uris->nodes), uris->conf->uri_file);
	free(uris->complaint);
	uris->complaint = NULL;
	if (news) {
		ration__uri_list_fini(&uris->list);
		uris->list = list;
	} else {
		ration__uri_list_fini(&list);
	}
}

int ration__client_watch_uris(
	ration_client *client, struct ration__client_service *service, ration_error **err)
{
	struct ration__uri_watch *uris;
	int rc;

	if (!service->nodes || !service->conf.uri_file)
		return 0;
	if (!client->watch) {
		rc = ration__watch_new(&client->watch);
		if (rc < 0)
			return ration__error_set(err, rc, "cannot watch %s: %s",
				service->conf.uri_file, ration_strerror(rc));
	}
	uris = calloc(1, sizeof(*uris));
	if (!uris)
		return ration__error_set(err, RATION_ENOMEM, "out of memory");
	uris->conf = &service->conf;
	uris->nodes = service->nodes;
	uris->log = client->hooks.log;
	uris->log_arg = client->hooks.log_arg;
	uris->log_level = client->pool->options.log_level;
	uris->watch = client->watch;
	rc = ration__watch_add(client->watch, uris->conf->uri_file, read_uris, uris, &uris->file);
	if (rc < 0) {
		free(uris);
		return ration__error_set(err, rc, "out of memory");
	}
	service->uris = uris;
	return 0;
}

void ration__uri_watch_free(struct ration__uri_watch *uris)
{
	if (!uris)
		return;
	ration__watch_remove(uris->watch, uris->file);
	ration__uri_list_fini(&uris->list);
	free(uris->complaint);
	free(uris);
}
