/* Tokens, and which of the sources a service has. See token.h. */
#include "pool/token_source.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/token.h"

#define LOG_MAX 512

/* ---- a token ---- */

static const char *scheme_of(const struct ration__tokens *tokens)
{
	const struct ration__auth_conf *auth = tokens->options.auth;

	if (!tokens->options.provider && !auth->bearer && !auth->bearer_file)
		return "Basic ";
	return auth->scheme ? auth->scheme : "Bearer ";
}

struct ration__token *ration__token_new(
	struct ration__tokens *tokens, const char *secret, size_t length, const char *path)
{
	const struct ration__auth_conf *auth = tokens->options.auth;
	const char *scheme = scheme_of(tokens);
	size_t scheme_length = strlen(scheme), path_size = path ? strlen(path) + 1 : 0;
	size_t size = scheme_length + length + 1 + path_size;
	struct ration__token *token = malloc(sizeof(*token) + size);

	if (!token)
		return NULL;
	*token = (struct ration__token){.tokens = tokens,
		.header = auth->header ? auth->header : "Authorization",
		.secret = (uint32_t)scheme_length,
		.path = path ? (uint32_t)(scheme_length + length + 1) : 0,
		.size = size};
	atomic_init(&token->refs, 1);
	memcpy(token->text, scheme, scheme_length);
	memcpy(token->text + scheme_length, secret, length);
	token->text[scheme_length + length] = '\0';
	if (path)
		memcpy(token->text + token->path, path, path_size);
	return token;
}

struct ration__token *ration__token_ref(struct ration__token *token)
{
	if (token)
		atomic_fetch_add_explicit(&token->refs, 1, memory_order_relaxed);
	return token;
}

void ration__token_unref(struct ration__token *token)
{
	/* acq_rel: whoever frees it sees what the others did with it */
	if (!token || atomic_fetch_sub_explicit(&token->refs, 1, memory_order_acq_rel) != 1)
		return;
	explicit_bzero(token->text, token->size);
	free(token);
}

bool ration__token_equal(const struct ration__token *a, const struct ration__token *b)
{
	return a == b || (a && b && strcmp(a->text, b->text) == 0);
}

const char *ration__token_header(const struct ration__token *token)
{
	return token->header;
}

const char *ration__token_value(const struct ration__token *token)
{
	return token->text;
}

bool ration__token_again(const struct ration__token *token)
{
	struct ration__tokens *tokens = token->tokens;

	if (atomic_load_explicit(&tokens->stopped, memory_order_relaxed))
		return false;
	return tokens->files ? ration__token_files_changed(tokens->files, token) : token->again;
}

/* ---- for the sources ---- */

const char *ration__token_key(
	const char *keys, uint8_t key_count, const char *name, size_t name_length)
{
	for (uint8_t i = 0; i < key_count; i++) {
		const char *value = keys + strlen(keys) + 1;

		if (strncmp(keys, name, name_length) == 0 && !keys[name_length])
			return value;
		keys = value + strlen(value) + 1;
	}
	return NULL;
}

void ration__token_log(
	const struct ration__tokens *tokens, enum ration_log_level level, const char *format, ...)
{
	const struct ration__tokens_options *options = &tokens->options;
	char text[LOG_MAX];
	va_list args;

	if (!options->log || level > options->log_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	options->log(options->log_arg, level, text);
}

/* ---- the sources ---- */

static int make_fixed(struct ration__tokens *tokens, ration_error **err)
{
	const char *bearer = tokens->options.auth->bearer;

	if (!*bearer || !ration__header_value_ok(bearer))
		return ration__error_set(err, RATION_ECONFIG,
			"service %s: auth.bearer is empty or has control characters",
			tokens->options.service);
	tokens->fixed = ration__token_new(tokens, bearer, strlen(bearer), NULL);
	return tokens->fixed ? 0 : ration__error_set(err, RATION_ENOMEM, "out of memory");
}

int ration__tokens_new(const struct ration__tokens_options *options, struct ration__tokens **out,
	ration_error **err)
{
	const struct ration__auth_conf *auth = options->auth;
	struct ration__tokens *tokens;
	int rc = 0;

	if (!options->provider && !auth->bearer && !auth->bearer_file && !auth->basic_file) {
		*out = NULL;
		return 0;
	}
	tokens = calloc(1, sizeof(*tokens));
	if (!tokens)
		return ration__error_set(err, RATION_ENOMEM, "out of memory");
	tokens->options = *options;
	if (options->provider) {
		rc = ration__token_askers_new(tokens, &tokens->askers);
		if (rc < 0)
			ration__error_set(err, rc, "%s", ration_strerror(rc));
	} else if (auth->bearer) {
		rc = make_fixed(tokens, err);
	} else {
		rc = ration__token_files_new(tokens, &tokens->files, err);
	}
	if (rc < 0)
		ration__tokens_free(tokens);
	else
		*out = tokens;
	return rc;
}

void ration__tokens_free(struct ration__tokens *tokens)
{
	if (!tokens)
		return;
	ration__token_askers_free(tokens->askers);
	ration__token_files_free(tokens->files);
	ration__token_unref(tokens->fixed);
	free(tokens);
}

void ration__tokens_stop(struct ration__tokens *tokens)
{
	atomic_store_explicit(&tokens->stopped, true, memory_order_relaxed);
	if (tokens->askers)
		ration__token_askers_stop(tokens->askers);
}

int ration__tokens_get(struct ration__tokens *tokens, const char *keys, uint8_t key_count,
	const struct ration__token *rejected, struct ration__token_waiter *waiter,
	struct ration__token **token)
{
	if (atomic_load_explicit(&tokens->stopped, memory_order_relaxed))
		return RATION_ECANCELLED;
	if (tokens->askers)
		return ration__token_askers_get(tokens->askers, keys, key_count, rejected, waiter);
	if (tokens->files)
		return ration__token_files_get(tokens->files, keys, key_count, rejected, token);
	*token = ration__token_ref(tokens->fixed);
	return 0;
}

bool ration__tokens_cancel(struct ration__tokens *tokens, struct ration__token_waiter *waiter)
{
	return tokens->askers && ration__token_askers_cancel(tokens->askers, waiter);
}
