/* See token.h. */
#include "pool/token.h"

#include "base/error.h"

int ration__tokens_new(const struct ration__tokens_options *options, struct ration__tokens **tokens,
	ration_error **err)
{
	(void)options;
	(void)err;
	*tokens = NULL;
	return 0;
}

void ration__tokens_free(struct ration__tokens *tokens)
{
	(void)tokens;
}

void ration__tokens_stop(struct ration__tokens *tokens)
{
	(void)tokens;
}

int ration__tokens_get(struct ration__tokens *tokens, const char *keys, uint8_t key_count,
	const struct ration__token *rejected, struct ration__token_waiter *waiter,
	struct ration__token **token)
{
	(void)tokens;
	(void)keys;
	(void)key_count;
	(void)rejected;
	(void)waiter;
	(void)token;
	return RATION_ETOKEN;
}

bool ration__tokens_cancel(struct ration__tokens *tokens, struct ration__token_waiter *waiter)
{
	(void)tokens;
	(void)waiter;
	return false;
}

const char *ration__token_header(const struct ration__token *token)
{
	(void)token;
	return "";
}

const char *ration__token_value(const struct ration__token *token)
{
	(void)token;
	return "";
}

bool ration__token_again(const struct ration__token *token)
{
	(void)token;
	return false;
}

void ration__token_unref(struct ration__token *token)
{
	(void)token;
}
