/* Request contexts: what they hold, what is sent of them, which of two wins. */
#include "identity_help.h"

TestSuite(client_context, .fini = check_leaks, .timeout = 60);

static struct fixture f;

static ration_context *with(
	ration_context *context, enum ration_context_field field, const char *value)
{
	ration_context *changed = NULL;

	cr_assert_eq(ration_context_with(context, field, value, &changed), 0);
	ration_context_free(context);
	return changed;
}

static ration_context *new_context(const char *id, const char *tenant, const char *project)
{
	ration_context *context = NULL;

	cr_assert_eq(ration_context_new(id, &context), 0);
	context = with(context, RATION_CONTEXT_TENANT, tenant);
	return with(context, RATION_CONTEXT_PROJECT, project);
}

Test(client_context, S1_made_new_changed_in_copies_and_never_itself)
{
	ration_context *a = NULL, *b = NULL, *c = NULL;

	cr_assert_eq(ration_context_new("r-1", &a), 0);
	cr_expect_str_eq(ration_context_get(a, RATION_CONTEXT_REQUEST_ID), "r-1");
	cr_expect_null(ration_context_get(a, RATION_CONTEXT_TENANT));
	cr_assert_eq(ration_context_with(a, RATION_CONTEXT_TENANT, "acme", &b), 0);
	cr_expect_null(ration_context_get(a, RATION_CONTEXT_TENANT), "the first one changed");
	cr_expect_str_eq(ration_context_get(b, RATION_CONTEXT_TENANT), "acme");
	cr_expect_str_eq(ration_context_get(b, RATION_CONTEXT_REQUEST_ID), "r-1");
	cr_expect_eq(ration_context_ref(a), a);
	ration_context_free(a);
	cr_expect_str_eq(ration_context_get(a, RATION_CONTEXT_REQUEST_ID), "r-1", "still held");
	ration_context_free(a);
	cr_assert_eq(ration_context_with(b, RATION_CONTEXT_TENANT, NULL, &c), 0);
	cr_expect_null(ration_context_get(c, RATION_CONTEXT_TENANT));
	ration_context_free(c);
	c = b;
	cr_expect_eq(ration_context_with(b, RATION_CONTEXT_REQUEST_ID, NULL, &c), RATION_EINVAL);
	cr_expect_eq(ration_context_with(b, (enum ration_context_field)9, "x", &c), RATION_EINVAL);
	cr_expect_eq(ration_context_with(b, (enum ration_context_field)0, "x", &c), RATION_EINVAL);
	cr_expect_eq(c, b, "the output was touched");
	ration_context_free(b);
	ration_context_free(NULL);
}

Test(client_context, S1_an_id_is_made_when_there_is_none)
{
	ration_context *a = NULL, *b = NULL;
	const char *id;

	cr_assert_eq(ration_context_new(NULL, &a), 0);
	cr_assert_eq(ration_context_new(NULL, &b), 0);
	id = ration_context_get(a, RATION_CONTEXT_REQUEST_ID);
	cr_expect_eq(strlen(id), 36);
	cr_expect_eq(id[14], '4');
	cr_expect_str_neq(id, ration_context_get(b, RATION_CONTEXT_REQUEST_ID));
	ration_context_free(a);
	ration_context_free(b);
}

Test(client_context, S1_for_a_worker_the_job_id_is_the_request_id)
{
	ration_context *a = NULL;

	cr_expect_eq(ration_context_for_worker(NULL, &a), RATION_EINVAL);
	cr_assert_eq(ration_context_for_worker("job-77", &a), 0);
	cr_expect_str_eq(ration_context_get(a, RATION_CONTEXT_REQUEST_ID), "job-77");
	ration_context_free(a);
}

