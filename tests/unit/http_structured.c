/* Structured fields: own cases beside the public ones (http_structured_suite.c), and hostile text.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/clock.h"
#include "base/util.h"
#include "http/structured.h"
#include "http_leaks.h"

TestSuite(structured, .fini = check_leaks);

static void put_value(struct ration__buffer *out, const struct ration__sf_value *value)
{
	static const char letters[] = "idstbBDu";
	char *text = malloc(value->length + 1);
	size_t length = ration__sf_text(value, text, value->length);

	cr_assert_leq(length, value->length);
	ration__buffer_putc(out, letters[value->type]);
	if (value->text)
		ration__buffer_append(out, text, length);
	else
		ration__buffer_printf(out, "%lld", (long long)value->number);
	free(text);
}

/* The events in few letters: "k=" a member's key, "(" ")" inner lists, ";k=" parameters; "!" bad.
 */
static void trace(
	enum ration__sf_field field, const char *text, size_t length, struct ration__buffer *out)
{
	enum ration__sf_event event;
	struct ration__sf sf;

	ration__sf_init(&sf, field, text, length);
	do {
		event = ration__sf_next(&sf);
		if (event == RATION__SF_PARAMETER)
			ration__buffer_putc(out, ';');
		else if (event == RATION__SF_ITEM || event == RATION__SF_INNER)
			ration__buffer_putc(out, ' ');
		if (event == RATION__SF_PARAMETER ||
			(!sf.inner && event == RATION__SF_ITEM && sf.key) ||
			(event == RATION__SF_INNER && sf.key)) {
			ration__buffer_append(out, sf.key, sf.key_length);
			ration__buffer_putc(out, '=');
		}
		if (event == RATION__SF_ITEM || event == RATION__SF_PARAMETER)
			put_value(out, &sf.value);
		else if (event == RATION__SF_INNER)
			ration__buffer_putc(out, '(');
		else if (event == RATION__SF_INNER_END)
			ration__buffer_putc(out, ')');
	} while (event != RATION__SF_END && event != RATION__SF_BAD);
	if (event == RATION__SF_BAD)
		ration__buffer_putc(out, '!');
	ration__buffer_putc(out, '.');
	/* the end stays the end */
	cr_expect_eq(ration__sf_next(&sf), event);
}

static void check(enum ration__sf_field field, const char *text, const char *expected)
{
	struct ration__buffer out;

	ration__buffer_init(&out, 0);
	trace(field, text, strlen(text), &out);
	cr_expect_str_eq(out.data, expected, "%s: %s", text, out.data);
	ration__buffer_fini(&out);
}

Test(structured, items_of_every_type)
{
	check(RATION__SF_ITEM_FIELD, " 42 ", " i42.");
	check(RATION__SF_ITEM_FIELD, "-999999999999999", " i-999999999999999.");
	check(RATION__SF_ITEM_FIELD, "1000000000000000", "!.");
	check(RATION__SF_ITEM_FIELD, "-1.5", " d-1500.");
	check(RATION__SF_ITEM_FIELD, "999999999999.999", " d999999999999999.");
	check(RATION__SF_ITEM_FIELD, "1234567890123.1", "!.");
	check(RATION__SF_ITEM_FIELD, "1.1234", "!.");
	check(RATION__SF_ITEM_FIELD, "\"a\\\"\\\\b\"", " sa\"\\b.");
	check(RATION__SF_ITEM_FIELD, "\"a\\b\"", "!.");
	check(RATION__SF_ITEM_FIELD, "\"a\\", "!.");
	check(RATION__SF_ITEM_FIELD, "*a/b:c", " t*a/b:c.");
	check(RATION__SF_ITEM_FIELD, ":aGk=:", " bhi.");
	check(RATION__SF_ITEM_FIELD, ":aGk:", " bhi.");
	check(RATION__SF_ITEM_FIELD, ":aGk===:", "!.");
	check(RATION__SF_ITEM_FIELD, ":a:", "!.");
	check(RATION__SF_ITEM_FIELD, "?1", " B1.");
	check(RATION__SF_ITEM_FIELD, "?2", "!.");
	check(RATION__SF_ITEM_FIELD, "@-5", " D-5.");
	check(RATION__SF_ITEM_FIELD, "@1.5", "!.");
	check(RATION__SF_ITEM_FIELD, "%\"f%c3%bc\"", " uf\xc3\xbc.");
	check(RATION__SF_ITEM_FIELD, "%\"%c3\"", "!.");
	check(RATION__SF_ITEM_FIELD, "%\"%c3a\"", "!.");
	check(RATION__SF_ITEM_FIELD, "%\"%C3%BC\"", "!.");
	check(RATION__SF_ITEM_FIELD, "", "!.");
	check(RATION__SF_ITEM_FIELD, "1 2", " i1!.");
	check(RATION__SF_ITEM_FIELD, "(1)", "!.");
	check(RATION__SF_ITEM_FIELD, "1\t", " i1!.");
}

