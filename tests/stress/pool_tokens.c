/* Askers, cancels and rejections from several threads beside each other, against a provider that
 * takes a moment; then a stop in the middle of it all. Each wait ends exactly once, with a token of
 * its own tenant, and no tenant is asked for twice at once. Argument: waits of each thread. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "pool/token.h"

#define THREADS 4
#define TENANTS 6
#define OPEN 8 /* waits of one thread at a time */

struct wait {
	struct ration__token_waiter waiter;
	_Atomic int answers;
	int tenant;
};

static struct ration__tokens *tokens;
static _Atomic int together[TENANTS], calls, wrong, answered, cancelled, stopped;
static int rounds = 2000;

static void complain(const char *what)
{
	fprintf(stderr, "%s\n", what);
	wrong++;
}

static int provide(void *arg, ration_token_ask *ask)
{
	int tenant = atoi(ration_token_ask_key(ask, "tenant"));
	char text[32];

	(void)arg;
	if (together[tenant]++)
		complain("a tenant is asked for twice at once");
	if (calls++ % 16 == 0)
		usleep(200);
	snprintf(text, sizeof(text), "%d-%d", tenant, calls);
	ration_token_ask_set(ask, text);
	together[tenant]--;
	return RATION_TOKEN_AGAIN;
}

static void came(struct ration__token_waiter *waiter)
{
	struct wait *wait = (struct wait *)waiter;

	waiter->next = NULL;
	atomic_fetch_add(&wait->answers, 1);
}

/* After it ended: its token, or NULL. */
static struct ration__token *end(struct wait *wait)
{
	struct ration__token *token = wait->waiter.token;

	if (atomic_load(&wait->answers) != 1)
		complain("answered more than once");
	if (wait->waiter.code == RATION_ECANCELLED)
		stopped++;
	else if (wait->waiter.code || !token)
		complain("no token");
	else if (atoi(ration__token_value(token) + strlen("Bearer ")) != wait->tenant)
		complain("another tenant's token");
	else
		answered++;
	return token;
}

static void wait_for(
	struct wait *wait, struct ration__random *random, struct ration__token **rejected)
{
	struct ration__token *token;

	if (ration__random_next(random) % 4 == 0 && ration__tokens_cancel(tokens, &wait->waiter)) {
		if (atomic_load(&wait->answers))
			complain("answered and cancelled");
		cancelled++;
		return;
	}
	while (!atomic_load(&wait->answers))
		usleep(20);
	token = end(wait);
	ration__token_unref(*rejected);
	*rejected = token;
}

static void *asker(void *arg)
{
	struct ration__random random;
	struct ration__token *rejected = NULL, *token;
	struct wait waits[OPEN];

	(void)arg;
	ration__random_init(&random, NULL, NULL);
	for (int i = 0; i < rounds; i += OPEN) {
		int count = 0;

		for (; count < OPEN; count++) {
			struct wait *wait = &waits[count];
			char keys[16] = "tenant";
			bool again = ration__random_next(&random) % 4 == 0;

			memset(wait, 0, sizeof(*wait));
			wait->waiter.fn = came;
			wait->tenant = (int)(ration__random_next(&random) % TENANTS);
			snprintf(keys + 7, sizeof(keys) - 7, "%d", wait->tenant);
			if (ration__tokens_get(tokens, keys, 1, again ? rejected : NULL,
				    &wait->waiter, &token) != RATION_EAGAIN)
				break;
		}
		for (int j = 0; j < count; j++)
			wait_for(&waits[j], &random, &rejected);
		if (count < OPEN)
			break;
	}
	ration__token_unref(rejected);
	return NULL;
}

int main(int argc, char **argv)
{
	struct ration__auth_conf auth = {.per = "tenant\0"};
	struct ration__tokens_options options = {
		.service = "api", .auth = &auth, .provider = provide};
	pthread_t threads[THREADS];

	if (argc > 1)
		rounds = atoi(argv[1]);
	if (ration__tokens_new(&options, &tokens, NULL) < 0)
		return 1;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, asker, NULL))
			return 1;
	while (answered < THREADS * rounds / 4)
		usleep(100);
	ration__tokens_stop(tokens);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ration__tokens_free(tokens);
	printf("%d answered by %d calls, %d cancelled, %d ended by the stop, %d wrong\n", answered,
		calls, cancelled, stopped, wrong);
	return wrong || !cancelled;
}
