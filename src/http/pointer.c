/* JSON pointers: see http/pointer.h. The text is known to be valid, so this looks only for what it
 * needs, and without recursion: the depth is the pointer's. */
#include <stdint.h>
#include <string.h>
#include "http/pointer.h"

struct span {
	const char *at, *end;
};

bool ration__pointer_valid(const char *pointer)
{
	if (*pointer && *pointer != '/')
		return false;
	for (; *pointer; pointer++)
		if (*pointer == '~' && pointer[1] != '0' && pointer[1] != '1')
			return false;
	return true;
}

static void skip_blanks(struct span *s)
{
	while (s->at < s->end &&
		(*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static char peek(const struct span *s)
{
	return s->at < s->end ? *s->at : '\0';
}

/* From its quote to behind the other one. */
static void skip_string(struct span *s)
{
	for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
		if (*s->at == '\\' && s->at + 1 < s->end)
			s->at++;
	if (s->at < s->end)
		s->at++;
}

static void skip_value(struct span *s)
{
	size_t depth = 0;
	char c = peek(s);

	if (c == '"') {
		skip_string(s);
		return;
	}
	if (c != '{' && c != '[') {
		while (s->at < s->end && !memchr(",]} \t\r\n", *s->at, 7))
			s->at++;
		return;
	}
	do {
		c = *s->at;
		if (c == '"') {
			skip_string(s);
			continue;
		}
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		s->at++;
	} while (depth && s->at < s->end);
}

static unsigned hex4(const char *at)
{
	unsigned n = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)at[i];

		n = n << 4 | (c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - 'a' + 10);
	}
	return n;
}

static unsigned put_utf8(unsigned code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	unsigned n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	for (unsigned i = n - 1; i > 0; i--, code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)((0xf00 >> n & 0xff) | code);
	return n;
}

/* The next character of a string, its escape undone; returns how many bytes it has. */
static unsigned take_character(struct span *s, char out[4])
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	const char *letter;
	unsigned code;

	out[0] = *s->at++;
	if (out[0] != '\\')
		return 1;
	out[0] = *s->at++;
	letter = strchr(letters, out[0]);
	if (letter)
		out[0] = meanings[letter - letters];
	if (out[0] != 'u')
		return 1;
	code = hex4(s->at);
	s->at += 4;
	/* Two halves make one; a half alone is like no character and matches nothing. */
	if (code >= 0xd800 && code < 0xdc00 && s->end - s->at >= 6 && s->at[0] == '\\' &&
		s->at[1] == 'u' && hex4(s->at + 2) >= 0xdc00 && hex4(s->at + 2) < 0xe000) {
		code = 0x10000 + ((code - 0xd800) << 10) + (hex4(s->at + 2) - 0xdc00);
		s->at += 6;
	}
	return put_utf8(code, out);
}

/* One step of a pointer, up to its '/' or end. */
struct step {
	const char *at, *end;
};

static bool key_matches(struct span key, struct step step)
{
	while (key.at < key.end) {
		char character[4];
		unsigned length = take_character(&key, character);

		for (unsigned i = 0; i < length; i++) {
			char c;

			if (step.at == step.end)
				return false;
			c = *step.at++;
			if (c == '~')
				c = *step.at++ == '0' ? '~' : '/';
			if (c != character[i])
				return false;
		}
	}
	return step.at == step.end;
}

static bool find_member(struct span *s, struct step step)
{
	struct span found = {.at = NULL};

	s->at++;
	for (;;) {
		struct span key, value;

		skip_blanks(s);
		if (peek(s) != '"')
			break;
		key.at = s->at + 1;
		skip_string(s);
		key.end = s->at - 1;
		skip_blanks(s);
		s->at++; /* the colon */
		skip_blanks(s);
		value.at = s->at;
		skip_value(s);
		value.end = s->at;
		if (key_matches(key, step))
			found = value;
		skip_blanks(s);
		if (peek(s) != ',')
			break;
		s->at++;
	}
	if (found.at)
		*s = found;
	return found.at;
}

/* 0, or digits that do not begin with 0. */
static bool read_index(struct step step, size_t *index)
{
	size_t length = (size_t)(step.end - step.at), n = 0;

	if (!length || length > 9 || (length > 1 && *step.at == '0'))
		return false;
	for (; step.at < step.end; step.at++) {
		if (*step.at < '0' || *step.at > '9')
			return false;
		n = n * 10 + (size_t)(*step.at - '0');
	}
	*index = n;
	return true;
}

static bool find_element(struct span *s, struct step step)
{
	size_t index;

	if (!read_index(step, &index))
		return false;
	s->at++;
	for (;; index--) {
		struct span value;

		skip_blanks(s);
		if (peek(s) == ']')
			return false;
		value.at = s->at;
		skip_value(s);
		value.end = s->at;
		if (!index) {
			*s = value;
			return true;
		}
		skip_blanks(s);
		if (peek(s) != ',')
			return false;
		s->at++;
	}
}

bool ration__pointer_find(const char *text, size_t length, const char *pointer, const char **value,
	size_t *value_length)
{
	struct span s = {.at = text, .end = text + length};

	if (!ration__pointer_valid(pointer))
		return false;
	skip_blanks(&s);
	while (*pointer) {
		struct step step = {.at = pointer + 1};

		step.end = step.at + strcspn(step.at, "/");
		pointer = step.end;
		if (peek(&s) == '{' ? !find_member(&s, step)
				    : peek(&s) != '[' || !find_element(&s, step))
			return false;
	}
	const char *from = s.at;

	skip_value(&s);
	*value = from;
	*value_length = (size_t)(s.at - from);
	return true;
}

bool ration__pointer_string(const char *value, size_t length, struct ration__buffer *out)
{
	struct span s = {.at = value + 1, .end = value + length - 1};

	if (length < 2 || *value != '"')
		return false;
	ration__buffer_append(out, "", 0);
	while (s.at < s.end) {
		char character[4];
		unsigned n = take_character(&s, character);
		/* D800 to DFFF: what is left of surrogates stands alone */
		bool half = n == 3 && (unsigned char)character[0] == 0xed &&
			    (unsigned char)character[1] >= 0xa0;

		ration__buffer_append(out, half ? "\xef\xbf\xbd" : character, n);
	}
	return true;
}
