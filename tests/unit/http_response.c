/* Responses and their lines: made from parts as the pool makes them. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "base/util.h"
#include "http/call.h"
#include "http/response.h"
#include "http_leaks.h"

TestSuite(response, .fini = check_leaks);

static const struct ration__service_conf service = {.name = "s", .base = "http://h:81/v1/"};

struct fixture {
	ration_request *request;
	struct ration__call *call;
	struct ration__attempt last;
	struct ration__response_parts parts;
};

/* An answer with these headers ("name\0value\0…") and body. */
static void answered(struct fixture *f, int status, const char *headers, size_t headers_length,
	const char *body, size_t body_length)
{
	f->last = (struct ration__attempt){.status = status, .sent = 1};
	f->last.headers = malloc(headers_length + 1);
	memcpy(f->last.headers, headers, headers_length);
	f->last.headers[headers_length] = '\0';
	f->last.headers_length = headers_length;
	f->last.body = malloc(body_length + 1);
	memcpy(f->last.body, body, body_length);
	f->last.body[body_length] = '\0';
	f->last.body_length = body_length;
	f->parts.last = &f->last;
}

static void setup(struct fixture *f)
{
	size_t size;

	memset(f, 0, sizeof(*f));
	f->request = ration_request_new("s", "GET", "/a?b");
	ration_request_set_id(f->request, "4\"2");
	ration_request_set_line(f->request, 42);
	ration_request_set_meta(f->request, "{ \"row\": 7 }");
	cr_assert_eq(ration__call_measure(f->request, &service, &size), 0);
	f->call = malloc(size);
	ration__call_pack(f->request, &service, f->call);
	f->parts = (struct ration__response_parts){
		.call = f->call, .service = &service, .message = "ok", .mode = "exact"};
}

/* The response must outlive all that it was made of. */
static ration_response *finish(struct fixture *f)
{
	ration_response *r = ration__response_new(&f->parts);

	cr_assert_not_null(r);
	memset(f->call, 0xa5, ration__call_size(f->call));
	free(f->call);
	ration_request_free(f->request);
	ration__attempt_fini(&f->last);
	return r;
}

#define H(text) text, sizeof(text) - 1

