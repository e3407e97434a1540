/*
 * Growing text with JSON in mind. A failed allocation makes the text `failed`, later additions do
 * nothing; whoever uses the result looks once.
 */
#ifndef TESTSERVER_TEXT_H
#define TESTSERVER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct ts_text {
	char *data; /* not terminated */
	size_t length;
	size_t capacity;
	bool failed;
};

void ts__text_fini(struct ts_text *text);
void ts__text_add(struct ts_text *text, const void *bytes, size_t length);
void ts__text_puts(struct ts_text *text, const char *string);
__attribute__((format(printf, 2, 3))) void ts__text_printf(
	struct ts_text *text, const char *format, ...);
/* A JSON string in quotes; bytes that are no UTF-8 are read as Latin-1, so that nothing is lost. */
void ts__text_json(struct ts_text *text, const void *bytes, size_t length);
/* The same of a terminated string of which at most max bytes are shown; NULL gives null. */
void ts__text_json_string(struct ts_text *text, const char *string, size_t max);
void ts__text_base64(struct ts_text *text, const void *bytes, size_t length);
/* Whether the bytes are UTF-8 without control characters other than tab and line ends. */
bool ts__text_is_plain(const void *bytes, size_t length);

#endif
