/* Texts of structured fields with their encodings undone: see http/structured.h. What comes here
 * was checked by the parser, so nothing is refused. */
#include "http/structured.h"

struct sink {
	char *out;
	size_t size, length;
};

static void put(struct sink *sink, char c)
{
	if (sink->length < sink->size)
		sink->out[sink->length] = c;
	sink->length++;
}

static unsigned base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	return c == '+' ? 62 : 63;
}

static void put_bytes(struct sink *sink, const struct ration__sf_value *value)
{
	uint32_t group = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < value->length; i++) {
		group = (group << 6 | base64_digit(value->text[i])) & 0xffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			put(sink, (char)(group >> bits));
		}
	}
}

static unsigned hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

size_t ration__sf_text(const struct ration__sf_value *value, char *out, size_t size)
{
	struct sink sink = {.out = out, .size = size};

	if (value->type == RATION__SF_BYTES) {
		put_bytes(&sink, value);
		return sink.length;
	}
	for (size_t i = 0; i < value->length; i++) {
		char c = value->text[i];

		if (value->type == RATION__SF_STRING && c == '\\') {
			c = value->text[++i];
		} else if (value->type == RATION__SF_DISPLAY && c == '%') {
			c = (char)(hex_digit(value->text[i + 1]) << 4 |
				   hex_digit(value->text[i + 2]));
			i += 2;
		}
		put(&sink, c);
	}
	return sink.length;
}
