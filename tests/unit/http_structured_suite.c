/*
 * The public tests of structured fields (httpwg/structured-field-tests), which do not belong to
 * this tree: STRUCTURED_FIELD_TESTS names the folder with its JSON files; skipped without it. What
 * the parser finds is built as the JSON that the tests expect and compared.
 */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "http/structured.h"

enum { SKIPPED = 77 };

struct counts {
	unsigned passed, failed, tolerated;
};

/* RFC 4648 section 6, as the tests write binary content. */
static json_t *base32(const unsigned char *bytes, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	struct ration__buffer out;
	json_t *json;

	ration__buffer_init(&out, 0);
	ration__buffer_puts(&out, "");
	for (size_t i = 0; i < length; i += 5) {
		size_t have = length - i < 5 ? length - i : 5, shown = (have * 8 + 4) / 5;
		uint64_t group = 0;

		for (size_t k = 0; k < 5; k++)
			group = group << 8 | (k < have ? bytes[i + k] : 0);
		for (size_t k = 0; k < 8; k++)
			ration__buffer_putc(
				&out, k < shown ? digits[group >> (35 - 5 * k) & 31] : '=');
	}
	json = json_stringn(out.data ? out.data : "", out.length);
	ration__buffer_fini(&out);
	return json;
}

static json_t *typed(const char *type, json_t *value)
{
	return json_pack("{s:s, s:o}", "__type", type, "value", value);
}

static json_t *bare(const struct ration__sf_value *value)
{
	char *text = malloc(value->length + 1);
	size_t length = ration__sf_text(value, text, value->length);
	json_t *json = NULL;

	switch (value->type) {
	case RATION__SF_INTEGER:
		json = json_integer(value->number);
		break;
	case RATION__SF_DECIMAL:
		json = json_real((double)value->number / 1000);
		break;
	case RATION__SF_STRING:
		json = json_stringn(text, length);
		break;
	case RATION__SF_TOKEN:
		json = typed("token", json_stringn(text, length));
		break;
	case RATION__SF_BYTES:
		json = typed("binary", base32((unsigned char *)text, length));
		break;
	case RATION__SF_BOOLEAN:
		json = json_boolean(value->number);
		break;
	case RATION__SF_DATE:
		json = typed("date", json_integer(value->number));
		break;
	case RATION__SF_DISPLAY:
		json = typed("displaystring", json_stringn(text, length));
		break;
	}
	free(text);
	return json;
}

/* Sets a pair in a list of pairs: a later one takes the place of an earlier. Takes value. */
static void set_pair(json_t *pairs, const char *key, size_t key_length, json_t *value)
{
	json_t *name = json_stringn(key, key_length), *pair;
	size_t i;

	json_array_foreach(pairs, i, pair)
	{
		if (json_equal(json_array_get(pair, 0), name)) {
			json_array_set_new(pair, 1, value);
			json_decref(name);
			return;
		}
	}
	json_array_append_new(pairs, json_pack("[o, o]", name, value));
}

/* NULL: the parser refuses it. */
static json_t *parse(enum ration__sf_field field, const char *text, size_t length)
{
	json_t *top = json_array(), *items = NULL, *parameters = NULL, *found = NULL, *element;
	enum ration__sf_event event;
	struct ration__sf sf;

	ration__sf_init(&sf, field, text, length);
	while ((event = ration__sf_next(&sf)) != RATION__SF_END && event != RATION__SF_BAD) {
		if (event == RATION__SF_PARAMETER) {
			set_pair(parameters, sf.key, sf.key_length, bare(&sf.value));
			continue;
		}
		parameters = json_array();
		if (event == RATION__SF_INNER_END) {
			json_array_append_new(found, parameters);
			continue;
		}
		element = event == RATION__SF_INNER ? json_array() : bare(&sf.value);
		if (event == RATION__SF_ITEM && sf.inner) {
			json_array_append_new(items, json_pack("[o, o]", element, parameters));
			continue;
		}
		found = json_pack("[o]", element);
		if (event == RATION__SF_INNER) {
			items = element;
			json_decref(parameters);
		} else {
			json_array_append_new(found, parameters);
		}
		if (field == RATION__SF_DICTIONARY)
			set_pair(top, sf.key, sf.key_length, found);
		else
			json_array_append_new(top, found);
	}
	if (event == RATION__SF_END) {
		if (field != RATION__SF_ITEM_FIELD)
			return top;
		found = json_incref(json_array_get(top, 0));
		json_decref(top);
		return found;
	}
	json_decref(top);
	return NULL;
}

