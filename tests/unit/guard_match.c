/* Which limits apply to a call: patterns, methods, keys. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include "guard/match.h"

static bool matches(const char *pattern, const char *text)
{
	return ration__pattern_matches(pattern, text, strlen(text));
}

Test(match, N19_patterns)
{
	cr_assert(matches("/v1/pages", "/v1/pages"));
	cr_assert_not(matches("/v1/pages", "/v1/pages/"));
	cr_assert_not(matches("/v1/pages", "/v1/page"));
	cr_assert(matches("/v1/*", "/v1/pages"));
	cr_assert(matches("/v1/*", "/v1/"));
	cr_assert_not(matches("/v1/*", "/v1/pages/7"), "* stays within a segment");
	cr_assert(matches("/v1/*/blocks", "/v1/pages/blocks"));
	cr_assert_not(matches("/v1/*/blocks", "/v1/pages/7/blocks"));
	cr_assert(matches("/v1/**", "/v1/pages/7/blocks"));
	cr_assert(matches("/v1/**/blocks", "/v1/pages/7/blocks"));
	cr_assert_not(matches("/v1/**/blocks", "/v1/blocks"), "both slashes are there");
	cr_assert(matches("**", "") && matches("**", "/a/b"));
	cr_assert(matches("*", "") && matches("*", "a") && !matches("*", "a/b"));
	cr_assert(matches("***", "a/b"), "more stars are two");
	cr_assert(matches("", "") && !matches("", "a"));
	cr_assert(matches("delete*", "delete_page") && !matches("delete*", "undelete"));
	cr_assert(matches("*a*b*c", "xxaxxbxxc") && !matches("*a*b*c", "xxaxxcxxb"));
	/* the first way that fits the beginning is not the one that fits the end */
	cr_assert(matches("**/a*b", "/a/x/ab") && matches("**a*b", "a/ab"));
	cr_assert(matches("**.json", "/a.json/b.json"));
	cr_assert_not(ration__pattern_matches("/v1/x", "/v1/xyz", 6), "text ends at its length");
	cr_assert_not(ration__pattern_matches("/v1/xyz*", "/v1/xyz", 6));
	cr_assert(ration__pattern_matches("/v1/*", "/v1/xyz/", 7));
}

Test(match, a_pattern_that_could_take_long_does_not, .timeout = 10)
{
	static char text[16384];
	char pattern[RATION__PATTERN_MAX];

	memset(text, 'a', sizeof(text) - 1);
	for (size_t i = 0; i + 1 < sizeof(pattern); i++)
		pattern[i] = i % 3 == 2 ? 'a' : '*';
	pattern[sizeof(pattern) - 2] = 'b';
	pattern[sizeof(pattern) - 1] = 0;
	cr_assert_not(matches(pattern, text));
	text[sizeof(text) - 2] = 'b';
	cr_assert(matches(pattern, text));
}

/* Recursion by the definition. */
static bool naive(const char *pattern, const char *text)
{
	if (!*pattern)
		return !*text;
	if (*pattern != '*')
		return *text == *pattern && naive(pattern + 1, text + 1);
	if (pattern[1] == '*') {
		pattern += 2;
		do
			if (naive(pattern, text))
				return true;
		while (*text++);
		return false;
	}
	do
		if (naive(pattern + 1, text))
			return true;
	while (*text && *text++ != '/');
	return false;
}

Test(match, agrees_with_the_definition)
{
	static const char letters[] = "ab/*", words[] = "ab/";
	unsigned long seed = 7;
	unsigned hits = 0;

	for (int round = 0; round < 200000; round++) {
		char pattern[8] = "", text[8] = "";

		for (size_t i = 0; i < 7; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			pattern[i] = (seed >> 40) % 6 == 0 ? 0 : letters[(seed >> 33) % 4];
			text[i] = (seed >> 50) % 6 == 0 ? 0 : words[(seed >> 56) % 3];
		}
		pattern[7] = text[7] = 0;
		if (strstr(pattern, "***"))
			continue;
		hits += naive(pattern, text);
		cr_assert_eq(matches(pattern, text), naive(pattern, text), "\"%s\" \"%s\"", pattern,
			text);
	}
	cr_assert_gt(hits, 1000);
}

