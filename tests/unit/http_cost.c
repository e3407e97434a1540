/* True costs read from responses: JSON pointers, headers, what is no number. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/util.h"
#include "http/cost.h"
#include "http/json.h"
#include "http/pointer.h"
#include "http_leaks.h"

TestSuite(pointer, .fini = check_leaks);
TestSuite(cost, .fini = check_leaks);

/* expected: NULL: not found. */
static void check_pointer(const char *text, const char *pointer, const char *expected)
{
	size_t length = strlen(text), found_length = 4711;
	const char *found = text;
	char *exact = malloc(length);

	memcpy(exact, text, length);
	cr_assert(ration__json_compact(NULL, exact, length), "%s", text);
	cr_expect_eq(ration__pointer_find(exact, length, pointer, &found, &found_length),
		expected != NULL, "%s of %s", pointer, text);
	if (expected)
		cr_expect(found_length == strlen(expected) &&
				  memcmp(found, expected, found_length) == 0,
			"%s of %s: %.*s", pointer, text, (int)found_length, found);
	else
		cr_expect(found == text && found_length == 4711, "outputs untouched");
	free(exact);
}

/* RFC 6901 section 5, with the document given there. */
Test(pointer, examples_of_the_standard)
{
	static const char text[] =
		"{\"foo\": [\"bar\", \"baz\"], \"\": 0, \"a/b\": 1, \"c%d\": 2, "
		"\"e^f\": 3, \"g|h\": 4, \"i\\\\j\": 5, \"k\\\"l\": 6, \" \": 7, "
		"\"m~n\": 8}";

	check_pointer(text, "", text);
	check_pointer(text, "/foo", "[\"bar\", \"baz\"]");
	check_pointer(text, "/foo/0", "\"bar\"");
	check_pointer(text, "/", "0");
	check_pointer(text, "/a~1b", "1");
	check_pointer(text, "/c%d", "2");
	check_pointer(text, "/e^f", "3");
	check_pointer(text, "/g|h", "4");
	check_pointer(text, "/i\\j", "5");
	check_pointer(text, "/k\"l", "6");
	check_pointer(text, "/ ", "7");
	check_pointer(text, "/m~0n", "8");
}

Test(pointer, members_and_elements)
{
	check_pointer(" [ 1 , [ 2 , {\"a\" : 3 } ] , 4 ] ", "/1/1/a", "3");
	check_pointer("[10,11]", "/1", "11");
	check_pointer("[10,11]", "/2", NULL);
	check_pointer("[10,11]", "/-", NULL);
	check_pointer("[10,11]", "/01", NULL);
	check_pointer("[10,11]", "/", NULL);
	check_pointer("[10,11]", "/1x", NULL);
	check_pointer("[10,11]", "/99999999999999999999", NULL);
	check_pointer("[]", "/0", NULL);
	check_pointer("{}", "/a", NULL);
	check_pointer("{\"0\":1}", "/0", "1");
	check_pointer("5", "", "5");
	check_pointer("5", "/a", NULL);
	check_pointer("\"a\"", "/0", NULL);
	check_pointer("{\"a\":1}", "/a/b", NULL);
	check_pointer("{\"a\":1,\"b\":[{\"a\":2}],\"a\":3}", "/a", "3");
	check_pointer("{\"x\":\"}],{\\\"a\\\":1\",\"a\":2}", "/a", "2");
	check_pointer("{\"x\":\"\\\\\",\"a\":2}", "/a", "2");
	check_pointer("{\"ab\":1,\"a\":2,\"abc\":3}", "/ab", "1");
	check_pointer("{\"a\":true,\"b\":null,\"c\":-1.5e+3}", "/c", "-1.5e+3");
	check_pointer("{\"a\":{\"b\":[[[{\"c\":[1]}]]]},\"d\":1}", "/d", "1");
}

Test(pointer, escapes_in_keys)
{
	check_pointer("{\"\\u0061\":1}", "/a", "1");
	check_pointer("{\"\\u00fc\":1}", "/\xc3\xbc", "1");
	check_pointer("{\"\xc3\xbc\":1}", "/\xc3\xbc", "1");
	check_pointer("{\"\\u20AC\":1}", "/\xe2\x82\xac", "1");
	check_pointer("{\"\\ud83d\\ude00\":1}", "/\xf0\x9f\x98\x80", "1");
	check_pointer("{\"\\ud83d\":1}", "/\xf0\x9f\x98\x80", NULL);
	check_pointer("{\"\\n\\t\\/\":1}", "/\n\t~1", "1");
	check_pointer("{\"a\\u0000b\":1}", "/a", NULL);
	check_pointer("{\"~1\":1}", "/~01", "1");
}

