/*
 * Structured fields: see http/structured.h. The steps of RFC 9651 section 4.2, turned around: what
 * is recursion there is a state here. States in capitals, what is read between them in words:
 *
 *     FIRST --> a member: either an item ----------------------> PARAMETERS
 *                 ^       or "(" --> INNER_FIRST                  |  |  |
 *                 |                    |  an item or ")" ------> -+  |  |
 *                 |                    +-- blank, item or ")" <------+  |   inside an inner list
 *                 +-------------------- "," or ENDED <------------------+   outside
 */
#include <string.h>
#include "http/json.h"
#include "http/structured.h"

enum state { FIRST, PARAMETERS, INNER_FIRST, ENDED, FAILED };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

/* The character at hand; NUL at the end. A NUL in the text is like no other and fits nowhere. */
static char peek(const struct ration__sf *sf)
{
	return sf->at < sf->end ? *sf->at : '\0';
}

static bool take(struct ration__sf *sf, char c)
{
	if (sf->at == sf->end || *sf->at != c)
		return false;
	sf->at++;
	return true;
}

static void skip_spaces(struct ration__sf *sf)
{
	while (take(sf, ' '))
		;
}

static void skip_blanks(struct ration__sf *sf)
{
	while (take(sf, ' ') || take(sf, '\t'))
		;
}

static void set_text(
	struct ration__sf *sf, enum ration__sf_type type, const char *from, const char *to)
{
	sf->value = (struct ration__sf_value){
		.type = type, .text = from, .length = (size_t)(to - from)};
}

/* ---- bare items ---- */

/* 15 digits, or 12 with up to three behind the point: neither can overflow. */
static bool read_number(struct ration__sf *sf)
{
	bool negative = take(sf, '-'), point = false;
	unsigned whole = 0, fraction = 0;
	int64_t n = 0;

	for (; sf->at < sf->end; sf->at++) {
		if (is_digit(*sf->at)) {
			if (point ? ++fraction > 3 : ++whole > 15)
				return false;
			n = n * 10 + (*sf->at - '0');
		} else if (*sf->at == '.' && !point && whole) {
			if (whole > 12)
				return false;
			point = true;
		} else {
			break;
		}
	}
	if (!whole || (point && !fraction))
		return false;
	for (; point && fraction < 3; fraction++)
		n *= 10;
	sf->value =
		(struct ration__sf_value){.type = point ? RATION__SF_DECIMAL : RATION__SF_INTEGER,
			.number = negative ? -n : n};
	return true;
}

static bool read_date(struct ration__sf *sf)
{
	sf->at++;
	if (!read_number(sf) || sf->value.type != RATION__SF_INTEGER)
		return false;
	sf->value.type = RATION__SF_DATE;
	return true;
}

static bool read_boolean(struct ration__sf *sf)
{
	sf->at++;
	bool yes = peek(sf) == '1';

	if (!yes && peek(sf) != '0')
		return false;
	sf->at++;
	sf->value = (struct ration__sf_value){.type = RATION__SF_BOOLEAN, .number = yes};
	return true;
}

static bool read_string(struct ration__sf *sf)
{
	const char *from = ++sf->at;

	for (; sf->at < sf->end; sf->at++) {
		if (*sf->at == '"') {
			set_text(sf, RATION__SF_STRING, from, sf->at++);
			return true;
		}
		if (*sf->at == '\\') {
			sf->at++;
			if (peek(sf) != '"' && peek(sf) != '\\')
				return false;
		} else if (*sf->at < ' ' || *sf->at > '~') {
			return false;
		}
	}
	return false;
}

static bool read_token(struct ration__sf *sf)
{
	const char *from = sf->at++;

	while (sf->at < sf->end &&
		(is_alpha(*sf->at) || is_digit(*sf->at) || is_one_of(*sf->at, "!#$%&'*+-.^_`|~:/")))
		sf->at++;
	set_text(sf, RATION__SF_TOKEN, from, sf->at);
	return true;
}

