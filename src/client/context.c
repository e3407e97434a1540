/* A client's own context, and what contexts do for its jobs. See include/ration/context.h. */
#include "client/internal.h"

#include <string.h>
#include "base/util.h"
#include "http/context.h"

int ration_client_set_context(ration_client *client, ration_context *context)
{
	int rc = ration__client_check(client);
	ration_context *before;

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&client->context_mutex);
	before = atomic_load_explicit(&client->context, memory_order_relaxed);
	atomic_store_explicit(&client->context, ration_context_ref(context), memory_order_relaxed);
	pthread_mutex_unlock(&client->context_mutex);
	ration_context_free(before);
	return 0;
}

ration_context *ration__client_context(ration_client *client)
{
	ration_context *context;

	/* most clients have none: no lock for them */
	if (!atomic_load_explicit(&client->context, memory_order_relaxed))
		return NULL;
	pthread_mutex_lock(&client->context_mutex);
	context = ration_context_ref(atomic_load_explicit(&client->context, memory_order_relaxed));
	pthread_mutex_unlock(&client->context_mutex);
	return context;
}

/* ---- keys ---- */

static bool is_per(const char (*per)[RATION__KEYNAME_MAX], const char *name)
{
	for (unsigned i = 0; i < RATION__PER_MAX && per[i][0]; i++)
		if (strcmp(per[i], name) == 0)
			return true;
	return false;
}

static bool rules_name(const struct ration__rules *rules, const char *name)
{
	for (uint32_t i = 0; i < rules->limit_count; i++)
		if (is_per(rules->limits[i].per, name))
			return true;
	return is_per(rules->own.required_keys, name) || is_per(rules->breaker_per, name) ||
	       is_per(rules->place_per, name) || is_per(rules->cooldown_per, name);
}

static bool auth_names(const struct ration__auth_conf *auth, const char *name)
{
	size_t length = strlen(name);

	for (const char *per = auth->per; per && *per; per += strlen(per) + 1)
		if (strcmp(per, name) == 0)
			return true;
	for (const char *at = auth->bearer_file; at && (at = strchr(at, '{')) != NULL; at++)
		if (strncmp(at + 1, name, length) == 0 && at[1 + length] == '}')
			return true;
	return false;
}

unsigned ration__client_context_keys(
	const struct ration__client_service *service, const struct ration__rules *rules)
{
	const char *fair = service->fairness.per;
	unsigned keys = 0;

	for (unsigned i = 0; i < RATION__CONTEXT_KEYS; i++) {
		const char *name = ration__context_key_name(i);

		if (rules_name(rules, name) || auth_names(&service->conf.auth, name) ||
			(fair && strcmp(fair, name) == 0))
			keys |= 1u << i;
	}
	return keys;
}

void ration__client_add_keys(struct ration__request_view *view, const ration_context *context,
	unsigned wanted, struct ration__keys_room *room)
{
	size_t count = 0, taken = 0;

	for (unsigned i = 0; i < RATION__CONTEXT_KEYS; i++) {
		struct ration__pair key = ration__context_key(context, i);

		if (!key.value || !(wanted & 1u << i))
			continue;
		while (taken < view->key_count && strcmp(view->keys[taken].name, key.name) < 0)
			room->keys[count++] = view->keys[taken++];
		if (taken == view->key_count || strcmp(view->keys[taken].name, key.name) != 0)
			room->keys[count++] = key;
	}
	while (taken < view->key_count)
		room->keys[count++] = view->keys[taken++];
	view->keys = room->keys;
	view->key_count = count;
}
