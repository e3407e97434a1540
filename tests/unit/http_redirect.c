/* Redirects: where a Location leads, and whether it may. Pure: no sockets. */
#include <criterion/criterion.h>
#include <ration/client.h>
#include <ration/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/util.h"
#include "http/redirect.h"
#include "http_leaks.h"

TestSuite(http_redirect, .fini = check_leaks);

static const char *const nodes[] = {"https://one.example", "https://two.example/api"};

static struct ration__service_conf service(void)
{
	return (struct ration__service_conf){.name = "api",
		.base = nodes[0],
		.nodes = nodes,
		.node_count = RATION__COUNT(nodes),
		.redirects = RATION__REDIRECTS_SAME_ORIGIN,
		.redirect_max = RATION__HOPS_MAX};
}

static struct ration__call *new_call(const char *method)
{
	struct ration__service_conf conf = service();
	ration_request *request = ration_request_new("api", method, "/start");
	struct ration__call *call;
	size_t size;

	cr_assert(request);
	cr_assert_eq(ration__call_measure(request, &conf, &size), 0);
	call = malloc(size);
	cr_assert(call);
	ration__call_pack(request, &conf, call);
	ration_request_free(request);
	return call;
}

struct step {
	struct ration__service_conf conf;
	const char *method;
	int status;
	const char *why;
};

static struct step step_of(int status, const char *method)
{
	return (struct step){.conf = service(), .method = method, .status = status};
}

static int go(struct step *step, const char *url, const struct ration__hop *before,
	const char *location, struct ration__hop **hop)
{
	struct ration__call *call = new_call(step->method);
	struct ration__attempt attempt = {.status = step->status};
	char headers[4096];
	int rc;

	attempt.headers = headers;
	if (location)
		attempt.headers_length = (size_t)snprintf(
			headers, sizeof(headers), "date%cx%clocation%c%s%c", 0, 0, 0, location, 0);
	*hop = NULL;
	rc = ration__redirect_next(&step->conf, call, url, before, &attempt, hop, &step->why);
	free(call);
	return rc;
}

/* By GET and 302; where to, in a static buffer; "(why)" when it is refused. */
static const char *led(struct step *step, const char *url, const char *location)
{
	static char out[2048];
	struct ration__hop *hop;
	int rc = go(step, url, NULL, location, &hop);

	if (rc == 0)
		snprintf(out, sizeof(out), "%s", hop->url);
	else
		snprintf(out, sizeof(out), "(%s)", step->why);
	cr_expect_eq(rc, hop ? 0 : RATION_EREDIRECT);
	free(hop);
	return out;
}

Test(http_redirect, references_are_resolved_as_rfc_3986_says)
{
	/* 5.4.1 and 5.4.2, with a base of ours: http://a/b/c/d;p?q */
	static const char *const rows[][2] = {{"g", "/b/c/g"}, {"./g", "/b/c/g"}, {"g/", "/b/c/g/"},
		{"/g", "/g"}, {"?y", "/b/c/d;p?y"}, {"g?y", "/b/c/g?y"}, {"g#s", "/b/c/g"},
		{"g?y#s", "/b/c/g?y"}, {";x", "/b/c/;x"}, {"g;x", "/b/c/g;x"}, {".", "/b/c/"},
		{"./", "/b/c/"}, {"..", "/b/"}, {"../", "/b/"}, {"../g", "/b/g"}, {"../..", "/"},
		{"../../", "/"}, {"../../g", "/g"}, {"../../../g", "/g"}, {"../../../../g", "/g"},
		{"/./g", "/g"}, {"/../g", "/g"}, {"g.", "/b/c/g."}, {".g", "/b/c/.g"},
		{"g..", "/b/c/g.."}, {"..g", "/b/c/..g"}, {"./../g", "/b/g"}, {"./g/.", "/b/c/g/"},
		{"g/./h", "/b/c/g/h"}, {"g/../h", "/b/c/h"}, {"g;x=1/./y", "/b/c/g;x=1/y"},
		{"g;x=1/../y", "/b/c/y"}, {"g?y/../x", "/b/c/g?y/../x"}, {"g#s/../x", "/b/c/g"},
		{"%2e%2E/g", "/b/g"}, {"%2E", "/b/c/"}, {"%2e%", "/b/c/%2e%"},
		{"g//h", "/b/c/g//h"}, {"/a b\"<\x01", NULL}, {"/a b", "/a%20b"},
		{"/\xc3\xa4?\\", "/%C3%A4?%5C"}};
	struct step step = step_of(302, "GET");
	char want[128];

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		if (rows[i][1])
			snprintf(want, sizeof(want), "https://one.example%s", rows[i][1]);
		else
			snprintf(want, sizeof(want), "(bad Location)");
		cr_expect_str_eq(led(&step, "https://one.example/b/c/d;p?q", rows[i][0]), want,
			"%s", rows[i][0]);
	}
	cr_expect_str_eq(led(&step, "https://one.example", "g"), "https://one.example/g");
	cr_expect_str_eq(led(&step, "https://one.example", "?g"), "https://one.example/?g");
	cr_expect_str_eq(led(&step, "https://one.example?q=/x", "g"), "https://one.example/g");
}

