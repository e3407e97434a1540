/* Tokens on the wire: which one goes along, what a 401 does, what never leaves its origin, and what
 * happens while the provider takes its time. */
#include "identity_help.h"

#include <sys/stat.h>

TestSuite(client_token, .fini = check_leaks, .timeout = 60);

static struct fixture f;

static ration_response *perform_with(const char *path, const char *key, const char *value)
{
	ration_request *request = new_request(path);
	ration_response *response = NULL;

	if (key)
		cr_assert_eq(ration_request_set_key(request, key, value), 0);
	ration_perform(f.client, request, &response);
	cr_assert(response);
	ration_request_free(request);
	return response;
}

static int code_with(const char *path, const char *key, const char *value)
{
	ration_response *response = perform_with(path, key, value);
	int code = ration_response_code(response);

	ration_response_free(response);
	return code;
}

static void put_file(const char *name, const char *text)
{
	char path[160], new_path[168];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f.store, name);
	snprintf(new_path, sizeof(new_path), "%s.new", path);
	file = fopen(new_path, "w");
	cr_assert(file);
	fputs(text, file);
	fclose(file);
	chmod(new_path, 0600);
	cr_assert_eq(rename(new_path, path), 0);
}

static void set_file(const char *setting, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", f.store, name);
	set(&f, setting, path);
}

Test(client_token, E20_a_static_token_goes_with_each_request)
{
	identity_init(&f);
	set(&f, "services.api.auth.bearer", "s3cret");
	set(&f, "services.api.headers.Authorization", "of-the-service");
	fixture_open(&f);
	f.server.flag = 1;
	cr_expect_eq(get(&f, "/flaky"), 0);
	cr_assert_eq(seen.count, 2);
	cr_expect_str_eq(sent(0, "Authorization"), "Bearer s3cret");
	cr_expect_str_eq(sent(1, "Authorization"), "Bearer s3cret");
	accept_token("Bearer other");
	cr_expect_eq(get(&f, "/hello"), RATION_EAUTH);
	cr_expect_eq(seen.count, 3, "there is no other token to try");
	identity_close(&f);
}

Test(client_token, R25_basic_from_a_file_and_a_requests_own_header_wins)
{
	ration_request *request = new_request("/hello");
	ration_response *response = NULL;

	identity_init(&f);
	put_file("login", "aladdin:opensesame\n");
	set_file("services.api.auth.basic_file", "login");
	fixture_open(&f);
	cr_expect_eq(get(&f, "/hello"), 0);
	cr_expect_str_eq(sent(0, "Authorization"), "Basic YWxhZGRpbjpvcGVuc2VzYW1l");
	cr_assert_eq(ration_request_set_header(request, "authorization", "mine"), 0);
	cr_expect_eq(ration_perform(f.client, request, &response), 0);
	cr_expect_str_eq(sent(1, "Authorization"), "mine");
	cr_expect_null(strstr(seen.heads[1], "Basic"));
	ration_response_free(response);
	ration_request_free(request);
	identity_close(&f);
}

Test(client_token, a_token_rotated_in_its_file_is_read_after_the_401)
{
	identity_init(&f);
	put_file("token", "one\n");
	set_file("services.api.auth.bearer_file", "token");
	set(&f, "services.api.retry.attempts", "1");
	fixture_open(&f);
	accept_token("Bearer one");
	cr_expect_eq(get(&f, "/hello"), 0);
	put_file("token", "two\n");
	accept_token("Bearer two");
	cr_expect_eq(get(&f, "/hello"), 0, "and it is no retry");
	cr_expect_eq(get(&f, "/hello"), 0);
	accept_token("Bearer three");
	cr_expect_eq(get(&f, "/hello"), RATION_EAUTH);
	cr_assert_eq(seen.count, 5);
	cr_expect_str_eq(sent(1, "Authorization"), "Bearer one");
	cr_expect_str_eq(sent(2, "Authorization"), "Bearer two");
	cr_expect_str_eq(sent(1, "X-Request-ID"), sent(2, "X-Request-ID"));
	identity_close(&f);
}