Test(client_context, S1_from_the_headers_of_an_authenticated_caller)
{
	static const struct ration_context_header headers[] = {{"Host", "example.org"},
		{"x-request-id", "r-9"}, {"X-TENANT-ID", "acme"}, {"X-Project-Id", ""},
		{"X-User-Id", "ann"}, {"X-Tenant-Id", "acme"}};
	static const struct ration_context_header twice[] = {
		{"X-Tenant-Id", "acme"}, {"x-tenant-id", "bolt"}};
	static const struct ration_context_header evil[] = {{"X-Tenant-Id", "a\r\nX-Evil: 1"}};
	static const struct ration_context_header null[] = {{"X-Tenant-Id", NULL}};
	ration_context *a = NULL;

	cr_assert_eq(ration_context_from_headers(headers, 6, &a), 0);
	cr_expect_str_eq(ration_context_get(a, RATION_CONTEXT_REQUEST_ID), "r-9");
	cr_expect_str_eq(ration_context_get(a, RATION_CONTEXT_TENANT), "acme");
	cr_expect_null(ration_context_get(a, RATION_CONTEXT_PROJECT));
	cr_expect_str_eq(ration_context_get(a, RATION_CONTEXT_USER), "ann");
	ration_context_free(a);
	cr_assert_eq(ration_context_from_headers(NULL, 0, &a), 0);
	cr_expect_eq(strlen(ration_context_get(a, RATION_CONTEXT_REQUEST_ID)), 36);
	ration_context_free(a);
	a = NULL;
	cr_expect_eq(ration_context_from_headers(twice, 2, &a), RATION_EHEADER);
	cr_expect_eq(ration_context_from_headers(evil, 1, &a), RATION_EHEADER);
	cr_expect_eq(ration_context_from_headers(null, 1, &a), RATION_EINVAL);
	cr_expect_eq(ration_context_from_headers(NULL, 1, &a), RATION_EINVAL);
	cr_expect_null(a);
}

Test(client_context, values_are_what_a_header_and_a_key_may_hold)
{
	char large[258];
	ration_context *a = NULL;

	memset(large, 'x', sizeof(large));
	large[257] = '\0';
	cr_expect_eq(ration_context_new("", &a), RATION_EINVAL);
	cr_expect_eq(ration_context_new("a\nb", &a), RATION_EHEADER);
	cr_expect_eq(ration_context_new(" a", &a), RATION_EHEADER);
	cr_expect_eq(ration_context_new(large, &a), RATION_ETOOBIG);
	cr_expect_null(a);
	cr_expect_eq(ration_context_new("a", NULL), RATION_EINVAL);
	large[256] = '\0';
	cr_expect_eq(ration_context_new(large, &a), 0);
	ration_context_free(a);
}

Test(client_context, S1_deadline_of_a_context)
{
	ration_context *a = NULL, *b = NULL, *c = NULL;
	int64_t left;

	cr_assert_eq(ration_context_new(NULL, &a), 0);
	cr_expect_eq(ration_context_deadline(a), -1);
	cr_expect_eq(ration_context_with_deadline(a, -2, &b), RATION_EINVAL);
	cr_assert_eq(ration_context_with_deadline(a, 3600000, &b), 0);
	left = ration_context_deadline(b);
	cr_expect(left > 3000000 && left <= 3600000, "%ld", (long)left);
	b = with(b, RATION_CONTEXT_USER, "ann");
	cr_expect_gt(ration_context_deadline(b), 3000000, "a copy keeps it");
	cr_assert_eq(ration_context_with_deadline(b, -1, &c), 0);
	cr_expect_eq(ration_context_deadline(c), -1);
	ration_context_free(c);
	cr_assert_eq(ration_context_with_deadline(b, 0, &c), 0);
	cr_expect_eq(ration_context_deadline(c), 0);
	ration_context_free(c);
	cr_assert_eq(ration_context_with_deadline(b, INT64_MAX, &c), 0);
	cr_expect_eq(ration_context_deadline(c), -1);
	ration_context_free(c);
	ration_context_free(a);
	ration_context_free(b);
}

/* Performs and frees the request; its code. */
static int perform(ration_request *request)
{
	ration_response *response = NULL;
	int code = ration_perform(f.client, request, &response);

	ration_response_free(response);
	ration_request_free(request);
	return code;
}