/* Padding may be missing, and its bits need not be 0: parsers should not mind either. */
static bool read_bytes(struct ration__sf *sf)
{
	const char *from = ++sf->at;

	while (sf->at < sf->end &&
		(is_alpha(*sf->at) || is_digit(*sf->at) || is_one_of(*sf->at, "+/")))
		sf->at++;
	size_t digits = (size_t)(sf->at - from), padding = 0;

	while (take(sf, '='))
		padding++;
	if (digits % 4 == 1 || (padding && (digits + padding) % 4) || padding > 2 ||
		peek(sf) != ':')
		return false;
	set_text(sf, RATION__SF_BYTES, from, from + digits);
	sf->at++;
	return true;
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How many bytes a UTF-8 sequence has that begins so; whether it is right is asked later. */
static unsigned utf8_length(unsigned char lead)
{
	return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static bool read_display(struct ration__sf *sf)
{
	char sequence[4];
	unsigned have = 0;

	if (++sf->at == sf->end || *sf->at != '"')
		return false;
	const char *from = ++sf->at;

	while (sf->at < sf->end && *sf->at != '"') {
		char c = *sf->at++;

		if (c < ' ' || c > '~')
			return false;
		if (c == '%') {
			int high = hex_digit(peek(sf));
			int low = sf->end - sf->at < 2 ? -1 : hex_digit(sf->at[1]);

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			sf->at += 2;
		}
		sequence[have++] = c;
		if (have < utf8_length((unsigned char)sequence[0]))
			continue;
		if (!ration__utf8_valid(sequence, have))
			return false;
		have = 0;
	}
	if (have || sf->at == sf->end)
		return false;
	set_text(sf, RATION__SF_DISPLAY, from, sf->at++);
	return true;
}

static bool read_bare(struct ration__sf *sf)
{
	char c = peek(sf);

	switch (c) {
	case '"':
		return read_string(sf);
	case ':':
		return read_bytes(sf);
	case '?':
		return read_boolean(sf);
	case '@':
		return read_date(sf);
	case '%':
		return read_display(sf);
	default:
		if (is_alpha(c) || c == '*')
			return read_token(sf);
		return (is_digit(c) || c == '-') && read_number(sf);
	}
}

/* ---- structure ---- */

static bool read_key(struct ration__sf *sf)
{
	const char *from = sf->at;

	if (!is_lower(peek(sf)) && peek(sf) != '*')
		return false;
	while (sf->at < sf->end &&
		(is_lower(*sf->at) || is_digit(*sf->at) || is_one_of(*sf->at, "_-.*")))
		sf->at++;
	sf->key = from;
	sf->key_length = (size_t)(sf->at - from);
	return true;
}

static void set_true(struct ration__sf *sf)
{
	sf->value = (struct ration__sf_value){.type = RATION__SF_BOOLEAN, .number = 1};
}

static enum ration__sf_event fail(struct ration__sf *sf)
{
	sf->state = FAILED;
	return RATION__SF_BAD;
}

static enum ration__sf_event next_item(struct ration__sf *sf)
{
	if (!read_bare(sf))
		return fail(sf);
	sf->state = PARAMETERS;
	sf->parameters = 0;
	return RATION__SF_ITEM;
}

static enum ration__sf_event next_member(struct ration__sf *sf)
{
	sf->key = NULL;
	sf->key_length = 0;
	if (++sf->members > RATION__SF_MEMBERS_MAX)
		return fail(sf);
	if (sf->field == RATION__SF_DICTIONARY) {
		if (!read_key(sf))
			return fail(sf);
		if (!take(sf, '=')) {
			set_true(sf);
			sf->state = PARAMETERS;
			sf->parameters = 0;
			return RATION__SF_ITEM;
		}
	}
	if (sf->field == RATION__SF_ITEM_FIELD || !take(sf, '('))
		return next_item(sf);
	sf->state = INNER_FIRST;
	sf->inner = true;
	sf->items = 0;
	return RATION__SF_INNER;
}

/* Behind "(" or behind an item in the list. */
static enum ration__sf_event next_inner(struct ration__sf *sf)
{
	sf->key = NULL;
	sf->key_length = 0;
	skip_spaces(sf);
	if (take(sf, ')')) {
		sf->inner = false;
		sf->state = PARAMETERS;
		sf->parameters = 0;
		return RATION__SF_INNER_END;
	}
	if (++sf->items > RATION__SF_ITEMS_MAX)
		return fail(sf);
	return next_item(sf);
}

static enum ration__sf_event next_parameter(struct ration__sf *sf)
{
	skip_spaces(sf);
	if (++sf->parameters > RATION__SF_PARAMETERS_MAX || !read_key(sf))
		return fail(sf);
	set_true(sf);
	if (take(sf, '=') && !read_bare(sf))
		return fail(sf);
	return RATION__SF_PARAMETER;
}

static enum ration__sf_event end(struct ration__sf *sf)
{
	if (sf->at < sf->end)
		return fail(sf);
	sf->state = ENDED;
	return RATION__SF_END;
}

/* After a member and its parameters: the end, or a comma and another one. */
static enum ration__sf_event next_or_end(struct ration__sf *sf)
{
	if (sf->field == RATION__SF_ITEM_FIELD) {
		skip_spaces(sf);
		return end(sf);
	}
	skip_blanks(sf);
	if (sf->at == sf->end)
		return end(sf);
	if (!take(sf, ','))
		return fail(sf);
	skip_blanks(sf);
	return next_member(sf); /* none: a comma stood at the end */
}

void ration__sf_init(
	struct ration__sf *sf, enum ration__sf_field field, const char *text, size_t length)
{
	*sf = (struct ration__sf){.at = text, .end = text + length, .field = field};
	if (length > RATION__SF_BYTES_MAX)
		sf->state = FAILED;
}

enum ration__sf_event ration__sf_next(struct ration__sf *sf)
{
	switch (sf->state) {
	case FIRST:
		skip_spaces(sf);
		if (sf->at == sf->end && sf->field != RATION__SF_ITEM_FIELD)
			return end(sf);
		return next_member(sf);
	case PARAMETERS:
		if (take(sf, ';'))
			return next_parameter(sf);
		if (!sf->inner)
			return next_or_end(sf);
		if (peek(sf) != ' ' && peek(sf) != ')')
			return fail(sf);
		return next_inner(sf);
	case INNER_FIRST:
		return next_inner(sf);
	case ENDED:
		return RATION__SF_END;
	default:
		return RATION__SF_BAD;
	}
}

bool ration__sf_key_is(const struct ration__sf *sf, const char *key)
{
	return sf->key_length == strlen(key) && memcmp(sf->key, key, sf->key_length) == 0;
}