Test(client_token, one_file_for_each_tenant)
{
	ration_response *response;

	identity_init(&f);
	put_file("of-acme", "acme's");
	put_file("of-bolt", "bolt's");
	put_file("secret", "canary");
	set_file("services.api.auth.bearer_file", "of-{tenant}");
	set(&f, "services.api.retry.attempts", "1");
	fixture_open(&f);
	cr_expect_eq(code_with("/hello", "tenant", "acme"), 0);
	cr_expect_eq(code_with("/hello", "tenant", "bolt"), 0);
	cr_expect_eq(code_with("/hello", NULL, NULL), RATION_EKEY);
	response = perform_with("/hello", "tenant", "../secret");
	cr_expect_eq(ration_response_code(response), RATION_EKEY);
	cr_expect(strstr(ration_response_message(response), "auth.bearer_file"), "%s",
		ration_response_message(response));
	cr_expect_eq(ration_response_attempts(response), 0);
	ration_response_free(response);
	cr_expect_eq(code_with("/hello", "tenant", "nobody"), RATION_ETOKEN);
	cr_assert_eq(seen.count, 2, "something was sent without a token");
	cr_expect_str_eq(sent(0, "Authorization"), "Bearer acme's");
	cr_expect_str_eq(sent(1, "Authorization"), "Bearer bolt's");
	identity_close(&f);
}

Test(client_token, the_tenant_of_a_context_chooses_the_file)
{
	ration_context *context = NULL, *acme = NULL;

	identity_init(&f);
	put_file("of-acme", "acme's");
	put_file("of-bolt", "bolt's");
	set_file("services.api.auth.bearer_file", "of-{tenant}");
	fixture_open(&f);
	cr_assert_eq(ration_context_new(NULL, &context), 0);
	cr_assert_eq(ration_context_with(context, RATION_CONTEXT_TENANT, "acme", &acme), 0);
	cr_assert_eq(ration_client_set_context(f.client, acme), 0);
	cr_expect_eq(code_with("/hello", NULL, NULL), 0);
	cr_expect_eq(code_with("/hello", "tenant", "bolt"), 0, "the request's own key wins");
	cr_assert_eq(seen.count, 2);
	cr_expect_str_eq(sent(0, "Authorization"), "Bearer acme's");
	cr_expect_str_eq(sent(1, "Authorization"), "Bearer bolt's");
	ration_context_free(context);
	ration_context_free(acme);
	identity_close(&f);
}

/* ---- a provider ---- */

static struct {
	atomic_int asked, rejected, on_worker;
	atomic_int failures; /* so many calls from now on fail */
	atomic_bool block;   /* until it is false */
	int result;
} provider;

/* "t1", "t2" ...; with its tenant in front when it is asked for one. */
static int provide(void *arg, ration_token_ask *ask)
{
	const char *tenant = ration_token_ask_key(ask, "tenant");
	int number = ++provider.asked;
	char token[64];

	cr_assert_eq(arg, &provider);
	provider.rejected += ration_token_ask_rejected(ask);
	provider.on_worker += ration_client_drain(f.client, 0) == RATION_EWORKER;
	while (provider.block)
		usleep(1000);
	if (provider.failures > 0) {
		provider.failures--;
		return RATION_ETIMEOUT;
	}
	snprintf(token, sizeof(token), "%s%st%d", tenant, *tenant ? "-" : "", number);
	cr_assert_eq(ration_token_ask_set(ask, token), 0);
	return provider.result;
}

static void init_provider(void)
{
	identity_init(&f);
	cr_assert_eq(ration_config_on_token(f.config, "api", provide, &provider), 0);
}

Test(client_token, E20_a_provider_wins_and_is_asked_for_each_attempt)
{
	init_provider();
	set(&f, "services.api.auth.bearer", "static");
	fixture_open(&f);
	f.server.flag = 2;
	cr_expect_eq(get(&f, "/flaky"), 0);
	cr_assert_eq(seen.count, 3);
	cr_expect_str_eq(sent(0, "Authorization"), "Bearer t1");
	cr_expect_str_eq(sent(1, "Authorization"), "Bearer t2");
	cr_expect_str_eq(sent(2, "Authorization"), "Bearer t3");
	cr_expect_eq(provider.on_worker, 0, "it was called on a worker");
	identity_close(&f);
}

Test(client_token, after_a_401_it_is_asked_once_more_if_it_says_so)
{
	ration_response *response;

	init_provider();
	set(&f, "services.api.retry.attempts", "1");
	fixture_open(&f);
	accept_token("Bearer t2");
	cr_expect_eq(get(&f, "/hello"), RATION_EAUTH, "it did not say so");
	cr_expect_eq(provider.asked, 1);
	provider.asked = 0;
	provider.result = RATION_TOKEN_AGAIN;
	response = perform_with("/hello", NULL, NULL);
	cr_expect_eq(ration_response_code(response), 0);
	cr_expect_eq(ration_response_attempts(response), 2);
	ration_response_free(response);
	cr_expect_eq(provider.asked, 2);
	cr_expect_eq(provider.rejected, 1);
	accept_token("Bearer none");
	cr_expect_eq(get(&f, "/hello"), RATION_EAUTH);
	cr_expect_eq(provider.asked, 4, "once, not for ever");
	cr_expect_eq(seen.count, 5);
	identity_close(&f);
}

