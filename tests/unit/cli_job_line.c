/* Job lines: what each key becomes, what is refused and in which words. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "cli/job_line.h"
#include "cli_leaks.h"
#include "http/call.h"

TestSuite(job_line, .fini = check_leaks);

static const struct ration__service_conf service = {.name = "s", .base = "http://h:1"};

/* What a line came to. */
struct made {
	struct ration__job_line job;
	ration_request *request;
	struct ration__call *call;
	ration_error *err;
	char *text;
	size_t bytes;
	int code;
};

static struct made make_bytes(const char *text, size_t length)
{
	struct made made = {.text = malloc(length + 1)};

	memcpy(made.text, text, length);
	made.text[length] = '\0';
	made.code = ration__job_line_parse(&made.job, made.text, length, &made.err);
	if (made.code == 0)
		made.code = ration__job_line_request(
			&made.job, "s", &made.request, &made.bytes, &made.err);
	if (made.code == 0) {
		size_t size = 0;

		made.code = ration__call_measure(made.request, &service, &size);
		if (made.code == 0) {
			made.call = calloc(1, size);
			ration__call_pack(made.request, &service, made.call);
		}
	}
	return made;
}

static struct made make(const char *text)
{
	return make_bytes(text, strlen(text));
}

static void drop(struct made *made)
{
	ration__job_line_fini(&made->job);
	ration_request_free(made->request);
	ration_error_free(made->err);
	free(made->call);
	free(made->text);
}

static const char *target(const struct made *made)
{
	return ration__call_text(made->call, made->call->target);
}

static const char *header(const struct made *made, const char *name)
{
	const char *line = ration__call_text(made->call, made->call->headers);

	for (unsigned i = 0; i < made->call->header_count; i++, line += strlen(line) + 1)
		if (!strncmp(line, name, strlen(name)))
			return line;
	return "";
}

#define BODY_IS(made_, expected)                                                                  \
	do {                                                                                      \
		cr_assert_eq((made_)->code, 0, "%s", ration_error_text((made_)->err));            \
		cr_assert_eq((made_)->call->body_length, sizeof(expected) - 1);                   \
		cr_assert_arr_eq(ration__call_text((made_)->call, (made_)->call->body), expected, \
			sizeof(expected) - 1);                                                    \
	} while (0)

Test(job_line, empty_and_comment)
{
	cr_expect(ration__job_line_empty(""));
	cr_expect(ration__job_line_empty(" \t"));
	cr_expect(ration__job_line_empty("  # a comment"));
	cr_expect_not(ration__job_line_empty("http://h/#x"));
}

Test(job_line, url_is_a_get)
{
	struct made made = make("  http://h:1/a?b=c \t");

	cr_assert_eq(made.code, 0);
	cr_expect_str_eq(ration__call_method(made.call), "GET");
	cr_expect_str_eq(target(&made), "/a?b=c");
	cr_expect_str_eq(made.job.url, "http://h:1/a?b=c");
	cr_expect_eq(made.job.deadline_ms, -1);
	drop(&made);
	made = make("/a");
	cr_expect_str_eq(made.job.path, "/a");
	drop(&made);
}

