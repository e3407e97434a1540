/* Growing byte buffer. Capacity doubles and always leaves room for the final NUL. After a failure
 * nothing more is appended, so a text with a hole in its middle cannot come out. */
#include "base/buffer.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 64 };

void ration__buffer_init(struct ration__buffer *buffer, size_t max)
{
	*buffer = (struct ration__buffer){.max = max};
}

void ration__buffer_fini(struct ration__buffer *buffer)
{
	free(buffer->data);
	ration__buffer_init(buffer, buffer->max);
}

void ration__buffer_clear(struct ration__buffer *buffer)
{
	buffer->length = 0;
	buffer->failed = false;
	if (buffer->data)
		buffer->data[0] = '\0';
}

/* Room for `extra` bytes and a NUL behind what is there. */
static bool reserve(struct ration__buffer *buffer, size_t extra)
{
	size_t limit = buffer->max ? buffer->max : SIZE_MAX / 2;
	size_t capacity = buffer->capacity ? buffer->capacity : CAPACITY_FIRST;
	char *data;

	if (buffer->failed)
		return false;
	if (extra > limit || buffer->length > limit - extra)
		goto failed;
	if (buffer->data && buffer->length + extra < buffer->capacity)
		return true;
	while (capacity <= buffer->length + extra)
		capacity *= 2;
	data = realloc(buffer->data, capacity);
	if (!data)
		goto failed;
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
failed:
	buffer->failed = true;
	return false;
}

void ration__buffer_append(struct ration__buffer *buffer, const void *data, size_t length)
{
	if (!reserve(buffer, length))
		return;
	if (length)
		memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void ration__buffer_puts(struct ration__buffer *buffer, const char *text)
{
	ration__buffer_append(buffer, text, strlen(text));
}

void ration__buffer_putc(struct ration__buffer *buffer, char c)
{
	ration__buffer_append(buffer, &c, 1);
}

void ration__buffer_printf(struct ration__buffer *buffer, const char *format, ...)
{
	va_list args, again;
	int length;

	va_start(args, format);
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		buffer->failed = true;
	else if (reserve(buffer, (size_t)length)) {
		vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
		buffer->length += (size_t)length;
	}
	va_end(again);
}

/* Length of the well-formed UTF-8 sequence at text (Unicode 15, table 3-7); 0: not one. */
static size_t utf8_length(const unsigned char *text, size_t length)
{
	unsigned char first = text[0], low = 0x80, high = 0xbf;
	size_t need;

	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		need = 2;
	else if (first >= 0xe0 && first <= 0xef)
		need = 3;
	else if (first >= 0xf0 && first <= 0xf4)
		need = 4;
	else
		return 0;
	if (length < need)
		return 0;
	if (first == 0xe0)
		low = 0xa0; /* shorter spelling exists */
	else if (first == 0xed)
		high = 0x9f; /* surrogates */
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f; /* above U+10FFFF */
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

/* What c becomes inside a JSON string; false: it stands for itself. */
static bool json_escape(unsigned char c, char out[8])
{
	static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i + 1 < sizeof(names); i += 2) {
		if (c == (unsigned char)names[i]) {
			out[0] = '\\';
			out[1] = names[i + 1];
			out[2] = '\0';
			return true;
		}
	}
	if (c >= 0x20)
		return false;
	snprintf(out, 8, "\\u%04x", c);
	return true;
}

void ration__buffer_json_string(struct ration__buffer *buffer, const char *text, size_t length)
{
	const unsigned char *in = (const unsigned char *)text;
	size_t from = 0, at = 0;
	char escape[8];

	ration__buffer_putc(buffer, '"');
	while (at < length) {
		size_t step = utf8_length(in + at, length - at);
		const char *instead = NULL;

		if (!step)
			instead = "\xef\xbf\xbd";
		else if (json_escape(in[at], escape))
			instead = escape;
		if (instead) {
			ration__buffer_append(buffer, text + from, at - from);
			ration__buffer_puts(buffer, instead);
			from = at + 1;
		}
		at += step ? step : 1;
	}
	ration__buffer_append(buffer, text + from, length - from);
	ration__buffer_putc(buffer, '"');
}

char *ration__buffer_take(struct ration__buffer *buffer, size_t *length)
{
	char *data = NULL;

	if (reserve(buffer, 0)) {
		data = buffer->data;
		data[buffer->length] = '\0';
		if (length)
			*length = buffer->length;
		buffer->data = NULL;
	}
	ration__buffer_fini(buffer);
	return data;
}
