/*
 * As whom a service's attempts are made: a token that stands in the configuration, in a file (one,
 * or one per value of a key), or comes from the caller's own function, the provider, which is asked
 * on a thread of its own and by one asker at a time for each set of key values (single flight):
 * who comes while it is asked gets the same answer.
 *
 * A token is immutable, counted, and wiped when it is freed. Its text appears nowhere but in the
 * header of a request: not in logs, errors, results or the store.
 *
 * Not here: to which requests it is added, and that it never leaves its origin (http/transfer.c).
 */
#ifndef POOL_TOKEN_H
#define POOL_TOKEN_H

#include <ration/config.h>
#include "base/clock.h"
#include "http/service.h"

struct ration__token;
struct ration__tokens;

struct ration__tokens_options {
	const char *service; /* borrowed, as all below */
	const struct ration__auth_conf *auth;
	ration_token_fn provider; /* NULL: none */
	void *provider_arg;
	ration_log_fn log;
	void *log_arg;
	enum ration_log_level log_level;
	struct ration__clock clock; /* when files are read again; zero: the system's */
};

/* NULL in *tokens when the service has none of these. A file that is there must be right: 0,
 * RATION_ENOFILE, RATION_ECONFIG (with the reason, never the content), RATION_ENOMEM. */
int ration__tokens_new(const struct ration__tokens_options *options, struct ration__tokens **tokens,
	ration_error **err);
/* No waiter may be left. Waits for the provider to return. */
void ration__tokens_free(struct ration__tokens *tokens);
/* Ends all waiting with RATION_ECANCELLED; later asks are answered so. When it returns no waiter's
 * function runs, nor will. Not from one. */
void ration__tokens_stop(struct ration__tokens *tokens);

/* In the asker's memory; fn is called once on the provider's thread, with code and token filled,
 * and must not block. */
struct ration__token_waiter {
	struct ration__token_waiter *next, **link;
	void (*fn)(struct ration__token_waiter *waiter);
	int code;		     /* 0 or RATION_E* */
	struct ration__token *token; /* a reference of its own */
};

/* keys: "name\0value\0"..., key_count of them. rejected: the token that the server answered with
 * 401 (not that one again, if it can be helped); NULL. 0: *token, a reference. RATION_EAGAIN:
 * waiter->fn will be called. RATION_ETOKEN: none is to be had; RATION_EKEY: the file's name needs a
 * key that the call does not have, or its value is no file name; RATION_ENOMEM. [any] */
int ration__tokens_get(struct ration__tokens *tokens, const char *keys, uint8_t key_count,
	const struct ration__token *rejected, struct ration__token_waiter *waiter,
	struct ration__token **token);
/* True: fn was not called and will not be. False: it was, or is just running. */
bool ration__tokens_cancel(struct ration__tokens *tokens, struct ration__token_waiter *waiter);

const char *ration__token_header(const struct ration__token *token); /* name */
const char *ration__token_value(const struct ration__token *token);
/* A 401 is worth one more attempt with another token: the provider said so, or the file has
 * changed. */
bool ration__token_again(const struct ration__token *token);
void ration__token_unref(struct ration__token *token);

#endif
