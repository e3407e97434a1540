/* Origins of URLs, which are services' names, and the set of those seen. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "cli/origin.h"
#include "cli_leaks.h"

TestSuite(origin, .fini = check_leaks);

Test(origin, parse)
{
	static const struct {
		const char *url, *origin; /* NULL: refused */
	} cases[] = {
		{"http://127.0.0.1:8080/a", "http://127.0.0.1:8080"},
		{"HTTP://Example.COM:80/A?b#c", "http://example.com"},
		{"https://example.com:443", "https://example.com"},
		{"https://example.com:80/", "https://example.com:80"},
		{"http://[::1]:8080/", "http://[::1]:8080"},
		{"http://h?x", "http://h"},
		{"ftp://h/", NULL},
		{"h/", NULL},
		{"http://", NULL},
		{"http:///x", NULL},
		{"http://user:secret@h/", NULL},
		{"http://h:0/", NULL},
		{"http://h:65536/", NULL},
		{"http://h:80a/", NULL},
		{"http://h /", NULL},
		{"http://h/a b", NULL},
		{"http://h/a\x7f", NULL},
		{"http://h\\@evil/", NULL},
	};

	for (size_t i = 0; i < RATION__COUNT(cases); i++) {
		char origin[RATION__ORIGIN_SIZE] = "untouched";
		ration_error *err = NULL;
		int rc = ration__origin_parse(cases[i].url, origin, &err);

		cr_expect_eq(rc, cases[i].origin ? 0 : RATION_EURL, "%s", cases[i].url);
		cr_expect_str_eq(origin, cases[i].origin ? cases[i].origin : "untouched", "%s",
			cases[i].url);
		cr_expect_null(strstr(ration_error_text(err), "secret"));
		ration_error_free(err);
	}
}

Test(origin, longest)
{
	char url[512], origin[RATION__ORIGIN_SIZE];

	for (size_t length = 100; length < 300; length++) {
		memset(url, 'a', sizeof(url));
		memcpy(url, "http://", 7);
		strcpy(url + length, "/");
		cr_expect_eq(ration__origin_parse(url, origin, NULL),
			length < RATION__ORIGIN_SIZE ? 0 : RATION_ETOOBIG, "%zu", length);
		strcpy(url + length, ":8080/");
		cr_expect_eq(ration__origin_parse(url, origin, NULL),
			length + 5 < RATION__ORIGIN_SIZE ? 0 : RATION_ETOOBIG, "%zu", length);
	}
}

Test(origin, set)
{
	struct ration__origins origins = {0};
	char name[RATION__ORIGIN_SIZE];

	for (size_t i = 0; i < RATION__ORIGINS_MAX; i++) {
		snprintf(name, sizeof(name), "http://h%zu", i);
		cr_assert_not(ration__origins_has(&origins, name));
		cr_assert_eq(ration__origins_add(&origins, name), 0);
		cr_assert(ration__origins_has(&origins, name));
	}
	cr_expect_eq(ration__origins_add(&origins, "http://more"), RATION_EFULL);
	for (size_t i = 0; i < RATION__ORIGINS_MAX; i++) {
		snprintf(name, sizeof(name), "http://h%zu", i);
		cr_assert(ration__origins_has(&origins, name));
	}
	cr_expect_not(ration__origins_has(&origins, "http://h"));
	ration__origins_fini(&origins);
}