Test(http_redirect, absolute_and_protocol_relative)
{
	static const char *const rows[][2] = {{"https://one.example", "https://one.example/"},
		{"https://one.example?x", "https://one.example/?x"},
		{"HTTPS://ONE.example:443/a/../b#c", "HTTPS://ONE.example:443/b"},
		{"//one.example/b", "https://one.example/b"},
		{"//two.example/b", "https://two.example/b"}, /* a node of the same service */
		{"https://three.example/b", "(to another origin)"},
		{"//three.example", "(to another origin)"},
		{"https://one.example:444/", "(to another origin)"},
		{"https://one.example.evil/", "(to another origin)"},
		{"http://one.example/b", "(https to http)"},
		{"ftp://one.example/", "(neither http nor https)"},
		{"javascript:alert(1)", "(neither http nor https)"},
		{"http:g", "(neither http nor https)"},
		{"https://user:pass@one.example/", "(user information in Location)"},
		{"https://one.example@evil/", "(user information in Location)"},
		{"//a@one.example", "(user information in Location)"},
		{"https://one.example\\@evil/", "(user information in Location)"},
		{"https:///x", "(bad Location)"}, {"//", "(bad Location)"},
		{"https://one.example:0/", "(bad Location)"},
		{"https://one.example:99999/", "(bad Location)"},
		{"https://one%2eexample/", "(bad Location)"},
		{"", "(no Location, or more than one)"}, {NULL, "(no Location, or more than one)"},
		{"#top", "(it leads back to where it was)"}};
	struct step step = step_of(302, "GET");

	for (size_t i = 0; i < RATION__COUNT(rows); i++)
		cr_expect_str_eq(led(&step, "https://one.example/a", rows[i][0]), rows[i][1], "%s",
			rows[i][0] ? rows[i][0] : "none");
}

Test(http_redirect, two_locations_are_none_unless_equal)
{
	struct step step = step_of(302, "GET");

	char two[64];
	struct ration__call *call = new_call("GET");
	struct ration__attempt attempt = {.status = 302, .headers = two};
	struct ration__hop *hop = NULL;

	attempt.headers_length = (size_t)snprintf(
		two, sizeof(two), "location%c/b%clocation%c/%c%c", 0, 0, 0, 'c', 0);
	cr_expect_eq(ration__redirect_next(&step.conf, call, "https://one.example/a", NULL,
			     &attempt, &hop, &step.why),
		RATION_EREDIRECT);
	two[attempt.headers_length - 2] = 'b';
	cr_expect_eq(ration__redirect_next(&step.conf, call, "https://one.example/a", NULL,
			     &attempt, &hop, &step.why),
		0);
	free(hop);
	free(call);
}