Test(client_token, no_token_is_retried_as_a_connection_that_failed)
{
	ration_response *response;

	init_provider();
	fixture_open(&f);
	provider.failures = 2;
	response = perform_with("/hello", NULL, NULL);
	cr_expect_eq(ration_response_code(response), 0, "%s", ration_response_message(response));
	cr_expect_eq(provider.asked, 3);
	cr_expect_eq(seen.count, 1);
	ration_response_free(response);
	provider.failures = 100;
	response = perform_with("/hello", NULL, NULL);
	cr_expect_eq(ration_response_code(response), RATION_ETOKEN);
	cr_expect_eq(ration_response_sent(response), 0);
	cr_expect_eq(seen.count, 1, "something was sent without a token");
	ration_response_free(response);
	identity_close(&f);
}

Test(client_token, deadline_and_cancel_end_a_job_that_waits_for_its_token)
{
	ration_response *response = NULL;
	ration_request *request;
	ration_ticket ticket;
	char text[256];

	init_provider();
	fixture_open(&f);
	provider.block = true;
	request = new_request("/hello");
	ration_request_set_deadline(request, 50);
	cr_expect_eq(ration_perform(f.client, request, &response), RATION_EDEADLINE);
	cr_expect_eq(ration_response_sent(response), 0);
	ration_response_free(response);
	ration_request_free(request);
	ticket = submit(&f, "/hello");
	usleep(50 * 1000); /* it most likely waits for its token by then; the answer is the same */
	cr_expect_eq(ration_cancel(f.client, ticket), 0);
	cr_expect_eq(next_code(&f, text, sizeof(text)), RATION_ECANCELLED);
	provider.block = false;
	cr_expect_eq(get(&f, "/hello"), 0);
	cr_expect_eq(seen.count, 1);
	identity_close(&f);
}

static atomic_int ended;

static void count_cancelled(void *arg, ration_response *response)
{
	ended += ration_response_code(response) == RATION_ECANCELLED;
	ration_response_free(response);
	if (ended == 20) /* only now may the provider return */
		provider.block = false;
}

Test(client_token, closing_ends_the_jobs_while_the_provider_blocks_and_waits_for_it)
{
	init_provider();
	fixture_open(&f);
	cr_assert_eq(ration_client_on_done(f.client, count_cancelled, NULL), 0);
	provider.block = true;
	for (int i = 0; i < 20; i++)
		submit(&f, "/hello");
	UNTIL(provider.asked == 1);
	identity_close(&f);
	cr_expect_eq(ended, 20);
	cr_expect_not(provider.block);
}

Test(client_token, many_jobs_of_many_tenants_get_their_own_tokens)
{
	ration_response *response;
	char tenant[16], wanted[32];
	int count = 0;

	init_provider();
	set(&f, "services.api.auth.per", "[tenant]");
	fixture_open(&f);
	for (int i = 0; i < 200; i++) {
		ration_request *request;

		snprintf(tenant, sizeof(tenant), "n%d", i % 7);
		request = new_request("/hello");
		ration_request_set_key(request, "tenant", tenant);
		ration_request_set_header(request, "X-Wants", tenant);
		cr_assert_eq(ration_submit(f.client, request, -1, NULL), 0);
	}
	while (ration_next(f.client, -1, &response) == 0) {
		cr_expect_eq(
			ration_response_code(response), 0, "%s", ration_response_message(response));
		ration_response_free(response);
		count++;
	}
	cr_expect_eq(count, 200);
	cr_assert_eq(seen.count, 200);
	for (int i = 0; i < 200; i++) {
		snprintf(wanted, sizeof(wanted), "Bearer %s-", sent(i, "X-Wants"));
		cr_expect_eq(strncmp(sent(i, "Authorization"), wanted, strlen(wanted)), 0);
	}
	cr_expect_leq(provider.asked, 200);
	identity_close(&f);
}

/* ---- where it does not go ---- */

static char elsewhere[4096];
static char location[128];

static bool record_elsewhere(const struct server_request *request)
{
	snprintf(elsewhere, sizeof(elsewhere), "%s", request->head);
	return server_ok(request, "elsewhere");
}

static bool lead_away(const struct server_request *request)
{
	char answer[256];

	identity_upstream((&(struct server_request){
		.fd = -1, .head = request->head, .server = request->server}));
	if (strstr(request->head, " /near"))
		return server_ok(request, "near");
	snprintf(answer, sizeof(answer),
		"HTTP/1.1 307 Elsewhere\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", location);
	return server_say(request->fd, answer);
}