/* 1 and 1.0 are different types, but a real of ours may miss theirs by its last bit. */
static int same(json_t *a, json_t *b)
{
	size_t i;
	json_t *element;

	if (json_is_real(a) && json_is_real(b)) {
		double d = json_real_value(a) - json_real_value(b);

		return d < 1e-9 && d > -1e-9;
	}
	if (!json_is_array(a) || !json_is_array(b))
		return json_equal(a, b);
	if (json_array_size(a) != json_array_size(b))
		return 0;
	json_array_foreach(a, i, element) if (!same(element, json_array_get(b, i))) return 0;
	return 1;
}

static void run_test(const char *file, json_t *test, struct counts *counts)
{
	const char *type = json_string_value(json_object_get(test, "header_type"));
	enum ration__sf_field field = strcmp(type, "item") == 0	  ? RATION__SF_ITEM_FIELD
				      : strcmp(type, "list") == 0 ? RATION__SF_LIST
								  : RATION__SF_DICTIONARY;
	bool must_fail = json_is_true(json_object_get(test, "must_fail"));
	bool can_fail = json_is_true(json_object_get(test, "can_fail"));
	struct ration__buffer text;
	json_t *line, *found;
	size_t i;

	ration__buffer_init(&text, 0);
	json_array_foreach(json_object_get(test, "raw"), i, line)
	{
		if (i)
			ration__buffer_puts(&text, ", ");
		ration__buffer_append(&text, json_string_value(line), json_string_length(line));
	}
	found = parse(field, text.data ? text.data : "", text.length);
	if (must_fail ? !found : found && same(found, json_object_get(test, "expected"))) {
		counts->passed++;
	} else if (!found && can_fail) {
		counts->tolerated++;
	} else {
		char *shown = found ? json_dumps(found, JSON_COMPACT) : NULL;

		printf("FAIL %s: %s: %s\n", file, json_string_value(json_object_get(test, "name")),
			shown ? shown : "refused");
		free(shown);
		counts->failed++;
	}
	json_decref(found);
	ration__buffer_fini(&text);
}

static void run_file(const char *folder, const char *name, struct counts *counts)
{
	struct counts before = *counts;
	json_error_t error;
	char path[4096];
	json_t *tests, *test;
	size_t i;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	tests = json_load_file(path, JSON_ALLOW_NUL, &error);
	if (!tests) {
		printf("FAIL %s: %s\n", name, error.text);
		counts->failed++;
		return;
	}
	json_array_foreach(tests, i, test) run_test(name, test, counts);
	printf("%-24s %zu tests, %u failed\n", name, json_array_size(tests),
		counts->failed - before.failed);
	json_decref(tests);
}

int main(void)
{
	const char *folder = getenv("STRUCTURED_FIELD_TESTS");
	struct counts counts = {0};
	struct dirent *entry;
	DIR *dir;

	if (!folder || !*folder) {
		puts("STRUCTURED_FIELD_TESTS is not set");
		return SKIPPED;
	}
	dir = opendir(folder);
	if (!dir) {
		perror(folder);
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		size_t length = strlen(entry->d_name);

		if (length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0)
			run_file(folder, entry->d_name, &counts);
	}
	closedir(dir);
	printf("%u passed, %u failed, %u refused that may be\n", counts.passed, counts.failed,
		counts.tolerated);
	return counts.failed || !counts.passed;
}