/* One line, valid JSON by another parser's judgement. */
static void check_line(const ration_response *r, const char *expected)
{
	const char *line = ration_response_line(r);
	json_t *json =
		json_loads(line, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	cr_expect_not_null(json, "%s", line);
	json_decref(json);
	cr_expect_null(strchr(line, '\n'));
	if (expected)
		cr_expect_str_eq(line, expected);
}

Test(response, line_of_a_success)
{
	static const struct ration__attempt_note notes[] = {
		{.code_or_status = 503, .elapsed_us = 18249},
		{.code_or_status = RATION_ERESET, .elapsed_us = 50},
		{.code_or_status = 200, .elapsed_us = 41000}};
	static const struct ration__wait_note waits[] = {
		{"limit:requests", 120400000}, {"concurrency", 0}, {"retry", INT64_C(1003149999)}};
	struct fixture f;

	setup(&f);
	answered(&f, 200,
		H("content-type\0application/json; charset=utf-8\0set-cookie\0sid=1\0"
		  "x-a\0one\0set-cookie\0t=2\0x-a\0two\0"),
		H("{ \"ok\" : true,\n \"n\": 12345678901234567890 }"));
	f.parts.notes = notes;
	f.parts.note_count = 3;
	f.parts.attempts = 3;
	f.parts.waits = waits;
	f.parts.wait_count = 3;
	ration_response *r = finish(&f);

	/* 64-bit-breaking numbers stay; jansson could not load them, so only the text is compared.
	 */
	cr_expect_str_eq(ration_response_line(r),
		"{\"id\":\"4\\\"2\",\"line\":42,\"outcome\":\"ok\",\"status\":200,\"attempts\":["
		"{\"node\":\"http://h:81/v1/\",\"status\":503,\"ms\":18.2},"
		"{\"node\":\"http://h:81/v1/\",\"error\":\"ERESET\",\"ms\":0.1},"
		"{\"node\":\"http://h:81/v1/\",\"status\":200,\"ms\":41.0}],"
		"\"wait_ms\":{\"limit:requests\":120.4,\"retry\":1003.1},"
		"\"headers\":{\"content-type\":\"application/json; charset=utf-8\","
		"\"set-cookie\":\"<REDACTED>\",\"x-a\":\"one, two\"},"
		"\"json\":{\"ok\":true,\"n\":12345678901234567890},\"meta\":{\"row\":7}}");
	cr_expect_eq(ration_response_line(r), ration_response_line(r), "made once");
	cr_expect_str_eq(ration_response_url(r), "http://h:81/v1/a?b");
	cr_expect_str_eq(ration_response_id(r), "4\"2");
	cr_expect_str_eq(ration_response_header(r, "X-A"), "one");
	cr_expect_null(ration_response_header(r, "x-b"));
	cr_expect_str_eq(ration_response_header(r, "Set-Cookie"), "sid=1");
	cr_expect_float_eq(ration_response_wait_ms(r, "retry"), 1003.149999, 1e-9);
	cr_expect_float_eq(ration_response_wait_ms(r, NULL), 1123.549999, 1e-9);
	cr_expect_eq(ration_response_attempts(r), 3);
	ration_response_free(r);
}

static struct ration__actual actuals[] = {{"tokens", "body:/n", 200}, {"tokens", "header:x-n", 200},
	{"credits", "header:x-c", 1}, {"pages", "body:/p", 2}, {"credits", "header:x-d", 1}};
static const struct ration__service_conf costly = {.name = "s",
	.base = "http://h:81/v1/",
	.actuals = actuals,
	.actual_count = RATION__COUNT(actuals)};

/* The line's "cost"; NULL: there must be none. */
static void check_cost(const struct ration__service_conf *conf, const struct ration__cost *costs,
	uint32_t count, const double *actual, const char *expected)
{
	struct fixture f;

	setup(&f);
	f.parts.service = conf;
	if (actual) {
		answered(&f, 200, H("a\0b\0"), H(""));
		memcpy(f.last.actual, actual, conf->actual_count * sizeof(*actual));
	}
	f.parts.costs = costs;
	f.parts.cost_count = count;
	ration_response *r = finish(&f);

	check_line(r, NULL);
	const char *at = strstr(ration_response_line(r), ",\"cost\":{");

	if (expected)
		cr_expect(at && strncmp(at + 7, expected, strlen(expected)) == 0, "%s",
			ration_response_line(r));
	else
		cr_expect_null(at, "%s", ration_response_line(r));
	ration_response_free(r);
}

Test(response, cost_estimated_and_actual)
{
	char tokens[] = "tokens", odd[] = "a\"b\n";
	struct ration__cost costs[] = {{.unit = tokens, .cost = 350}, {.unit = odd, .cost = 0.5}};
	double none[] = {NAN, NAN, NAN, NAN, NAN}, some[] = {412, 9, NAN, 3, 2.25},
	       second[] = {NAN, 9, 1, NAN, 2};

	check_cost(&service, NULL, 0, none, NULL);
	check_cost(&costly, NULL, 0, none, NULL);
	check_cost(&costly, NULL, 0, NULL, NULL);
	check_cost(&service, costs, 1, NULL, ":{\"tokens\":{\"estimated\":350}}");
	check_cost(&costly, costs, 1, none, ":{\"tokens\":{\"estimated\":350}}");
	check_cost(&costly, costs, 2, some,
		":{\"tokens\":{\"estimated\":350,\"actual\":412},\"a\\\"b\\n\":{\"estimated\":0.5},"
		"\"credits\":{\"estimated\":1,\"actual\":2.25},"
		"\"pages\":{\"estimated\":2,\"actual\":3}}");
	check_cost(&costly, NULL, 0, second,
		":{\"tokens\":{\"estimated\":200,\"actual\":9},"
		"\"credits\":{\"estimated\":1,\"actual\":1}}");
}

Test(response, line_of_a_denial)
{
	struct fixture f;

	setup(&f);
	f.parts.code = RATION_DENIED_QUOTA;
	f.parts.message = "quota exceeded: daily, frees in \"2 h\"";
	f.parts.mode = "local";
	ration_response *r = finish(&f);

	check_line(r,
		"{\"id\":\"4\\\"2\",\"line\":42,\"outcome\":\"skipped\",\"error\":{\"code\":"
		"\"DENIED_QUOTA\",\"class\":\"denied\",\"message\":\"quota exceeded: daily, frees "
		"in \\\"2 h\\\"\"},\"attempts\":[],\"mode\":\"local\",\"meta\":{\"row\":7}}");
	cr_expect_eq(ration_response_sent(r), 0);
	cr_expect_eq(ration_response_status(r), 0);
	size_t length = 1;

	cr_expect_str_eq(ration_response_body(r, &length), "");
	cr_expect_eq(length, 0);
	const char *name, *value;

	cr_expect_eq(ration_response_header_at(r, 0, &name, &value), RATION_EEMPTY);
	ration_response_free(r);
}

/* What the body becomes, whatever the type claims. */
static void check_body(const char *type, const char *body, size_t length, bool truncated,
	const char *field, const char *expected)
{
	struct fixture f;
	char headers[128];
	int n = snprintf(headers, sizeof(headers), "content-type%c%s%c", 0, type, 0);

	setup(&f);
	answered(&f, 200, headers, (size_t)n, body, length);
	f.last.truncated = truncated;
	ration_response *r = finish(&f);

	check_line(r, NULL);
	const char *at = strstr(ration_response_line(r), field);

	cr_assert_not_null(at, "%s: %s", field, ration_response_line(r));
	cr_expect(strncmp(at + strlen(field), expected, strlen(expected)) == 0, "%s", at);
	ration_response_free(r);
}

Test(response, body_as_json_text_or_base64)
{
	check_body("application/json", H("[1, 2]"), false, ",\"json\":", "[1,2],");
	check_body("Application/Problem+JSON", H("{}"), false, ",\"json\":", "{},");
	check_body("application/json", H("{\"torn\":"), false, ",\"body\":", "\"{\\\"torn\\\":\",");
	check_body("application/json", H("[1]"), true, ",\"body\":", "\"[1]\",\"truncated\":true");
	check_body("application/jsonx", H("[1]"), false, ",\"body\":", "\"[1]\"");
	check_body("text/plain", H("line\nline\"\x01"), false,
		",\"body\":", "\"line\\nline\\\"\\u0001\"");
	check_body("text/plain", H("\xff"), false, ",\"body_b64\":", "\"/w==\",");
	check_body("text/plain", H("\xff\xfe"), false, ",\"body_b64\":", "\"//4=\",");
	check_body("text/plain", H("\xff\xfe\xfd"), false, ",\"body_b64\":", "\"//79\",");
	check_body("text/plain", H("a\0b"), false, ",\"body\":", "\"a\\u0000b\"");
}

Test(response, hostile_header_values_stay_inside_their_string)
{
	struct fixture f;

	setup(&f);
	answered(&f, 404, H("x\"y\0\xff\x01\",\"z\":1\0"), H(""));
	f.parts.code = RATION_ENOTFOUND;
	f.parts.message = "not found";
	ration_response *r = finish(&f);

	check_line(r, NULL);
	cr_expect_not_null(strstr(ration_response_line(r), "\"outcome\":\"failed\""));
	cr_expect_not_null(strstr(ration_response_line(r),
		"\"headers\":{\"x\\\"y\":\"\xef\xbf\xbd\\u0001\\\",\\\"z\\\":1\"}"));
	ration_response_free(r);
}

Test(response, headers_by_number)
{
	struct fixture f;
	const char *name = NULL, *value = NULL;

	setup(&f);
	answered(&f, 200,
		H("a\0"
		  "1\0b\0\0c\0"
		  "3\0"),
		H("x"));
	ration_response *r = finish(&f);

	cr_assert_eq(ration_response_header_at(r, 1, &name, &value), 0);
	cr_expect_str_eq(name, "b");
	cr_expect_str_eq(value, "");
	cr_assert_eq(ration_response_header_at(r, 2, &name, &value), 0);
	cr_expect_str_eq(value, "3");
	cr_expect_eq(ration_response_header_at(r, 3, &name, &value), RATION_EEMPTY);
	cr_expect_str_eq(value, "3", "untouched");
	ration_response_free(r);
	ration_response_free(NULL);
}

Test(response, outcomes)
{
	cr_expect_str_eq(ration__outcome_name(0, 1), "ok");
	cr_expect_str_eq(ration__outcome_name(RATION_DENIED_BREAKER, 0), "skipped");
	cr_expect_str_eq(ration__outcome_name(RATION_DENIED_BREAKER, 1), "failed");
	cr_expect_str_eq(ration__outcome_name(RATION_EUNKNOWN, 1), "unknown");
	cr_expect_str_eq(ration__outcome_name(RATION_ESERVER, 1), "failed");
}
