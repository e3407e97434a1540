/* Errors as a hierarchy: code, kind, class, what is retryable, and the forms that may be shown. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ration/ration.h>
#include "base/error.h"
#include "base/util.h"

static const int codes[] = {
#define RATION_X(name, value, class_, retryable, text) value,
	RATION_ERROR_LIST(RATION_X)
#undef RATION_X
#define RATION_X(name, value, text) value,
		RATION_DENIAL_LIST(RATION_X)
#undef RATION_X
};

Test(error_kinds, S4_every_code_has_one)
{
	for (size_t i = 0; i < RATION__COUNT(codes); i++) {
		const char *kind = ration_code_kind(codes[i]);

		cr_expect_str_neq(kind, "UNKNOWN", "%d", codes[i]);
		cr_expect_str_neq(kind, "OK", "%d", codes[i]);
		for (const char *c = kind; *c; c++)
			cr_expect(isupper((unsigned char)*c) || *c == '_', "%s", kind);
	}
	cr_expect_str_eq(ration_code_kind(0), "OK");
	cr_expect_str_eq(ration_code_kind(-9999), "UNKNOWN");
	cr_expect_str_eq(ration_code_kind(9999), "UNKNOWN");
}

static const struct {
	int code;
	const char *kind;
	int retryable, connection;
} rows[] = {
	{RATION_ETIMEOUT, "TIMEOUT", 1, 1},
	{RATION_EREADTIMEOUT, "TIMEOUT", 1, 1},
	{RATION_ECONNECTTIMEOUT, "TIMEOUT", 1, 1},
	{RATION_EDEADLINE, "TIMEOUT", 0, 0},
	{RATION_ECONNECT, "CONNECTION_ERROR", 1, 1},
	{RATION_ERESET, "CONNECTION_ERROR", 1, 1},
	{RATION_EDNS, "CONNECTION_ERROR", 1, 1},
	{RATION_ETLS, "CONNECTION_ERROR", 1, 1},
	{RATION_EPROTOCOL, "CONNECTION_ERROR", 0, 0},
	{RATION_EUNAVAILABLE, "SERVICE_UNAVAILABLE", 1, 1},
	{RATION_ESERVER, "SERVER_ERROR", 1, 1},
	{RATION_ESERVERTIMEOUT, "REQUEST_TIMEOUT", 1, 1},
	{RATION_ESTORE, "STORAGE_UNAVAILABLE", 1, 0},
	{RATION_ENOSPC, "STORAGE_FULL", 1, 0},
	{RATION_EACCESS, "STORAGE_DENIED", 0, 0},
	{RATION_EAUTH, "UNAUTHORIZED", 0, 0},
	{RATION_EREQUEST, "INVALID_INPUT", 0, 0},
	{RATION_EINVAL, "INVALID_INPUT", 0, 0},
	{RATION_ENOTFOUND, "NOT_FOUND", 0, 0},
	{RATION_ESTATUS, "REQUEST_REFUSED", 0, 0},
	{RATION_ETHROTTLED, "RATE_LIMITED", 1, 0},
	{RATION_DENIED_RATE, "RATE_LIMITED", 1, 0},
	{RATION_ELOCAL, "INTERNAL_ERROR", 1, 0},
	{RATION_ESYSTEM, "INTERNAL_ERROR", 1, 0},
	{RATION_EEXHAUSTED, "RETRIES_EXHAUSTED", 0, 0},
	{RATION_EUNKNOWN, "OUTCOME_UNKNOWN", 0, 0},
	{RATION_DENIED_BREAKER, "CIRCUIT_OPEN", 1, 0},
	{RATION_DENIED_CONCURRENCY, "POOL_TIMEOUT", 1, 0},
};

Test(error_kinds, S4_R13_R14_kinds_and_what_is_retryable)
{
	for (size_t i = 0; i < RATION__COUNT(rows); i++) {
		cr_expect_str_eq(ration_code_kind(rows[i].code), rows[i].kind);
		cr_expect_eq(ration_code_retryable(rows[i].code), rows[i].retryable, "%s",
			ration_code_name(rows[i].code));
		cr_expect_eq(ration_code_is_connection(rows[i].code), rows[i].connection, "%s",
			ration_code_name(rows[i].code));
	}
}

Test(error_kinds, R14_base_kind_is_retryable_throughout)
{
	for (size_t i = 0; i < RATION__COUNT(codes); i++)
		if (ration_code_is_connection(codes[i]))
			cr_expect(codes[i] < 0 && ration_code_retryable(codes[i]), "%s",
				ration_code_name(codes[i]));
}

static bool is_debug_id(const char *id)
{
	return strlen(id) == 8 && strspn(id, "0123456789abcdef") == 8;
}

Test(error_forms, S3_code_message_and_debug_id_only)
{
	struct ration__place place = {.file = "a\"b.yaml", .line = 3, .path = "services.x"};
	ration_error *err = NULL, *other = NULL;
	char want[256], *json = NULL;

	ration__error_set_at(&err, RATION_ECONFIG, &place, "expected %s", "a number");
	ration__error_set(&other, RATION_ENOMEM, "out of memory");
	cr_assert(err && other);
	cr_expect_str_eq(ration_error_text(err), "a\"b.yaml:3: services.x: expected a number");
	cr_expect_str_eq(ration_error_summary(err),
		"[CONFIGURATION_ERROR] a\"b.yaml:3: services.x: expected a number");
	cr_expect_str_eq(ration_error_path(err), "services.x");
	cr_expect(is_debug_id(ration_error_debug_id(err)), "%s", ration_error_debug_id(err));
	cr_expect_str_neq(ration_error_debug_id(err), ration_error_debug_id(other));
	cr_assert_eq(ration_error_json(err, &json), 0);
	snprintf(want, sizeof(want),
		"{\"code\":\"CONFIGURATION_ERROR\",\"message\":\"a\\\"b.yaml:3: services.x: "
		"expected a number\",\"debug_id\":\"%s\"}",
		ration_error_debug_id(err));
	cr_expect_str_eq(json, want);
	ration_free(json);
	cr_expect_eq(ration_error_json(err, NULL), RATION_EINVAL);
	ration_error_free(err);
	ration_error_free(other);
}

Test(error_forms, null_is_no_error)
{
	char *json = NULL;

	cr_expect_str_eq(ration_error_summary(NULL), "[OK]");
	cr_expect_str_eq(ration_error_debug_id(NULL), "");
	cr_assert_eq(ration_error_json(NULL, &json), 0);
	cr_expect_str_eq(json, "{\"code\":\"OK\",\"message\":\"\",\"debug_id\":\"\"}");
	ration_free(json);
}
