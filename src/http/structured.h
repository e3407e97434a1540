/*
 * Structured field values (RFC 9651, which contains RFC 8941): items, lists, dictionaries, inner
 * lists and parameters, read one event after the other. Pure: nothing is allocated or copied, so
 * an event points into the text. Strict: the text is right as a whole or _BAD comes, so whoever
 * reads acts on what was read only after _END. Linear in the length of the text; more members or
 * longer text than the bounds below are _BAD.
 *
 * A later parameter or dictionary member of the same key replaces the earlier one: that is left to
 * the reader, who sees both.
 */
#ifndef HTTP_STRUCTURED_H
#define HTTP_STRUCTURED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At least what RFC 9651 asks of an implementation. */
#define RATION__SF_BYTES_MAX 65536u
#define RATION__SF_MEMBERS_MAX 1024u   /* of a list or dictionary */
#define RATION__SF_ITEMS_MAX 256u      /* of an inner list */
#define RATION__SF_PARAMETERS_MAX 256u /* of an item or inner list */

enum ration__sf_field { RATION__SF_ITEM_FIELD, RATION__SF_LIST, RATION__SF_DICTIONARY };

enum ration__sf_type {
	RATION__SF_INTEGER,
	RATION__SF_DECIMAL,
	RATION__SF_STRING,
	RATION__SF_TOKEN,
	RATION__SF_BYTES,
	RATION__SF_BOOLEAN,
	RATION__SF_DATE,
	RATION__SF_DISPLAY,
};

struct ration__sf_value {
	enum ration__sf_type type;
	int64_t number;	  /* INTEGER, DATE (seconds), BOOLEAN (0, 1); DECIMAL in thousandths */
	const char *text; /* STRING, TOKEN, BYTES, DISPLAY: as written, without delimiters */
	size_t length;
};

enum ration__sf_event {
	RATION__SF_END,	      /* and the text was right */
	RATION__SF_BAD,	      /* and stays so */
	RATION__SF_ITEM,      /* value; its parameters follow */
	RATION__SF_INNER,     /* an inner list begins; its items and their parameters follow */
	RATION__SF_INNER_END, /* its own parameters follow */
	RATION__SF_PARAMETER, /* key, value */
};

struct ration__sf {
	const char *at, *end;
	const char *key; /* of a parameter, or of a dictionary's member; not NUL-terminated */
	size_t key_length;
	struct ration__sf_value value;
	enum ration__sf_field field;
	uint8_t state;
	bool inner; /* the event belongs inside an inner list */
	uint32_t members, items, parameters;
};

/* text: one line, or a field's lines joined with ", ". */
void ration__sf_init(
	struct ration__sf *sf, enum ration__sf_field field, const char *text, size_t length);
enum ration__sf_event ration__sf_next(struct ration__sf *sf);
bool ration__sf_key_is(const struct ration__sf *sf, const char *key);
/* A text's meaning: escapes, base64 and percent signs undone, without a NUL; never longer than
 * value->length. Returns its length; what is beyond size is not written. Only for values that
 * ration__sf_next gave out. */
size_t ration__sf_text(const struct ration__sf_value *value, char *out, size_t size);

#endif
