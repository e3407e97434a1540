/*
 * JSON as text: see http/json.h. One pass, no recursion: the stack of open brackets is a bit set,
 * so that hostile depth costs nothing.
 */
#include <stdint.h>
#include <string.h>
#include "http/json.h"

struct scanner {
	struct ration__buffer *out;
	const char *at, *end;
	uint64_t objects[RATION__JSON_DEPTH_MAX / 64]; /* bit set: that level is an object */
	unsigned depth;
};

/* Length of the well-formed UTF-8 sequence at text, 0: none. RFC 3629 section 4. */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
	size_t need = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (need == 0 || s[0] > 0xf4 || need > left)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
		(s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return need;
}

bool ration__utf8_valid(const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0; i < length;) {
		size_t step = utf8_sequence(s + i, length - i);

		if (!step)
			return false;
		i += step;
	}
	return true;
}

static void copy(struct scanner *s, const char *from)
{
	if (s->out)
		ration__buffer_append(s->out, from, (size_t)(s->at - from));
}

static void skip_blanks(struct scanner *s)
{
	while (s->at < s->end &&
		(*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static bool scan_escape(struct scanner *s)
{
	if (++s->at == s->end)
		return false;
	if (*s->at == 'u') {
		if (s->end - s->at < 5)
			return false;
		for (int i = 1; i <= 4; i++)
			if (!memchr("0123456789abcdefABCDEF", s->at[i], 22))
				return false;
		s->at += 5;
		return true;
	}
	if (!memchr("\"\\/bfnrt", *s->at, 8))
		return false;
	s->at++;
	return true;
}

static bool scan_string(struct scanner *s)
{
	const char *from = s->at;

	if (s->at == s->end || *s->at != '"')
		return false;
	s->at++;
	while (s->at < s->end && *s->at != '"') {
		unsigned char c = (unsigned char)*s->at;

		if (c == '\\') {
			if (!scan_escape(s))
				return false;
			continue;
		}
		size_t step = c < 0x20 ? 0
				       : utf8_sequence((const unsigned char *)s->at,
						 (size_t)(s->end - s->at));
		if (!step)
			return false;
		s->at += step;
	}
	if (s->at == s->end)
		return false;
	s->at++;
	copy(s, from);
	return true;
}

static size_t scan_digits(struct scanner *s)
{
	const char *from = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return (size_t)(s->at - from);
}

static bool scan_number(struct scanner *s)
{
	const char *from = s->at;

	if (s->at < s->end && *s->at == '-')
		s->at++;
	const char *first = s->at;
	size_t digits = scan_digits(s);

	if (digits == 0 || (digits > 1 && *first == '0'))
		return false;
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if (!scan_digits(s))
			return false;
	}
	if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		if (!scan_digits(s))
			return false;
	}
	copy(s, from);
	return true;
}

static bool scan_word(struct scanner *s, const char *word)
{
	const char *from = s->at;
	size_t length = strlen(word);

	if ((size_t)(s->end - s->at) < length || memcmp(s->at, word, length) != 0)
		return false;
	s->at += length;
	copy(s, from);
	return true;
}

static void take(struct scanner *s)
{
	s->at++;
	copy(s, s->at - 1);
}

/* Opens a bracket; what may stand inside is up to the caller. */
static bool open_bracket(struct scanner *s)
{
	if (s->depth == RATION__JSON_DEPTH_MAX)
		return false;
	uint64_t bit = UINT64_C(1) << (s->depth % 64);

	if (*s->at == '{')
		s->objects[s->depth / 64] |= bit;
	else
		s->objects[s->depth / 64] &= ~bit;
	s->depth++;
	take(s);
	return true;
}

static bool in_object(const struct scanner *s)
{
	unsigned level = s->depth - 1;

	return s->objects[level / 64] >> (level % 64) & 1;
}

static bool scan_key(struct scanner *s)
{
	skip_blanks(s);
	if (!scan_string(s))
		return false;
	skip_blanks(s);
	if (s->at == s->end || *s->at != ':')
		return false;
	take(s);
	return true;
}

static bool scan_scalar(struct scanner *s)
{
	switch (*s->at) {
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		return scan_number(s);
	}
}

/* After a value: closes what ends here. Returns true when another value must follow; *ok tells
 * whether what stands here is right. */
static bool scan_tail(struct scanner *s, bool *ok)
{
	for (;;) {
		skip_blanks(s);
		*ok = true;
		if (s->depth == 0) {
			*ok = s->at == s->end;
			return false;
		}
		*ok = s->at < s->end;
		if (!*ok)
			return false;
		if (*s->at == ',') {
			take(s);
			*ok = !in_object(s) || scan_key(s);
			return *ok;
		}
		*ok = *s->at == (in_object(s) ? '}' : ']');
		if (!*ok)
			return false;
		take(s);
		s->depth--;
	}
}

static bool scan(struct scanner *s)
{
	bool ok = true, more = true;

	while (more) {
		skip_blanks(s);
		if (s->at == s->end)
			return false;
		if (*s->at != '{' && *s->at != '[') {
			if (!scan_scalar(s))
				return false;
			more = scan_tail(s, &ok);
			continue;
		}
		char close = *s->at == '{' ? '}' : ']';

		if (!open_bracket(s))
			return false;
		skip_blanks(s);
		if (s->at < s->end && *s->at == close) {
			take(s);
			s->depth--;
			more = scan_tail(s, &ok);
		} else if (close == '}' && !scan_key(s)) {
			return false;
		}
	}
	return ok;
}

bool ration__json_compact(struct ration__buffer *out, const char *text, size_t length)
{
	struct scanner s = {.out = out, .at = text, .end = text + length};
	size_t before = out ? out->length : 0;

	if (scan(&s))
		return true;
	if (out && out->length > before) {
		out->length = before;
		out->data[before] = '\0';
	}
	return false;
}