Test(pointer, what_is_a_pointer)
{
	const char *value;
	size_t length;

	cr_expect(ration__pointer_valid(""));
	cr_expect(ration__pointer_valid("/a~0b~1c/"));
	cr_expect_not(ration__pointer_valid("a"));
	cr_expect_not(ration__pointer_valid("/a~2"));
	cr_expect_not(ration__pointer_valid("/a~"));
	cr_expect_not(ration__pointer_find("{\"a\":1}", 7, "/a~", &value, &length));
}

/* Random valid JSON cannot lead out of the text: the scanner says what is valid. */
Test(pointer, random_text)
{
	static const char *const pieces[] = {"{", "}", "[", "]", ",", ":", "\"a\"", "\"\\u0061\"",
		"1", "-2.5e3", "null", "true", " ", "\"\\ud83d\"", "\"\"", "{}", "[]", "{\"a\":1}",
		"[1,2]", "\"b\":"};
	static const char *const pointers[] = {"", "/a", "/0", "/a/a", "/a/0", "/1/a", "/", "/b"};
	struct ration__random random = {.state = {5, 6, 7, 8}};
	unsigned valid = 0, found = 0;

	for (int i = 0; i < 200000; i++) {
		char text[256] = "";
		size_t count = 1 + ration__random_next(&random) % 8;

		while (count--)
			strcat(text, pieces[ration__random_next(&random) % RATION__COUNT(pieces)]);
		size_t length = strlen(text);
		char *exact = malloc(length);

		memcpy(exact, text, length);
		if (ration__json_compact(NULL, exact, length)) {
			valid++;
			for (size_t k = 0; k < RATION__COUNT(pointers); k++) {
				const char *value;
				size_t n;

				if (!ration__pointer_find(exact, length, pointers[k], &value, &n))
					continue;
				found++;
				cr_assert(ration__json_compact(NULL, value, n), "%s of %s: %.*s",
					pointers[k], text, (int)n, value);
				cr_assert_leq(value + n, exact + length);
			}
		}
		free(exact);
	}
	cr_expect(valid > 1000 && found > valid, "%u valid, %u found", valid, found);
}

static double read_one(const char *source, const char *headers, size_t headers_length,
	const char *body, size_t body_length)
{
	struct ration__actual actual = {.unit = "tokens", .source = source};
	struct ration__service_conf service = {.actuals = &actual, .actual_count = 1};
	struct ration__cost_text text = {.headers = headers,
		.headers_length = headers_length,
		.body = body,
		.body_length = body_length};
	double out[RATION__ACTUALS_MAX] = {-1};

	ration__cost_read(&service, &text, out);
	return out[0];
}

static double from_body(const char *body, const char *pointer)
{
	char source[64] = "body:";
	size_t length = strlen(body);
	char *exact = malloc(length + !length);

	memcpy(exact, body, length);
	strcat(source, pointer);
	double cost = read_one(source, "", 0, exact, length);

	free(exact);
	return cost;
}

