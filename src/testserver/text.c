/* Growing text; see the header. */
#include "testserver/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ts__text_fini(struct ts_text *text)
{
	free(text->data);
	*text = (struct ts_text){0};
}

static bool reserve(struct ts_text *text, size_t more)
{
	if (text->failed)
		return false;
	if (text->capacity - text->length >= more)
		return true;

	size_t capacity = text->capacity ? text->capacity : 256;
	while (capacity - text->length < more) {
		if (capacity > SIZE_MAX / 2)
			goto no_room;
		capacity *= 2;
	}
	char *data = realloc(text->data, capacity);
	if (!data)
		goto no_room;
	text->data = data;
	text->capacity = capacity;
	return true;

no_room:
	text->failed = true;
	return false;
}

void ts__text_add(struct ts_text *text, const void *bytes, size_t length)
{
	if (length == 0 || !reserve(text, length))
		return;
	memcpy(text->data + text->length, bytes, length);
	text->length += length;
}

void ts__text_puts(struct ts_text *text, const char *string)
{
	ts__text_add(text, string, strlen(string));
}

void ts__text_printf(struct ts_text *text, const char *format, ...)
{
	if (!reserve(text, 128))
		return;

	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(
		text->data + text->length, text->capacity - text->length, format, arguments);
	va_end(arguments);
	if (length < 0) {
		text->failed = true;
		return;
	}
	if ((size_t)length >= text->capacity - text->length) {
		if (!reserve(text, (size_t)length + 1))
			return;
		va_start(arguments, format);
		vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
		va_end(arguments);
	}
	text->length += (size_t)length;
}

/* The length of the UTF-8 sequence at the start, 0 when there is none: no overlong forms, no
 * surrogates, nothing above U+10FFFF. */
static size_t utf8_length(const unsigned char *bytes, size_t left)
{
	unsigned char first = bytes[0];
	size_t length = 0;

	if (first < 0x80)
		length = 1;
	else if (first >= 0xc2 && first < 0xe0)
		length = 2;
	else if (first >= 0xe0 && first < 0xf0)
		length = 3;
	else if (first >= 0xf0 && first < 0xf5)
		length = 4;
	if (length == 0 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((first == 0xe0 && bytes[1] < 0xa0) || (first == 0xed && bytes[1] > 0x9f) ||
		(first == 0xf0 && bytes[1] < 0x90) || (first == 0xf4 && bytes[1] > 0x8f))
		return 0;
	return length;
}

static void escape(struct ts_text *text, unsigned char byte)
{
	switch (byte) {
	case '"':
		ts__text_add(text, "\\\"", 2);
		break;
	case '\\':
		ts__text_add(text, "\\\\", 2);
		break;
	case '\n':
		ts__text_add(text, "\\n", 2);
		break;
	case '\r':
		ts__text_add(text, "\\r", 2);
		break;
	case '\t':
		ts__text_add(text, "\\t", 2);
		break;
	default:
		ts__text_printf(text, "\\u%04x", byte);
	}
}

static bool is_bare(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

void ts__text_json(struct ts_text *text, const void *data, size_t length)
{
	const unsigned char *bytes = data;

	ts__text_add(text, "\"", 1);
	for (size_t i = 0; i < length;) {
		size_t run = 0;
		while (i + run < length && is_bare(bytes[i + run]))
			run++;
		ts__text_add(text, bytes + i, run);
		i += run;
		if (i == length)
			break;
		size_t sequence = bytes[i] >= 0x80 ? utf8_length(bytes + i, length - i) : 0;
		if (sequence > 0) {
			ts__text_add(text, bytes + i, sequence);
			i += sequence;
		} else {
			escape(text, bytes[i++]);
		}
	}
	ts__text_add(text, "\"", 1);
}

void ts__text_json_string(struct ts_text *text, const char *string, size_t max)
{
	if (string)
		ts__text_json(text, string, strnlen(string, max));
	else
		ts__text_puts(text, "null");
}

void ts__text_base64(struct ts_text *text, const void *data, size_t length)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *bytes = data;

	if (!reserve(text, length / 3 * 4 + 4))
		return;
	for (size_t i = 0; i < length; i += 3) {
		size_t have = length - i < 3 ? length - i : 3;
		uint32_t word = (uint32_t)bytes[i] << 16;
		if (have > 1)
			word |= (uint32_t)bytes[i + 1] << 8;
		if (have > 2)
			word |= bytes[i + 2];
		char out[4] = {digits[word >> 18], digits[word >> 12 & 63],
			have > 1 ? digits[word >> 6 & 63] : '=',
			have > 2 ? digits[word & 63] : '='};
		ts__text_add(text, out, sizeof(out));
	}
}

bool ts__text_is_plain(const void *data, size_t length)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < length;) {
		size_t sequence = utf8_length(bytes + i, length - i);
		bool control = bytes[i] == 0x7f || (bytes[i] < 0x20 && bytes[i] != '\t' &&
							   bytes[i] != '\n' && bytes[i] != '\r');
		if (sequence == 0 || control)
			return false;
		i += sequence;
	}
	return true;
}
