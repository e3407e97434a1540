/* A growing byte buffer, always NUL-terminated when not empty. Growth may fail: then the buffer is
 * marked and stays as it was, so that a chain of appends is checked once at its end. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct ration__buffer {
	char *data; /* NULL when nothing was ever appended */
	size_t length, capacity;
	size_t max;  /* 0: no limit */
	bool failed; /* out of memory or above max, since init or clear */
};

void ration__buffer_init(struct ration__buffer *buffer, size_t max);
void ration__buffer_fini(struct ration__buffer *buffer);
void ration__buffer_clear(struct ration__buffer *buffer); /* keeps the memory */
void ration__buffer_append(struct ration__buffer *buffer, const void *data, size_t length);
void ration__buffer_puts(struct ration__buffer *buffer, const char *text);
void ration__buffer_putc(struct ration__buffer *buffer, char c);
void ration__buffer_printf(struct ration__buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* text as a JSON string with quotes; invalid UTF-8 becomes U+FFFD. */
void ration__buffer_json_string(struct ration__buffer *buffer, const char *text, size_t length);
/* Hands the memory over (free with free()); NULL when failed. The buffer is empty afterwards. */
char *ration__buffer_take(struct ration__buffer *buffer, size_t *length);

#endif