Test(http_redirect, the_policy_decides)
{
	struct step step = step_of(302, "GET");
	struct ration__hop *hop, *next;

	step.conf.redirects = RATION__REDIRECTS_NONE;
	cr_expect_str_eq(led(&step, "https://one.example/a", "/b"), "(not followed)");
	step.conf.redirects = RATION__REDIRECTS_ANY;
	cr_expect_str_eq(
		led(&step, "https://one.example/a", "https://x.example/b"), "https://x.example/b");
	cr_expect_str_eq(led(&step, "https://one.example/a", "http://x.example/"),
		"(https to http)", "never down, whatever the policy");
	cr_expect_str_eq(
		led(&step, "http://one.example/a", "https://x.example/"), "https://x.example/");
	/* foreign once is foreign for good */
	cr_assert_eq(go(&step, "https://one.example/a", NULL, "/b", &hop), 0);
	cr_expect_not(hop->foreign);
	cr_assert_eq(go(&step, hop->url, hop, "https://x.example/c", &next), 0);
	cr_expect(next->foreign);
	free(hop);
	cr_assert_eq(go(&step, next->url, next, "https://one.example/d", &hop), 0);
	cr_expect(hop->foreign);
	cr_expect_eq(hop->count, 3);
	free(hop);
	free(next);
}

Test(http_redirect, methods)
{
	static const struct {
		int status;
		const char *method;
		bool get, pinned;
	} rows[] = {{301, "GET", false, false}, {301, "POST", true, false},
		{301, "PUT", false, false}, {302, "POST", true, false},
		{302, "DELETE", false, false}, {303, "POST", true, false},
		{303, "PUT", true, false}, {303, "GET", true, false}, {303, "HEAD", false, false},
		{307, "POST", false, false}, {307, "PATCH", false, false},
		{308, "POST", false, true}, {308, "GET", false, true}};

	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		struct step step = step_of(rows[i].status, rows[i].method);
		struct ration__hop *hop;

		cr_assert_eq(go(&step, "https://one.example/a", NULL, "/b", &hop), 0);
		cr_expect_eq(hop->get, rows[i].get, "%d %s", rows[i].status, rows[i].method);
		cr_expect_eq(hop->pinned, rows[i].pinned, "%d", rows[i].status);
		free(hop);
	}
}

Test(http_redirect, X14_pinned_while_all_hops_are_permanent)
{
	struct step permanent = step_of(308, "POST"), temporary = step_of(307, "POST");
	struct ration__hop *first, *second, *third;

	cr_assert_eq(go(&permanent, "https://one.example/a", NULL, "/b", &first), 0);
	cr_assert_eq(go(&permanent, first->url, first, "/c", &second), 0);
	cr_expect(second->pinned);
	cr_assert_eq(go(&temporary, second->url, second, "/d", &third), 0);
	cr_expect_not(third->pinned);
	free(first);
	cr_assert_eq(go(&permanent, third->url, third, "/e", &first), 0);
	cr_expect_not(first->pinned, "the way there is not permanent");
	free(first);
	free(second);
	free(third);
}

Test(http_redirect, X14_at_most_20_hops)
{
	struct step step = step_of(302, "GET");
	struct ration__hop *hop = NULL, *next;
	char url[64] = "https://one.example/0", location[16];

	for (uint32_t i = 1; i <= RATION__HOPS_MAX; i++) {
		snprintf(location, sizeof(location), "/%u", i);
		cr_assert_eq(go(&step, url, hop, location, &next), 0, "hop %u: %s", i, step.why);
		free(hop);
		hop = next;
		cr_expect_eq(hop->count, i);
		snprintf(url, sizeof(url), "%s", hop->url);
	}
	cr_expect_eq(go(&step, url, hop, "/21", &next), RATION_EREDIRECT);
	cr_expect_str_eq(step.why, "too many");
	free(hop);
	step.conf.redirect_max = 0;
	cr_expect_str_eq(led(&step, "https://one.example/a", "/b"), "(too many)");
}