static struct ration__rules rules;

static struct ration__when *add(const char *name)
{
	struct ration__limit *limit = &rules.limits[rules.limit_count++];

	snprintf(limit->name, sizeof(limit->name), "%s", name);
	return &limit->when;
}

Test(match, N19_methods_and_paths)
{
	struct ration__when *when;

	add("all");
	cr_assert_not(ration__rules_look(&rules));
	add("writes")->methods = RATION__METHOD_POST | RATION__METHOD_DELETE;
	when = add("pages");
	snprintf(when->path, sizeof(when->path), "/v1/pages/**");
	when = add("both");
	when->methods = RATION__METHOD_GET;
	snprintf(when->path, sizeof(when->path), "/v1/pages/**");
	snprintf(add("me")->path, sizeof(when->path), "/v1/me");
	cr_assert(ration__rules_look(&rules));

	cr_assert_eq(ration__rules_skip_call(&rules, "GET", "/v1/me"), 2 | 4 | 8);
	cr_assert_eq(ration__rules_skip_call(&rules, "GET", "/v1/me?fields=all"), 2 | 4 | 8);
	cr_assert_eq(ration__rules_skip_call(&rules, "GET", "/v1/me#top"), 2 | 4 | 8);
	rules.limit_count--;
	cr_assert_eq(ration__rules_skip_call(&rules, "GET", "/v1/users"), 2 | 4 | 8);
	cr_assert_eq(ration__rules_skip_call(&rules, "POST", "/v1/users"), 4 | 8);
	cr_assert_eq(ration__rules_skip_call(&rules, "GET", "/v1/pages/7"), 2);
	cr_assert_eq(ration__rules_skip_call(&rules, "DELETE", "/v1/pages/7"), 8);
	cr_assert_eq(ration__rules_skip_call(&rules, "GET", "/v1/pages/7?a=/b"), 2);
	cr_assert_eq(ration__rules_skip_call(&rules, "GET", "/v1/users?x=/v1/pages/7"), 2 | 4 | 8,
		"the query is no part of the path");
	cr_assert_eq(ration__rules_skip_call(&rules, "GET", "/v1/pages/#x"), 2);
	cr_assert_eq(ration__rules_skip_call(&rules, "get", "/v1/pages/7"), 2 | 8,
		"methods are case-sensitive: this is another one");
	cr_assert_eq(ration__rules_skip_call(&rules, NULL, NULL), 2 | 4 | 8, "no HTTP");
	cr_assert_eq(ration__method_bit("PURGE"), RATION__METHOD_OTHER);
	cr_assert_eq(ration__method_bit(NULL), 0);
}

Test(match, N19_keys)
{
	const struct ration__pair delete = {"tool", "delete_page"}, drop = {"tool", "drop"},
				  get = {"tool", "get"};
	const struct ration__pair two[] = {{"tool", "drop"}, {"tenant", "acme"}};
	struct ration__when *when;

	add("all");
	when = add("destructive");
	snprintf(when->keys[0].name, sizeof(when->keys[0].name), "tool");
	snprintf(when->keys[0].values[0], sizeof(when->keys[0].values[0]), "delete*");
	snprintf(when->keys[0].values[1], sizeof(when->keys[0].values[1]), "drop");
	when = add("acme's");
	when->keys[0] = rules.limits[1].when.keys[0];
	snprintf(when->keys[1].name, sizeof(when->keys[1].name), "tenant");
	snprintf(when->keys[1].values[0], sizeof(when->keys[1].values[0]), "acme");

	cr_assert_eq(ration__rules_skip_keys(&rules, &delete, 1), 4);
	cr_assert_eq(ration__rules_skip_keys(&rules, &drop, 1), 4);
	cr_assert_eq(ration__rules_skip_keys(&rules, &get, 1), 2 | 4);
	cr_assert_eq(ration__rules_skip_keys(&rules, NULL, 0), 2 | 4);
	cr_assert_eq(ration__rules_skip_keys(&rules, two, 2), 0);
	cr_assert_not(ration__rules_look(&rules), "keys are no call's business");
}
