/* What answers mean: statuses, dates, Retry-After, libcurl's codes, JSON as text. */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <string.h>
#include <ration/error.h>
#include "base/clock.h"
#include "base/util.h"
#include "http/answer.h"
#include "http/curlcode.h"
#include "http/json.h"
#include "http_leaks.h"

TestSuite(answer, .fini = check_leaks);
TestSuite(json, .fini = check_leaks);

Test(answer, R13_R14_statuses_have_kinds)
{
	static const struct {
		int status, code;
	} rows[] = {{200, 0}, {204, 0}, {299, 0}, {301, RATION_EREDIRECT}, {304, RATION_ESTATUS},
		{308, RATION_EREDIRECT}, {400, RATION_EREQUEST}, {401, RATION_EAUTH},
		{403, RATION_EAUTH}, {404, 0}, {405, RATION_ESTATUS}, {408, RATION_ESERVERTIMEOUT},
		{410, RATION_ESTATUS}, {422, RATION_EREQUEST}, {429, RATION_ETHROTTLED},
		{500, RATION_ESERVER}, {501, RATION_ESERVER}, {502, RATION_EUNAVAILABLE},
		{503, RATION_EUNAVAILABLE}, {504, RATION_EUNAVAILABLE}, {999, RATION_ESTATUS},
		{0, RATION_ESTATUS}};
	struct ration__service_conf conf = {
		.accept_class = {[2] = 1}, .accept_code = {404}, .accept_codes = 1};

	for (size_t i = 0; i < RATION__COUNT(rows); i++)
		cr_expect_eq(ration__status_code(&conf, rows[i].status), rows[i].code, "%d",
			rows[i].status);
	conf.accept_codes = 0;
	cr_expect_eq(ration__status_code(&conf, 404), RATION_ENOTFOUND);
}

Test(answer, dates_in_three_forms)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused */
	} rows[] = {
		{"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
		{"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
		{"Sun Nov  6 08:49:37 1994", 784111777},
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
		{"Thu, 29 Feb 2024 23:59:60 GMT", 1709251200},
		{"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
		{"Thu, 29 Feb 2023 00:00:00 GMT", -1},
		{"Thu, 29 Feb 1900 00:00:00 GMT", -1},
		{"Sun, 06 Nov 1994 24:00:00 GMT", -1},
		{"Sun, 06 Nov 1994 08:49:37 UTC", -1},
		{"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
		{"Sun, 6 Nov 1994 08:49:37 GMT", -1},
		{"Sun, 00 Nov 1994 08:49:37 GMT", -1},
		{"Sun, 06 nov 1994 08:49:37 GMT", -1},
		{"Sun, 06 Nov", -1},
		{"Sun", -1},
		{"", -1},
		{"1994-11-06T08:49:37Z", -1},
	};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		int64_t seconds = -1;

		ration__http_date(rows[i].text, &seconds);
		cr_expect_eq(
			seconds, rows[i].seconds, "%s: %lld", rows[i].text, (long long)seconds);
	}
}

/* seconds: -1: not understood, and nothing is written. */
static void check_retry_after(const char *value, const char *date, int64_t seconds)
{
	int64_t ns = -RATION__NS_PER_S;

	cr_expect_eq(ration__retry_after(value, date, &ns), seconds >= 0, "%s", value);
	cr_expect_eq(ns, seconds * RATION__NS_PER_S, "%s", value);
}

Test(answer, X8_retry_after)
{
	static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";
	static const struct {
		const char *value;
		int64_t seconds; /* -1: not understood */
	} rows[] = {{"5", 5}, {"0", 0}, {"120", 120}, {"-1", -1}, {"+1", -1}, {"1.0", -1}, {"", -1},
		{"soon", -1}, {"5 ", -1}, {"0x5", -1}, {"1e3", -1},
		{"Sun, 06 Nov 1994 08:49:47 GMT", 10}, {"Sunday, 06-Nov-94 08:50:37 GMT", 60},
		{"Sun Nov  6 08:49:38 1994", 1}, {"Sun, 06 Nov 1994 08:49:27 GMT", 0},
		{"99999999999999999999999", INT64_C(3153600000)},
		{"Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(3153600000)}};

	for (size_t i = 0; i < RATION__COUNT(rows); i++)
		check_retry_after(rows[i].value, date, rows[i].seconds);
	check_retry_after("Sun, 06 Nov 1994 08:49:47 GMT", NULL, -1);
	check_retry_after("Sun, 06 Nov 1994 08:49:47 GMT", "soon", -1);
	check_retry_after("7", NULL, 7);
	check_retry_after(NULL, date, -1);
}

Test(answer, rfc3339_moments)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused */
	} rows[] = {
		{"1994-11-06T08:49:37Z", 784111777},
		{"1994-11-06T08:49:37.999Z", 784111777},
		{"1994-11-06T10:19:37+01:30", 784111777},
		{"1994-11-05T23:49:37-09:00", 784111777},
		{"1994-11-06T08:49:37", -1},
		{"1994-11-06 08:49:37Z", -1},
		{"1994-11-06T08:49:37.Z", -1},
		{"1994-11-06T08:49:37Zz", -1},
		{"1994-00-06T08:49:37Z", -1},
		{"1994-13-06T08:49:37Z", -1},
		{"1994-11-31T08:49:37Z", -1},
		{"1994-11-06T08:49:37+24:00", -1},
		{"1994-11-06T08:49:37+01", -1},
		{"1994-11-06T08:49:37*01:00", -1},
		{"1994-11", -1},
		{"", -1},
	};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		int64_t seconds = -1;

		ration__rfc3339(rows[i].text, &seconds);
		cr_expect_eq(
			seconds, rows[i].seconds, "%s: %lld", rows[i].text, (long long)seconds);
	}
}

Test(answer, X5_curl_codes_before_and_after_the_send)
{
	static const struct {
		int result;
		enum ration__end before, after;
		int code_before, code_after;
	} rows[] = {
		{CURLE_COULDNT_RESOLVE_HOST, RATION__END_NOT_SENT, RATION__END_AMBIGUOUS,
			RATION_EDNS, RATION_ERESET},
		{CURLE_COULDNT_CONNECT, RATION__END_NOT_SENT, RATION__END_AMBIGUOUS,
			RATION_ECONNECT, RATION_ERESET},
		{CURLE_GOT_NOTHING, RATION__END_NOT_SENT, RATION__END_AMBIGUOUS, RATION_ERESET,
			RATION_ERESET},
		{CURLE_RECV_ERROR, RATION__END_NOT_SENT, RATION__END_AMBIGUOUS, RATION_ERESET,
			RATION_ERESET},
		{CURLE_OPERATION_TIMEDOUT, RATION__END_NOT_SENT, RATION__END_AMBIGUOUS,
			RATION_ECONNECTTIMEOUT, RATION_EATTEMPTTIMEOUT},
		{CURLE_PEER_FAILED_VERIFICATION, RATION__END_PERMANENT, RATION__END_PERMANENT,
			RATION_ETLS, RATION_ETLS},
		{CURLE_URL_MALFORMAT, RATION__END_PERMANENT, RATION__END_PERMANENT, RATION_EURL,
			RATION_EURL},
		{CURLE_OUT_OF_MEMORY, RATION__END_LOCAL, RATION__END_LOCAL, RATION_ENOMEM,
			RATION_ENOMEM},
		/* Not in the table, and not in libcurl yet: never safe to repeat once sent. */
		{CURLE_LDAP_CANNOT_BIND, RATION__END_NOT_SENT, RATION__END_AMBIGUOUS,
			RATION_EPROTOCOL, RATION_EPROTOCOL},
		{12345, RATION__END_NOT_SENT, RATION__END_AMBIGUOUS, RATION_EPROTOCOL,
			RATION_EPROTOCOL},
	};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		struct ration__curl_meaning before = ration__curl_meaning(rows[i].result, false);
		struct ration__curl_meaning after = ration__curl_meaning(rows[i].result, true);

		cr_expect_eq(before.end, rows[i].before, "%d before", rows[i].result);
		cr_expect_eq(after.end, rows[i].after, "%d after", rows[i].result);
		cr_expect_eq(before.code, rows[i].code_before, "%d code before", rows[i].result);
		cr_expect_eq(after.code, rows[i].code_after, "%d code after", rows[i].result);
	}
}