Test(job_line, every_key)
{
	struct made made = make(
		"{\"id\":\"42\",\"service\":\"notion\",\"method\":\"PATCH\",\"path\":\"/v1/pages\","
		"\"query\":{\"q\":\"a b\",\"n\":[1,2],\"t\":true,\"big\":9007199254740993},"
		"\"headers\":{\"X-One\":\"1\",\"X-Two\":[\"a\",\"b\"],\"Content-Type\":"
		"\"application/x\"},"
		"\"json\":{\"title\":\"x\"},\"keys\":{\"tenant\":\"acme\",\"n\":7},"
		"\"cost\":{\"tokens\":350,\"\":2},\"priority\":-5,\"deadline\":\"1m30s\","
		"\"idempotency_key\":\"imp-42\",\"meta\":{\"row\":7}}");
	struct ration__request_view view;

	cr_assert_eq(made.code, 0, "%s", ration_error_text(made.err));
	cr_expect_str_eq(made.job.id, "42");
	cr_expect_str_eq(made.job.service, "notion");
	cr_expect_eq(made.job.deadline_ms, 90000);
	cr_expect_str_eq(ration__call_method(made.call), "PATCH");
	cr_expect_str_eq(target(&made), "/v1/pages?q=a%20b&n=1&n=2&t=true&big=9007199254740993");
	cr_expect_str_eq(header(&made, "X-One"), "X-One: 1");
	cr_expect_str_eq(header(&made, "X-Two: a"), "X-Two: a");
	cr_expect_str_eq(header(&made, "X-Two: b"), "X-Two: b");
	cr_expect_str_eq(header(&made, "Content-Type"), "Content-Type: application/x");
	cr_expect_str_eq(header(&made, "Idempotency-Key"), "Idempotency-Key: \"imp-42\"");
	cr_expect_str_eq(ration__call_text(made.call, made.call->id), "42");
	cr_expect_str_eq(ration__call_text(made.call, made.call->meta), "{\"row\":7}");
	BODY_IS(&made, "{\"title\":\"x\"}");
	ration__request_view(made.request, &view);
	cr_expect_eq(view.priority, -5);
	cr_assert_eq(view.key_count, 2);
	cr_expect_str_eq(view.keys[0].name, "n");
	cr_expect_str_eq(view.keys[0].value, "7");
	cr_expect_str_eq(view.keys[1].value, "acme");
	cr_expect_eq(view.cost_count, 2);
	drop(&made);
}

Test(job_line, cost_as_a_number)
{
	struct made made = make("{\"path\":\"/\",\"cost\":2.5}");
	struct ration__request_view view;

	ration__request_view(made.request, &view);
	cr_assert_eq(view.cost_count, 1);
	cr_expect_str_eq(view.costs[0].unit, "");
	cr_expect_eq(view.costs[0].cost, 2.5);
	drop(&made);
}

/* json and meta are the line's own bytes: no number is rounded, no key reordered or merged. */
Test(job_line, json_passes_byte_by_byte)
{
	struct made made = make("{ \"m\\u0065ta\" : [\"}\\\"\", 1e400, {\"z\":1,\"a\":[]}] , "
				"\"json\":{\"n\":123456789012345678901234567890,\"r\":0.10,"
				"\"s\":\"a\\\\\\\"}b\"},\"path\":\"/\",\"priority\":3}");

	/* 1e400 is no number that anything here could hold: refused, not changed */
	cr_expect_eq(made.code, RATION_EJSON);
	drop(&made);
	made = make("{ \"m\\u0065ta\" : [\"}\\\"\",{\"z\":1,\"a\":[]}] , "
		    "\"json\":{\"n\":123456789012345678901234567890,\"r\":0.10,"
		    "\"s\":\"a\\\\\\\"}b\"},\"path\":\"/\",\"priority\":3}");
	BODY_IS(&made, "{\"n\":123456789012345678901234567890,\"r\":0.10,\"s\":\"a\\\\\\\"}b\"}");
	cr_expect_str_eq(
		ration__call_text(made.call, made.call->meta), "[\"}\\\"\",{\"z\":1,\"a\":[]}]");
	drop(&made);
	made = make("{\"path\":\"/\",\"json\":17}");
	BODY_IS(&made, "17");
	drop(&made);
	made = make("{\"json\":\"}{\",\"path\":\"/\"}");
	BODY_IS(&made, "\"}{\"");
	drop(&made);
}

