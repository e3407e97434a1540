/* Which limits apply to a call: methods, path patterns, key values. Pure functions over text. */
#ifndef GUARD_MATCH_H
#define GUARD_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include "base/pair.h"
#include "guard/rules.h"

/* Bits of struct ration__ask.skip beside those of the limits. */
#define RATION__SKIP_BREAKER (UINT32_C(1) << 30)
#define RATION__SKIP_CONCURRENCY (UINT32_C(1) << 31)
#define RATION__SKIP_COOLDOWN (UINT32_C(1) << 29)

/* The bit of a method's name; 0 for NULL. */
uint32_t ration__method_bit(const char *method);
/* "*" stands for any run of characters without '/', "**" for any run; the rest for itself. length:
 * of text, which need not end with a NUL (a path ends before its query). */
bool ration__pattern_matches(const char *pattern, const char *text, size_t length);
/* Does any limit look at methods or paths? */
bool ration__rules_look(const struct ration__rules *rules);
/* Bits of the limits that do not apply. method, path NULL: a call that is not HTTP. The path is as
 * it stands in the request target, up to a '?' or '#'. */
uint32_t ration__rules_skip_call(
	const struct ration__rules *rules, const char *method, const char *path);
uint32_t ration__rules_skip_keys(
	const struct ration__rules *rules, const struct ration__pair *keys, size_t key_count);

#endif