Test(structured, lists_and_dictionaries)
{
	check(RATION__SF_LIST, "", ".");
	check(RATION__SF_LIST, "  ", ".");
	check(RATION__SF_LIST, "1\t,\t(2 a;x );y=?0;z, 3", " i1 ( i2 ta;x=B1);y=B0;z=B1 i3.");
	check(RATION__SF_LIST, "()", " ().");
	check(RATION__SF_LIST, "1,", " i1!.");
	check(RATION__SF_LIST, ",1", "!.");
	check(RATION__SF_LIST, "(1", " ( i1!.");
	check(RATION__SF_LIST, "(1,2)", " ( i1!.");
	check(RATION__SF_LIST, "(1\"a\")", " ( i1!.");
	check(RATION__SF_LIST, "(1\t2)", " ( i1!.");
	check(RATION__SF_LIST, "((1))", " (!.");
	check(RATION__SF_LIST, "1;", " i1!.");
	check(RATION__SF_LIST, "1;A", " i1!.");
	check(RATION__SF_LIST, "1 ;a", " i1!.");
	check(RATION__SF_LIST, "1; a", " i1;a=B1.");
	check(RATION__SF_DICTIONARY, "a, b;c=1, d=(1);e, *f=2",
		" a=B1 b=B1;c=i1 d=( i1);e=B1 *f=i2.");
	check(RATION__SF_DICTIONARY, "a=1, a=2", " a=i1 a=i2.");
	check(RATION__SF_DICTIONARY, "a=", "!.");
	check(RATION__SF_DICTIONARY, "A=1", "!.");
	check(RATION__SF_DICTIONARY, "a =1", " a=B1!.");
	check(RATION__SF_DICTIONARY, "1", "!.");
	check(RATION__SF_LIST, "\"default\";r=50;t=30", " sdefault;r=i50;t=i30.");
}

Test(structured, NUL_is_no_end)
{
	struct ration__buffer out;

	ration__buffer_init(&out, 0);
	trace(RATION__SF_ITEM_FIELD, "1\0", 2, &out);
	trace(RATION__SF_ITEM_FIELD, "a\0", 2, &out);
	trace(RATION__SF_ITEM_FIELD, "\"\0\"", 3, &out);
	trace(RATION__SF_DICTIONARY, "a\0=1", 4, &out);
	cr_expect_str_eq(out.data, " i1!. ta!.!. a=B1!.", "%s", out.data);
	ration__buffer_fini(&out);
}

/* count copies of what, joined. */
static char *repeat(const char *what, const char *join, size_t count)
{
	struct ration__buffer out;

	ration__buffer_init(&out, 0);
	for (size_t i = 0; i < count; i++) {
		ration__buffer_puts(&out, i ? join : "");
		ration__buffer_puts(&out, what);
	}
	return ration__buffer_take(&out, NULL);
}

static bool is_right(enum ration__sf_field field, const char *text)
{
	enum ration__sf_event event;
	struct ration__sf sf;

	ration__sf_init(&sf, field, text, strlen(text));
	while ((event = ration__sf_next(&sf)) != RATION__SF_END && event != RATION__SF_BAD)
		;
	return event == RATION__SF_END;
}

Test(structured, bounds)
{
	static const struct {
		const char *what, *join;
		size_t most;
		const char *before, *after;
	} rows[] = {{"1", ",", RATION__SF_MEMBERS_MAX, "", ""},
		{"1", " ", RATION__SF_ITEMS_MAX, "(", ")"},
		{"a", ";", RATION__SF_PARAMETERS_MAX, "1;", ""},
		{"a", "", RATION__SF_BYTES_MAX - 2, "\"", "\""}};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		for (size_t over = 0; over < 2; over++) {
			char *middle = repeat(rows[i].what, rows[i].join, rows[i].most + over);
			char *text = malloc(strlen(middle) + 16);

			strcpy(text, rows[i].before);
			strcat(text, middle);
			strcat(text, rows[i].after);
			cr_expect_eq(is_right(RATION__SF_LIST, text), !over, "row %zu, %zu over", i,
				over);
			free(text);
			free(middle);
		}
	}
}

/* Each text of a random kind: bytes of the grammar, mostly, behind one another. The trace must end
 * and stay within its text; sanitizers watch. */
Test(structured, random_text)
{
	static const char likely[] = "a1.-*;,=()\"\\:%@? \t\xc3\xbc\xff~A/+0";
	struct ration__random random = {.state = {1, 2, 3, 4}};
	unsigned right = 0;

	for (int i = 0; i < 200000; i++) {
		uint64_t dice = ration__random_next(&random);
		size_t length = dice % 24;
		/* of its own size: a byte read behind it is seen */
		char *text = malloc(length + !length);
		struct ration__buffer out;

		for (size_t k = 0; k < length; k++) {
			uint64_t byte = ration__random_next(&random);

			text[k] = byte >> 60 ? likely[byte % (sizeof(likely) - 1)] : (char)byte;
		}
		ration__buffer_init(&out, 0);
		trace((enum ration__sf_field)(dice >> 32) % 3, text, length, &out);
		right += out.length < 2 || out.data[out.length - 2] != '!';
		ration__buffer_fini(&out);
		free(text);
	}
	cr_expect_gt(right, 1000, "most random text is wrong, not all: %u", right);
}