Test(json, valid_text_loses_its_blanks_and_nothing_else)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{" { \"a\" : [ 1 , -0.50e+10 , true ] ,\n\"b c\" : { } }\r\n",
			"{\"a\":[1,-0.50e+10,true],\"b c\":{}}"},
		{"123456789012345678901234567890", "123456789012345678901234567890"},
		{"\"\\u00e4 \\n \xc3\xa4 \xf0\x9f\x98\x80\"",
			"\"\\u00e4 \\n \xc3\xa4 \xf0\x9f\x98\x80\""},
		{"null", "null"},
		{"[]", "[]"},
		{"[[[]],{\"x\":null}]", "[[[]],{\"x\":null}]"},
		{"{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}"},
		{"0", "0"},
		{"-0", "-0"},
	};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		struct ration__buffer out;

		ration__buffer_init(&out, 0);
		cr_expect(ration__json_compact(&out, rows[i].in, strlen(rows[i].in)), "%s",
			rows[i].in);
		cr_expect_str_eq(out.data, rows[i].out);
		ration__buffer_fini(&out);
	}
}

Test(json, everything_else_is_refused)
{
	static const char *const rows[] = {"", " ", "{", "}", "[1,]", "[,1]", "[1 2]", "{\"a\"}",
		"{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "01", "1.", ".5", "+1", "1e", "--1",
		"tru", "truex", "nan", "'a'", "\"a", "\"\\x\"", "\"\\u12g4\"", "\"\\u12", "\"\t\"",
		"\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "[1]]",
		"1 2", "[}", "{]", "{\"a\":1]", "[\"a\":1]", "\xef\xbb\xbf{}", "{\"a\":1}x"};
	struct ration__buffer out;

	ration__buffer_init(&out, 0);
	ration__buffer_puts(&out, "kept");
	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		cr_expect_not(ration__json_compact(&out, rows[i], strlen(rows[i])), "%s", rows[i]);
		cr_expect_str_eq(out.data, "kept");
	}
	cr_expect_not(ration__json_compact(&out, "[\0]", 3));
	ration__buffer_fini(&out);
}

Test(json, depth_is_bounded)
{
	static char deep[4 * RATION__JSON_DEPTH_MAX];
	size_t n = RATION__JSON_DEPTH_MAX;

	memset(deep, '[', n);
	memset(deep + n, ']', n);
	cr_expect(ration__json_compact(NULL, deep, 2 * n));
	n++;
	memset(deep, '[', n);
	memset(deep + n, ']', n);
	cr_expect_not(ration__json_compact(NULL, deep, 2 * n));
}
