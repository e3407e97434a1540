/* HTTP tokens and field values. Byte tables and comparisons of its own, not ctype's: those follow
 * the locale of the program that uses the library. */
#include "base/token.h"
#include <stddef.h>
#include <string.h>
#include "base/util.h"

static bool is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

bool ration__header_name_ok(const char *name)
{
	if (!*name)
		return false;
	for (; *name; name++)
		if (!is_token_char((unsigned char)*name))
			return false;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool ration__header_value_ok(const char *value)
{
	size_t length = strlen(value);

	if (length && (is_blank(value[0]) || is_blank(value[length - 1])))
		return false;
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool contains(const char *text, const char *word)
{
	for (; *text; text++) {
		size_t i = 0;

		while (word[i] && lower(text[i]) == word[i])
			i++;
		if (!word[i])
			return true;
	}
	return false;
}

bool ration__header_name_secret(const char *name)
{
	/* Too much is hidden rather than too little: what a header means is not known here. */
	static const char *const words[] = {"auth", "cookie", "token", "secret", "password",
		"passwd", "credential", "api-key", "apikey", "api_key", "access-key", "signature",
		"session"};

	for (size_t i = 0; i < RATION__COUNT(words); i++)
		if (contains(name, words[i]))
			return true;
	return false;
}