Test(client_context, S2_its_headers_go_with_every_attempt_in_place_of_others)
{
	ration_request *request = new_request("/flaky");
	ration_context *context = new_context("r-1", "acme", NULL);

	context = with(context, RATION_CONTEXT_USER, "ann");
	identity_init(&f);
	set(&f, "services.api.headers.X-Tenant-Id", "of-the-service");
	set(&f, "services.api.headers.X-Team", "t");
	fixture_open(&f);
	f.server.flag = 2;
	cr_assert_eq(ration_request_set_header(request, "x-tenant-id", "of-the-request"), 0);
	cr_assert_eq(ration_request_set_header(request, "X-Request-ID", "of-the-request"), 0);
	cr_assert_eq(ration_request_add_header(request, "X-Other", "o"), 0);
	cr_assert_eq(ration_request_set_context(request, context), 0);
	ration_context_free(context); /* the request has a reference of its own */
	cr_assert_eq(perform(request), 0);
	cr_assert_eq(seen.count, 3);
	for (int i = 0; i < 3; i++) {
		cr_expect_str_eq(sent(i, "X-Request-Id"), "r-1");
		cr_expect_str_eq(sent(i, "X-Tenant-Id"), "acme");
		cr_expect_null(sent(i, "X-Project-Id"));
		cr_expect_str_eq(sent(i, "X-Other"), "o");
		cr_expect_str_eq(sent(i, "X-Team"), "t");
		cr_expect_null(strcasestr(seen.heads[i], "of-the-"), "%s", seen.heads[i]);
		cr_expect_null(strcasestr(seen.heads[i], "ann"), "%s", seen.heads[i]);
	}
	identity_close(&f);
}

Test(client_context, R12_without_a_context_the_callers_id_is_kept)
{
	ration_request *request = new_request("/flaky");

	identity_init(&f);
	fixture_open(&f);
	f.server.flag = 1;
	cr_assert_eq(ration_request_set_header(request, "X-Request-ID", "mine"), 0);
	cr_assert_eq(perform(request), 0);
	cr_assert_eq(seen.count, 2);
	cr_expect_str_eq(sent(0, "X-Request-ID"), "mine");
	cr_expect_str_eq(sent(1, "X-Request-ID"), "mine");
	identity_close(&f);
}

Test(client_context, R11_an_id_is_made_and_is_the_same_over_retries)
{
	identity_init(&f);
	fixture_open(&f);
	f.server.flag = 2;
	cr_assert_eq(perform(new_request("/flaky")), 0);
	cr_assert_eq(perform(new_request("/other")), 0);
	cr_assert_eq(seen.count, 4);
	cr_expect_eq(strlen(sent(0, "X-Request-ID")), 36);
	cr_expect_str_eq(sent(0, "X-Request-ID"), sent(1, "X-Request-ID"));
	cr_expect_str_eq(sent(0, "X-Request-ID"), sent(2, "X-Request-ID"));
	cr_expect_str_neq(sent(0, "X-Request-ID"), sent(3, "X-Request-ID"));
	identity_close(&f);
}

Test(client_context, X15_the_requests_own_wins_over_the_clients)
{
	ration_context *of_client = new_context("c-1", "acme", "p"),
		       *own = new_context("r-1", "bolt", NULL);
	ration_request *request = new_request("/own");

	identity_init(&f);
	fixture_open(&f);
	cr_assert_eq(ration_client_set_context(f.client, of_client), 0);
	ration_context_free(of_client);
	cr_assert_eq(ration_request_set_context(request, own), 0);
	ration_context_free(own);
	cr_assert_eq(perform(request), 0);
	cr_assert_eq(perform(new_request("/client")), 0);
	cr_assert_eq(ration_client_set_context(f.client, NULL), 0);
	cr_assert_eq(perform(new_request("/none")), 0);
	cr_assert_eq(seen.count, 3);
	cr_expect_str_eq(sent(0, "X-Request-ID"), "r-1");
	cr_expect_str_eq(sent(0, "X-Tenant-ID"), "bolt");
	cr_expect_null(sent(0, "X-Project-ID"), "the two were mixed");
	cr_expect_str_eq(sent(1, "X-Request-ID"), "c-1");
	cr_expect_str_eq(sent(1, "X-Project-ID"), "p");
	cr_expect_null(sent(2, "X-Tenant-ID"));
	cr_expect_eq(ration_client_set_context(NULL, NULL), RATION_EINVAL);
	/* left for close to free */
	own = new_context("c-2", "x", NULL);
	cr_assert_eq(ration_client_set_context(f.client, own), 0);
	ration_context_free(own);
	identity_close(&f);
}