Test(cost, from_the_body)
{
	static const struct {
		const char *body, *pointer;
		double cost; /* -1: not said */
	} rows[] = {
		{"{\"id\":\"x\",\"usage\":{\"prompt_tokens\":300,\"total_tokens\":412}}",
			"/usage/total_tokens", 412},
		{"[{\"n\":1.5}]", "/0/n", 1.5},
		{"7", "", 7},
		{"{\"n\":0}", "/n", 0},
		{"{\"n\":1e3}", "/n", 1000},
		{"{\"n\":1e12}", "/n", 1e12},
		{"{\"n\":1.0001e12}", "/n", -1},
		{"{\"n\":1e999}", "/n", -1},
		{"{\"n\":-1}", "/n", -1},
		{"{\"n\":\"412\"}", "/n", -1},
		{"{\"n\":null}", "/n", -1},
		{"{\"n\":true}", "/n", -1},
		{"{\"n\":[1]}", "/n", -1},
		{"{\"n\":{}}", "/n", -1},
		{"{\"m\":1}", "/n", -1},
		{"{\"n\":412", "/n", -1},
		{"{\"n\":412} x", "/n", -1},
		{"{\"n\":412}{\"n\":413}", "/n", -1},
		{"{\"n\":0x10}", "/n", -1},
		{"{\"n\":NaN}", "/n", -1},
		{"{\"n\":Infinity}", "/n", -1},
		{"", "/n", -1},
		{"", "", -1},
		{"{\"n\":0.00000000000000000000000000000000000000000000000000000000000001}", "/n",
			-1},
	};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		double cost = from_body(rows[i].body, rows[i].pointer);

		if (rows[i].cost < 0)
			cr_expect(isnan(cost), "%s: %g", rows[i].body, cost);
		else
			cr_expect(cost == rows[i].cost, "%s: %g", rows[i].body, cost);
	}
	cr_expect(!signbit(from_body("-0", "")));
	cr_expect(isnan(read_one("body:/n", "", 0, NULL, 0)), "no body, or one that was cut");
	cr_expect(isnan(read_one("body:/n", "", 0, "{\"n\":1}\0", 8)), "a NUL behind it");
}

Test(cost, hostile_bodies)
{
	size_t depth = 100000;
	char *deep = malloc(2 * depth + 1);

	memset(deep, '[', depth);
	memset(deep + depth, ']', depth);
	cr_expect(isnan(read_one("body:/0", "", 0, deep, 2 * depth)), "deeper than is read");
	cr_expect(isnan(read_one("body:/0", "", 0, deep, depth)));
	free(deep);
}

#define H(text) text, sizeof(text) - 1

Test(cost, from_a_header)
{
	cr_expect_eq(read_one("header:x-cost", H("a\0b\0x-cost\00012.5\0"), NULL, 0), 12.5);
	cr_expect_eq(read_one("header:X-Cost", H("x-cost\0003\0x-cost\0004\0"), NULL, 0), 3);
	cr_expect(isnan(read_one("header:x-cost", H("x-costs\0003\0"), NULL, 0)));
	cr_expect(isnan(read_one("header:x-cost", H("x-cost\0\0"), NULL, 0)));
	cr_expect(isnan(read_one("header:x-cost", H("x-cost\0three\0"), NULL, 0)));
	cr_expect(isnan(read_one("header:x-cost", H("x-cost\0-3\0"), NULL, 0)));
	cr_expect(isnan(read_one("header:x-cost", H("x-cost\0003 tokens\0"), NULL, 0)));
	cr_expect(isnan(read_one("header:x-cost", H("x-cost\0inf\0"), NULL, 0)));
	cr_expect(isnan(read_one("header:x-cost", "", 0, "{\"x-cost\":3}", 12)));
	cr_expect(isnan(read_one("trailer:x-cost", H("x-cost\0003\0"), NULL, 0)));
}

Test(cost, several_units)
{
	struct ration__actual actuals[] = {{"tokens", "body:/usage/out", 1},
		{"credits", "header:x-c", 1}, {"pages", "body:/usage/in", 1},
		{"other", "body:/no", 1}};
	struct ration__service_conf service = {.actuals = actuals, .actual_count = 4};
	static const char body[] = "{\"usage\":{\"in\":1,\"out\":2}}";
	struct ration__cost_text text = {.headers = "x-c\0003\0",
		.headers_length = 6,
		.body = body,
		.body_length = sizeof(body) - 1};
	double out[RATION__ACTUALS_MAX] = {0, 0, 0, 0, -7};

	ration__cost_read(&service, &text, out);
	cr_expect_eq(out[0], 2);
	cr_expect_eq(out[1], 3);
	cr_expect_eq(out[2], 1);
	cr_expect(isnan(out[3]));
	cr_expect_eq(out[4], -7, "only its own");
}

Test(cost, sources)
{
	static const struct {
		const char *source;
		bool ok;
	} rows[] = {{"body:/usage/total_tokens", true}, {"body:", true}, {"body:usage", false},
		{"body:/a~", false}, {"header:x-cost", true}, {"header:", false},
		{"header:a b", false}, {"header:a:b", false}, {"Header:x", false}, {"", false},
		{"x-cost", false}};

	for (size_t i = 0; i < RATION__COUNT(rows); i++)
		cr_expect_eq(
			ration__cost_source_ok(rows[i].source), rows[i].ok, "%s", rows[i].source);
}