Test(job_line, bodies)
{
	struct made made = make("{\"path\":\"/\",\"body\":\"a\\u0000b\"}");

	BODY_IS(&made, "a\0b");
	cr_expect_str_eq(ration__call_method(made.call), "POST");
	drop(&made);
	made = make("{\"path\":\"/\",\"method\":\"PUT\",\"body\":\"\"}");
	BODY_IS(&made, "");
	cr_expect_str_eq(ration__call_method(made.call), "PUT");
	drop(&made);
	made = make("{\"path\":\"/\",\"body\":null,\"form\":{\"a\":\"1 &\",\"b\":[\"x\",\"y\"]}}");
	BODY_IS(&made, "a=1%20%26&b=x&b=y");
	cr_expect_str_eq(
		header(&made, "Content-Type"), "Content-Type: application/x-www-form-urlencoded");
	drop(&made);
	made = make("{\"path\":\"/\",\"json\":null}");
	cr_expect_str_eq(ration__call_method(made.call), "GET");
	drop(&made);
}

Test(job_line, base64)
{
	static const struct {
		const char *text, *body; /* body NULL: refused */
	} cases[] = {{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"},
		{"Zm9vYmE=", "fooba"}, {"+/+/", "\xfb\xff\xbf"}, {"Zg", NULL}, {"Zg=", NULL},
		{"Zh==", NULL}, {"Zm9=", NULL}, {"Z===", NULL}, {"====", NULL}, {"Zg==Zg==", NULL},
		{"Zm9v\\n", NULL}, {"Zm 9", NULL}, {"-_-_", NULL}};

	for (size_t i = 0; i < RATION__COUNT(cases); i++) {
		char text[128];
		struct made made;

		snprintf(text, sizeof(text), "{\"path\":\"/\",\"body_b64\":\"%s\"}", cases[i].text);
		made = make(text);
		if (cases[i].body) {
			cr_assert_eq(made.code, 0, "%s", cases[i].text);
			cr_assert_eq(
				made.call->body_length, strlen(cases[i].body), "%s", cases[i].text);
			if (made.call->body_length)
				cr_expect_arr_eq(ration__call_text(made.call, made.call->body),
					cases[i].body, strlen(cases[i].body));
		} else {
			cr_expect_eq(made.code < 0, 1, "%s", cases[i].text);
		}
		drop(&made);
	}
}

Test(job_line, body_file)
{
	char path[] = "/tmp/ration-test-XXXXXX", text[128];
	int fd = mkstemp(path);
	struct made made;

	cr_assert_eq(write(fd, "a\0b", 3), 3);
	close(fd);
	snprintf(text, sizeof(text), "{\"path\":\"/\",\"body_file\":\"%s\"}", path);
	made = make(text);
	BODY_IS(&made, "a\0b");
	drop(&made);
	unlink(path);
	made = make(text);
	cr_expect_eq(made.code, RATION_ENOFILE);
	cr_expect(strstr(ration_error_text(made.err), "body_file: /tmp/ration-test-"));
	drop(&made);
	made = make("{\"path\":\"/\",\"body_file\":\"/dev/zero\"}");
	cr_expect_eq(made.code, RATION_EINVAL);
	drop(&made);
}

struct refusal {
	const char *text;
	int code;
	const char *says; /* part of the message */
};

static const struct refusal refusals[] = {
	{"{", RATION_EJSON, "column"},
	{"{\"path\":\"/\"", RATION_EJSON, "column"},
	{"{\"path\":\"/\"} x", RATION_EJSON, "end of file expected"},
	{"{\"path\":\"/\",\"path\":\"/\"}", RATION_EJSON, "duplicate"},
	{"{\"path\":\"\xff\"}", RATION_EJSON, "decode byte"},
	{"{}", RATION_EINVAL, "\"url\" and \"path\""},
	{"{\"path\":\"/\",\"url\":\"http://h/\"}", RATION_EINVAL, "not both"},
	{"{\"path\":\"x\"}", RATION_EURL, "path"},
	{"{\"path\":\"/\",\"foo\":1}", RATION_EINVAL, "unknown key \"foo\""},
	{"{\"path\":\"/\",\"keys\":{\"node\":\"a\"}}", RATION_EINVAL,
		"keys.node: \"node\" and \"service\" are no names of yours"},
	{"{\"path\":\"/\",\"Deadline\":\"3s\"}", RATION_EINVAL, "unknown key \"Deadline\""},
	{"{\"path\":\"/\",\"deadline\":\"3\"}", RATION_EINVAL, "deadline: \"3\""},
	{"{\"path\":\"/\",\"deadline\":3}", RATION_EINVAL, "deadline: expected a duration"},
	{"{\"path\":\"/\",\"priority\":101}", RATION_EINVAL, "priority"},
	{"{\"path\":\"/\",\"priority\":1.5}", RATION_EINVAL, "priority: expected an integer"},
	{"{\"path\":\"/\",\"priority\":true}", RATION_EINVAL, "priority"},
	{"{\"path\":\"/\",\"id\":42}", RATION_EINVAL, "id: expected a string"},
	{"{\"path\":\"/\",\"id\":\"a\\u0000\"}", RATION_EINVAL, "id: a NUL"},
	{"{\"path\":\"/\",\"query\":[]}", RATION_EINVAL, "query: expected an object"},
	{"{\"path\":\"/\",\"query\":{\"a\":{}}}", RATION_EINVAL, "query.a: expected"},
	{"{\"path\":\"/\",\"headers\":{\"a\":[[]]}}", RATION_EINVAL, "headers.a: expected"},
	{"{\"path\":\"/\",\"headers\":{\"a\":\"b\\r\\nc: d\"}}", RATION_EHEADER, "headers.a: "},
	{"{\"path\":\"/\",\"headers\":{\"a b\":\"c\"}}", RATION_EHEADER, "headers.a b: "},
	{"{\"path\":\"/\",\"headers\":{\"Content-Length\":\"3\"}}", RATION_EHEADER,
		"Content-Length"},
	{"{\"path\":\"/\",\"body\":\"\",\"json\":1}", RATION_EINVAL, "one body only"},
	{"{\"path\":\"/\",\"form\":\"a=b\"}", RATION_EINVAL, "form: expected an object"},
	{"{\"path\":\"/\",\"keys\":{\"a\":[]}}", RATION_EINVAL, "keys.a: expected a string"},
	{"{\"path\":\"/\",\"cost\":\"1\"}", RATION_EINVAL, "cost: expected"},
	{"{\"path\":\"/\",\"cost\":{\"a\":\"1\"}}", RATION_EINVAL, "cost.a: expected a number"},
	{"{\"path\":\"/\",\"cost\":-1}", RATION_EINVAL, "cost"},
};

Test(job_line, refusals_name_the_key)
{
	for (size_t i = 0; i < RATION__COUNT(refusals); i++) {
		const struct refusal *one = &refusals[i];
		struct made made = make(one->text);

		cr_expect_eq(
			made.code, one->code, "%s: %s", one->text, ration_code_name(made.code));
		cr_expect(strstr(ration_error_text(made.err), one->says), "%s: %s", one->text,
			ration_error_text(made.err));
		drop(&made);
	}
}

Test(job_line, bad_job_keeps_its_id)
{
	struct made made = make("{\"foo\":1,\"id\":\"x\",\"path\":\"/\"}");

	cr_assert_eq(made.code, RATION_EINVAL);
	cr_expect_str_eq(made.job.id, "x");
	drop(&made);
}

Test(job_line, nul_in_a_url_is_refused)
{
	struct made made = make_bytes("http://h:1/\0x", 13);

	cr_expect_eq(made.code, RATION_EURL);
	drop(&made);
}

/* Cut anywhere, a line is refused or understood, never more. */
Test(job_line, every_prefix)
{
	static const char whole[] =
		"{\"id\":\"\\u00e9\",\"path\":\"/a\",\"query\":{\"b\":[\"c\",1.5]},"
		"\"json\":[{\"d\":null},-1e5,\"\\\"]\"],\"meta\":{\"e\":{}}}";

	for (size_t i = 0; i < sizeof(whole); i++) {
		struct made made = make_bytes(whole, i);

		cr_expect_eq(made.code == 0, i == sizeof(whole) - 1 || i == 0, "%zu", i);
		drop(&made);
	}
}