static ration_request *new_post(const char *id, ration_context *context)
{
	ration_request *request = ration_request_new("api", "POST", "/flaky");

	f.server.flag = 1;
	if (id)
		cr_assert_eq(ration_request_set_header(request, "X-Request-ID", id), 0);
	cr_assert_eq(ration_request_set_context(request, context), 0);
	return request;
}

Test(client_context, X9_with_a_context_the_id_only_correlates)
{
	ration_context *context = new_context("r-1", NULL, NULL);
	ration_request *request;

	identity_init(&f);
	fixture_open(&f);
	/* alone, one id serves both */
	cr_expect_eq(perform(new_post("mine", NULL)), 0);
	cr_assert_eq(seen.count, 2);
	forget_heads();
	cr_expect_eq(perform(new_post("mine", context)), RATION_EUNAVAILABLE);
	cr_expect_eq(perform(new_post(NULL, context)), RATION_EUNAVAILABLE);
	cr_assert_eq(seen.count, 2, "a POST was repeated for its context's id");
	forget_heads();
	request = new_post(NULL, context);
	cr_assert_eq(ration_request_set_idempotency_key(request, "key-1"), 0);
	cr_expect_eq(perform(request), 0);
	cr_assert_eq(seen.count, 2);
	cr_expect_str_eq(sent(1, "Idempotency-Key"), "\"key-1\"");
	cr_expect_str_eq(sent(1, "X-Request-ID"), "r-1");
	ration_context_free(context);
	identity_close(&f);
}

Test(client_context, S1_the_earlier_deadline_counts)
{
	ration_context *context = new_context(NULL, NULL, NULL), *ended = NULL, *late = NULL;
	ration_request *request;

	identity_init(&f);
	fixture_open(&f);
	cr_assert_eq(ration_context_with_deadline(context, 0, &ended), 0);
	cr_assert_eq(ration_context_with_deadline(context, 3600000, &late), 0);
	request = new_request("/hello");
	ration_request_set_context(request, ended);
	ration_request_set_deadline(request, 3600000);
	cr_expect_eq(perform(request), RATION_EDEADLINE);
	request = new_request("/hello");
	ration_request_set_context(request, ended);
	cr_expect_eq(perform(request), RATION_EDEADLINE, "a request without one of its own");
	cr_expect_eq(seen.count, 0);
	request = new_request("/hello");
	ration_request_set_context(request, late);
	ration_request_set_deadline(request, 0);
	cr_expect_eq(perform(request), RATION_EDEADLINE);
	request = new_request("/hello");
	ration_request_set_context(request, late);
	cr_expect_eq(perform(request), 0);
	ration_context_free(context);
	ration_context_free(ended);
	ration_context_free(late);
	identity_close(&f);
}

Test(client_context, its_values_are_keys_where_limits_name_them)
{
	ration_context *context = new_context(NULL, "acme", NULL);
	ration_request *request;
	char *text = NULL;

	context = with(context, RATION_CONTEXT_USER, "ann");
	identity_init(&f);
	set(&f, "services.api.limits.each.rate", "10/min");
	set(&f, "services.api.limits.each.burst", "10");
	set(&f, "services.api.limits.each.per", "[agent, tenant]");
	fixture_open(&f);
	cr_assert_eq(ration_client_set_context(f.client, context), 0);
	request = new_request("/hello");
	ration_request_set_key(request, "agent", "a");
	cr_expect_eq(perform(request), 0);
	request = new_request("/hello");
	ration_request_set_key(request, "agent", "a");
	ration_request_set_key(request, "tenant", "own");
	ration_request_set_key(request, "zone", "z");
	cr_expect_eq(perform(request), 0);
	cr_assert_eq(ration_inspect(f.config, "", &text, NULL), 0);
	cr_expect(strstr(text, "acme"), "%s", text);
	cr_expect(strstr(text, "own"), "%s", text);
	cr_expect_null(strstr(text, "ann"), "%s", text);
	ration_free(text);
	ration_context_free(context);
	identity_close(&f);
}