Test(http_redirect, loops_are_found_by_method_and_url)
{
	struct step step = step_of(302, "GET"), post = step_of(303, "POST");
	struct ration__hop *hop, *next;

	cr_expect_str_eq(
		led(&step, "https://one.example/a", "/a"), "(it leads back to where it was)");
	cr_assert_eq(go(&step, "https://one.example/a", NULL, "/b", &hop), 0);
	cr_expect_eq(go(&step, hop->url, hop, "/a", &next), RATION_EREDIRECT);
	cr_expect_eq(go(&step, hop->url, hop, "/b", &next), RATION_EREDIRECT);
	cr_expect_eq(go(&step, hop->url, hop, "/b?", &next), 0, "another URL");
	free(next);
	free(hop);
	/* POST, then GET of the same: how forms answer */
	cr_assert_eq(go(&post, "https://one.example/a", NULL, "/a", &hop), 0);
	cr_expect_eq(go(&post, hop->url, hop, "/a", &next), RATION_EREDIRECT);
	free(hop);
}

Test(http_redirect, only_what_tells_nothing_crosses_origins)
{
	static const char *const may[] = {"Accept", "accept-language", "Accept-Encoding",
		"CONTENT-TYPE", "Content-Language", "User-Agent", "x-request-id", "Traceparent"};
	static const char *const never[] = {"Authorization", "Cookie", "X-Api-Key", "Api-Key",
		"Proxy-Authorization", "X-Auth-Token", "Notion-Version", "Idempotency-Key",
		"Referer", "Origin", "X-Tenant-Id", "Accep", "Accept-", ""};

	for (size_t i = 0; i < RATION__COUNT(may); i++)
		cr_expect(ration__header_may_cross(may[i], strlen(may[i])), "%s", may[i]);
	for (size_t i = 0; i < RATION__COUNT(never); i++)
		cr_expect_not(ration__header_may_cross(never[i], strlen(never[i])), "%s", never[i]);
	cr_expect(ration__header_may_cross("Accept: x", 6));
}

Test(http_redirect, which_statuses)
{
	for (int status = 100; status < 600; status++)
		cr_expect_eq(ration__status_redirects(status),
			status == 301 || status == 302 || status == 303 || status == 307 ||
				status == 308,
			"%d", status);
}

Test(http_redirect, whatever_it_is_what_comes_out_is_a_clean_url)
{
	static const char *const parts[] = {"/", ".", "..", "//", "?", "#", ":", "@",
		"http:", "https://", "one.example", "x.example", "%2e", "%2E%2e", "%", "\\", "a",
		"b;c", " ", "\t", "\x01", "\xff", "[::1]", ":443", "\"", "&"};
	struct step step = step_of(302, "GET");
	uint64_t dice = 1;
	int followed = 0;

	step.conf.redirects = RATION__REDIRECTS_ANY;
	for (int i = 0; i < 20000; i++) {
		char location[256] = "";
		const char *url, *path;

		for (int n = 0; n < i % 9; n++) {
			dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407;
			strcat(location, parts[(dice >> 33) % RATION__COUNT(parts)]);
		}
		url = led(&step, "https://one.example/b/c/d?q", location);
		if (*url == '(')
			continue;
		followed++;
		cr_assert_eq(strncasecmp(url, "https://", 8), 0, "%s: %s", location, url);
		path = strchr(url + 8, '/');
		cr_assert(path, "%s: %s", location, url);
		cr_assert_not(memchr(url, '@', (size_t)(path - url)), "%s: %s", location, url);
		for (const char *at = url; *at; at++)
			cr_assert(*at > ' ' && *at < 0x7f && !strchr("#\\\"", *at), "%s: %s",
				location, url);
		for (const char *at = path; at && at < path + strcspn(path, "?");
			at = strchr(at + 1, '/')) {
			size_t length = strcspn(at + 1, "/?");

			cr_assert_not(length == 1 && at[1] == '.', "%s: %s", location, url);
			cr_assert_not(
				length == 2 && !strncmp(at + 1, "..", 2), "%s: %s", location, url);
		}
	}
	cr_expect_gt(followed, 5000);
}