Test(client_token, no_token_leaves_its_origin)
{
	ration_context *context = NULL, *acme = NULL;
	struct server other;

	init_provider();
	f.server.script = lead_away;
	server_start(&other, record_elsewhere);
	set(&f, "services.api.response.redirects", "any");
	set(&f, "services.api.headers.X-Api-Key", "k3y");
	fixture_open(&f);
	cr_assert_eq(ration_context_new("r-1", &context), 0);
	cr_assert_eq(ration_context_with(context, RATION_CONTEXT_TENANT, "acme", &acme), 0);
	cr_assert_eq(ration_client_set_context(f.client, acme), 0);
	snprintf(location, sizeof(location), "http://127.0.0.1:%d/far", other.port);
	cr_expect_eq(get(&f, "/go"), 0);
	cr_expect_str_eq(sent(0, "Authorization"), "Bearer t1");
	cr_expect_eq(provider.asked, 1, "asked for another origin");
	cr_assert(strstr(elsewhere, "/far"));
	cr_expect_null(header_in(elsewhere, "Authorization"), "%s", elsewhere);
	cr_expect_null(header_in(elsewhere, "X-Api-Key"), "%s", elsewhere);
	cr_expect_null(header_in(elsewhere, "X-Tenant-Id"), "%s", elsewhere);
	cr_expect_str_eq(header_in(elsewhere, "X-Request-Id"), "r-1");
	/* within the origin it goes along, asked for anew */
	strcpy(location, "/near");
	cr_expect_eq(get(&f, "/go"), 0);
	cr_assert_eq(seen.count, 3);
	cr_expect_str_eq(sent(2, "Authorization"), "Bearer t3");
	ration_context_free(context);
	ration_context_free(acme);
	server_stop(&other);
	identity_close(&f);
}

/* ---- what is said of it ---- */

static char told[1 << 16];
static pthread_mutex_t told_mutex = PTHREAD_MUTEX_INITIALIZER;

static void tell(const char *text)
{
	pthread_mutex_lock(&told_mutex);
	if (strlen(told) + strlen(text) + 2 < sizeof(told))
		strcat(strcat(told, text), "\n");
	pthread_mutex_unlock(&told_mutex);
}

static void take_log(void *arg, enum ration_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	tell(text);
}

static void tell_response(ration_response *response)
{
	char *text = NULL;

	tell(ration_response_line(response));
	tell(ration_response_message(response));
	tell(ration_response_url(response));
	if (ration_response_debug(response, &text) == 0)
		tell(text);
	ration_free(text);
	text = NULL;
	if (ration_response_error(response, &text) == 0)
		tell(text);
	ration_free(text);
	ration_response_free(response);
}

static int provide_canary(void *arg, ration_token_ask *ask)
{
	(void)arg;
	cr_assert_eq(ration_token_ask_set(ask, provider.asked++ % 2 ? "canary1" : "canary2"), 0);
	return RATION_TOKEN_AGAIN;
}

Test(client_token, nothing_of_a_token_is_told)
{
	static const char *const sources[] = {"bearer", "bearer_file", "basic_file", "provider"};
	char *text, setting[64];

	for (int i = 0; i < 4; i++) {
		identity_init(&f);
		put_file("token", i == 2 ? "canary:canary\n" : "canary3\n");
		ration_config_on_log(f.config, take_log, NULL);
		set(&f, "log.level", "debug");
		snprintf(setting, sizeof(setting), "services.api.auth.%s", sources[i]);
		if (i == 0)
			set(&f, setting, "canary4");
		else if (i < 3)
			set_file(setting, "token");
		else
			ration_config_on_token(f.config, "api", provide_canary, NULL);
		text = NULL;
		cr_assert_eq(ration_config_dump(f.config, &text, NULL), 0);
		tell(text);
		ration_free(text);
		fixture_open(&f);
		tell_response(perform_with("/hello", NULL, NULL));
		tell_response(perform_with("/s/500", NULL, NULL));
		accept_token("Bearer none");
		if (i == 1 || i == 2)
			put_file("token", i == 2 ? "canary:canary5\n" : "canary6\n");
		tell_response(perform_with("/hello", NULL, NULL));
		accept_token("");
		text = NULL;
		cr_assert_eq(ration_inspect(f.config, "", &text, NULL), 0);
		tell(text);
		ration_free(text);
		cr_assert_geq(seen.count, 3);
		cr_expect(
			strstr(seen.heads[0], "canary") || strstr(seen.heads[0], "Basic Y2FuYXJ5"),
			"it was not even sent");
		identity_close(&f);
	}
	cr_expect_null(strcasestr(told, "canary"), "%s", strcasestr(told, "canary"));
	cr_expect_null(strstr(told, "Y2FuYXJ5"), "%s", strstr(told, "Y2FuYXJ5"));
	cr_expect(strlen(told) > 1000, "nothing was told at all");
}
