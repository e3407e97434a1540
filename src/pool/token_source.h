/*
 * What the sources of tokens share, private to src/pool/token*.c: the token itself, and the two
 * sources that keep something: files and the provider.
 *
 * Each source has one mutex of its own, held for no callback; nobody else's is taken under it.
 */
#ifndef POOL_TOKEN_SOURCE_H
#define POOL_TOKEN_SOURCE_H

#include <stdatomic.h>
#include "base/clock.h"
#include "pool/token.h"

/* Files and askers that nobody waits for are kept up to so many, the last used ones. */
#define RATION__TOKENS_KEPT 1024

struct ration__token {
	_Atomic uint32_t refs;
	bool again;		       /* the provider: ask once more after a 401 */
	struct ration__tokens *tokens; /* outlives it */
	const char *header;	       /* the configuration's */
	uint32_t secret, path;	       /* in text: what follows the scheme; the file, 0 none */
	size_t size;		       /* of text */
	char text[];		       /* value, path */
};

struct ration__tokens {
	struct ration__tokens_options options;
	struct ration__token *fixed;	     /* of auth.bearer or auth.basic_file's kind */
	struct ration__token_files *files;   /* NULL: not from files */
	struct ration__token_askers *askers; /* NULL: no provider */
	_Atomic bool stopped;
};

/* secret is the part behind the scheme. path: NULL, or the file's. NULL: out of memory. */
struct ration__token *ration__token_new(
	struct ration__tokens *tokens, const char *secret, size_t length, const char *path);
struct ration__token *ration__token_ref(struct ration__token *token);
bool ration__token_equal(const struct ration__token *a, const struct ration__token *b);
/* The value of that key; NULL: none of that name. name need not end with NUL. */
const char *ration__token_key(
	const char *keys, uint8_t key_count, const char *name, size_t name_length);
/* Only what the process listens to. Not under a mutex. */
void ration__token_log(const struct ration__tokens *tokens, enum ration_log_level level,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- token_file.c ---- */

/* 0, RATION_ENOFILE, RATION_ECONFIG, RATION_ENOMEM, with *err. */
int ration__token_files_new(
	struct ration__tokens *tokens, struct ration__token_files **files, ration_error **err);
void ration__token_files_free(struct ration__token_files *files);
/* As ration__tokens_get, but never RATION_EAGAIN. Reads a file, at most once a second unless its
 * token was rejected. */
int ration__token_files_get(struct ration__token_files *files, const char *keys, uint8_t key_count,
	const struct ration__token *rejected, struct ration__token **token);
/* Reads the token's file: is it another one now? */
bool ration__token_files_changed(
	struct ration__token_files *files, const struct ration__token *token);

/* ---- token_provider.c ---- */

int ration__token_askers_new(struct ration__tokens *tokens, struct ration__token_askers **askers);
void ration__token_askers_free(struct ration__token_askers *askers);
void ration__token_askers_stop(struct ration__token_askers *askers);
int ration__token_askers_get(struct ration__token_askers *askers, const char *keys,
	uint8_t key_count, const struct ration__token *rejected,
	struct ration__token_waiter *waiter);
bool ration__token_askers_cancel(
	struct ration__token_askers *askers, struct ration__token_waiter *waiter);

#endif
