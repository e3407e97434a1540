/* Redirects that are followed: each hop a send of its own, decided anew, counted as no retry. */
#include "client_fixture.h"

TestSuite(client_redirect, .fini = check_leaks, .timeout = 60);

static struct fixture f;
static struct server other; /* a foreign origin */
static char heads[8192];    /* what both were asked, one request after the other */

static void note_head(const struct server_request *request)
{
	pthread_mutex_lock(&f.mutex);
	if (strlen(heads) + strlen(request->head) + request->body_length + 64 < sizeof(heads)) {
		sprintf(heads + strlen(heads), "%s%.*s\n--\n", request->head,
			(int)request->body_length, request->body ? request->body : "");
	}
	pthread_mutex_unlock(&f.mutex);
}

/*
 *     /to/STATUS/REST     that status, Location: /REST
 *     /wait/REST          302 with Retry-After: 1
 *     /away/STATUS        to the other server's /back/STATUS
 *     /back/STATUS        to this server's /home, absolute
 *     /chain/N            to /chain/N-1, relative; the last answers
 *     /far/PATH           to the other server's /PATH
 *     /busy               429 with Retry-After: 1
 *     /loop               to itself
 *     /bad                a Location that is none
 */
static bool upstream_redirect(const struct server_request *request)
{
	const char *to = path_number(request->head, " /to/");
	const char *chain = path_number(request->head, " /chain/");
	const char *away = path_number(request->head, " /away/");
	const char *back = path_number(request->head, " /back/");
	const char *wait = path_number(request->head, " /wait/");
	const char *far = path_number(request->head, " /far/");
	char location[256] = "", more[32] = "", answer[512];
	int status = 302;

	note_head(request);
	if (to) {
		status = atoi(to);
		snprintf(location, sizeof(location), "%.*s", (int)strcspn(to + 3, " "), to + 3);
	} else if (wait) {
		snprintf(location, sizeof(location), "/%.*s", (int)strcspn(wait, " "), wait);
		strcpy(more, "Retry-After: 1\r\n");
	} else if (chain && atoi(chain) > 0) {
		snprintf(location, sizeof(location), "../chain/./%d", atoi(chain) - 1);
	} else if (away) {
		status = atoi(away);
		snprintf(location, sizeof(location), "http://127.0.0.1:%d/back/%d", other.port,
			status);
	} else if (back) {
		status = atoi(back);
		snprintf(location, sizeof(location), "http://127.0.0.1:%d/home", f.server.port);
	} else if (far) {
		snprintf(location, sizeof(location), "http://127.0.0.1:%d/%.*s", other.port,
			(int)strcspn(far, " "), far);
	} else if (path_number(request->head, " /busy")) {
		return server_say(request->fd, "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\n"
					       "Content-Length: 0\r\n\r\n");
	} else if (path_number(request->head, " /loop")) {
		strcpy(location, "/loop");
	} else if (path_number(request->head, " /bad")) {
		strcpy(location, "http://user@127.0.0.1/");
	} else {
		return upstream(request);
	}
	note_request(request->head);
	snprintf(answer, sizeof(answer),
		"HTTP/1.1 %d Moved\r\nLocation: %s\r\n%sContent-Length: 3\r\n\r\nno\n", status,
		location, more);
	return server_say(request->fd, answer);
}

static void init(void)
{
	fixture_init(&f);
	heads[0] = '\0';
	f.server.script = upstream_redirect;
	server_start(&other, upstream_redirect);
	set(&f, "workers.threads", "1");
	set(&f, "services.api.timeouts.total", "20s");
}

static void fini(void)
{
	ration_client_close(f.client);
	f.client = NULL;
	server_stop(&other);
	fixture_close(&f);
}

static ration_response *perform(ration_request *request)
{
	ration_response *response = NULL;

	ration_perform(f.client, request, &response);
	cr_assert(response);
	ration_request_free(request);
	return response;
}

static ration_response *ask(const char *method, const char *path)
{
	return perform(ration_request_new("api", method, path));
}

/* The n-th request, from 0, with its body. */
static const char *head_of(int n)
{
	static char out[4096];
	const char *at = heads, *end;

	while (n-- > 0) {
		at = strstr(at, "\n--\n");
		cr_assert(at);
		at += 4;
	}
	end = strstr(at, "\n--\n");
	cr_assert(end);
	snprintf(out, sizeof(out), "%.*s", (int)(end - at), at);
	return out;
}

static void expect_log(const char *want)
{
	cr_expect_str_eq(f.log, want);
}

/* ---- methods and bodies ---- */

Test(client_redirect, E13_E14_same_method_and_body)
{
	static const char *const paths[] = {"/to/308/echo", "/to/307/echo"};

	for (int i = 0; i < 2; i++) {
		ration_request *request = ration_request_new("api", "POST", paths[i]);
		ration_response *r;

		init();
		fixture_open(&f);
		cr_assert_eq(ration_request_set_body(request, "hello", 5, "text/plain"), 0);
		r = perform(request);
		cr_expect_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
		cr_expect_eq(
			strncmp(head_of(1), "POST /echo HTTP/1.1\r\n", 21), 0, "%s", head_of(1));
		cr_expect(strstr(head_of(1), "Content-Type: text/plain\r\n"));
		cr_expect(strstr(head_of(1), "\r\n\r\nhello"));
		cr_expect(strstr(ration_response_url(r), "/echo"));
		ration_response_free(r);
		fini();
	}
}

Test(client_redirect, X14_301_302_303_make_a_post_a_get)
{
	static const char *const paths[] = {"/to/301/echo", "/to/302/echo", "/to/303/echo"};

	for (int i = 0; i < 3; i++) {
		ration_request *request = ration_request_new("api", "POST", paths[i]);
		ration_response *r;

		init();
		fixture_open(&f);
		cr_assert_eq(ration_request_set_body(request, "hello", 5, "text/plain"), 0);
		r = perform(request);
		cr_expect_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
		cr_expect_eq(
			strncmp(head_of(1), "GET /echo HTTP/1.1\r\n", 20), 0, "%s", head_of(1));
		cr_expect_not(strcasestr(head_of(1), "\ncontent-"), "%s", head_of(1));
		cr_expect_not(strstr(head_of(1), "hello"));
		ration_response_free(r);
		fini();
	}
}

/* ---- how it counts ---- */

Test(client_redirect, X14_hops_are_sends_but_no_retries)
{
	ration_response *r;
	const char *line;
	int status;

	init();
	set(&f, "services.api.retry.attempts", "1");
	fixture_open(&f);
	r = ask("GET", "/chain/3");
	cr_expect_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
	cr_expect_eq(ration_response_attempts(r), 4);
	cr_assert_eq(ration_response_attempt(r, 0, NULL, NULL, &status, NULL), 0);
	cr_expect_eq(status, 302);
	line = ration_response_line(r);
	for (int i = 0; i < 3; i++) {
		line = strstr(line, "\"redirected\":true");
		cr_assert(line);
		line += strlen("\"redirected\"");
	}
	cr_expect_not(strstr(line, "redirected"), "the last one was not");
	ration_response_free(r);
	expect_log("/chain/3\n/chain/2\n/chain/1\n/chain/0\n");
	/* what follows may still be retried: two sends and a hop each */
	f.server.flag = 1;
	r = ask("GET", "/to/302/flaky");
	cr_expect_eq(ration_response_code(r), RATION_EUNAVAILABLE);
	cr_expect_eq(ration_response_exhausted(r), RATION_EXHAUSTED_NOT);
	ration_response_free(r);
	fini();
}

Test(client_redirect, each_hop_is_governed)
{
	ration_response *r;

	init();
	set(&f, "services.api.limits.few.max", "2");
	set(&f, "services.api.limits.few.window", "1h");
	fixture_open(&f);
	r = ask("GET", "/chain/3");
	cr_expect_gt(ration_response_code(r), 0, "%s", ration_response_message(r));
	cr_expect_eq(ration_response_attempts(r), 2);
	cr_expect(strstr(ration_response_message(r), "few"), "%s", ration_response_message(r));
	ration_response_free(r);
	expect_log("/chain/3\n/chain/2\n");
	fini();
}

Test(client_redirect, a_hop_wins_nothing_back_for_the_retry_budget)
{
	ration_response *r;

	init();
	set(&f, "services.api.retry.budget.capacity", "14");
	set(&f, "services.api.retry.attempts", "9");
	fixture_open(&f);
	r = ask("GET", "/to/307/s/503");
	cr_expect_eq(ration_response_exhausted(r), RATION_EXHAUSTED_BUDGET, "%s",
		ration_response_message(r));
	cr_expect_eq(ration_response_attempts(r), 6, "two retries at 5, of two sends each");
	ration_response_free(r);
	fini();
}

Test(client_redirect, X14_308_pins_retries_and_307_does_not)
{
	ration_response *r;

	init();
	fixture_open(&f);
	f.server.flag = 2;
	r = ask("GET", "/to/308/flaky");
	cr_expect_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
	ration_response_free(r);
	expect_log("/to/308/flaky\n/flaky\n/flaky\n/flaky\n");
	f.log[0] = '\0';
	f.server.flag = 1;
	r = ask("GET", "/to/307/flaky");
	cr_expect_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
	cr_expect_eq(ration_response_attempts(r), 4);
	ration_response_free(r);
	expect_log("/to/307/flaky\n/flaky\n/to/307/flaky\n/flaky\n");
	fini();
}

Test(client_redirect, what_was_done_is_not_done_again)
{
	ration_response *r;

	init();
	set(&f, "services.api.retry.throttle.first", "1ms");
	fixture_open(&f);
	f.server.flag = 1;
	r = ask("POST", "/to/303/flaky");
	cr_expect_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
	cr_expect_eq(ration_response_attempts(r), 3);
	ration_response_free(r);
	expect_log("/to/303/flaky\n/flaky\n/flaky\n");
	f.log[0] = '\0';
	r = ask("POST", "/to/302/s/429");
	cr_expect_eq(ration_response_code(r), RATION_ETHROTTLED);
	ration_response_free(r);
	cr_expect_not(strstr(f.log + 1, "/to/"), "%s", f.log);
	f.log[0] = '\0';
	r = ask("POST", "/to/307/s/503"); /* which was not done, nor may it be twice */
	cr_expect_eq(ration_response_code(r), RATION_EUNAVAILABLE);
	ration_response_free(r);
	expect_log("/to/307/s/503\n/s/503\n");
	fini();
}

/* ---- time ---- */

Test(client_redirect, deadline_and_cancel_hold_in_between)
{
	ration_request *request = ration_request_new("api", "GET", "/to/302/hang");
	ration_ticket ticket;
	ration_response *r;
	char text[256];

	init();
	fixture_open(&f);
	ration_request_set_deadline(request, 200);
	r = perform(request);
	cr_expect_eq(ration_response_code(r), RATION_EDEADLINE, "%s", ration_response_message(r));
	cr_expect_eq(ration_response_attempts(r), 2);
	ration_response_free(r);
	ticket = submit(&f, "/to/302/hang");
	UNTIL(f.server.requests == 4);
	cr_assert_eq(ration_cancel(f.client, ticket), 0);
	cr_expect_eq(next_code(&f, text, sizeof(text)), RATION_ECANCELLED);
	fini();
}

Test(client_redirect, retry_after_of_a_redirect_is_its_own)
{
	ration_request *request;
	ration_response *r;

	init();
	fixture_open(&f);
	r = ask("GET", "/wait/echo");
	cr_expect_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
	cr_expect_geq(ration_response_wait_ms(r, "retry"), 900);
	ration_response_free(r);
	/* the service is not stopped by it */
	request = ration_request_new("api", "GET", "/wait/echo");
	ration_request_set_deadline(request, 700);
	r = perform(request);
	cr_expect_eq(ration_response_code(r), RATION_EREDIRECT, "%s", ration_response_message(r));
	cr_expect(strstr(ration_response_message(r), "deadline"), "%s", ration_response_message(r));
	ration_response_free(r);
	r = ask("GET", "/echo");
	cr_expect_eq(ration_response_wait_ms(r, "cooldown"), 0);
	ration_response_free(r);
	fini();
}

/* ---- where to ---- */

Test(client_redirect, a_foreign_429_is_not_the_services)
{
	ration_response *r;

	init();
	set(&f, "services.api.response.redirects", "any");
	set(&f, "services.api.retry.throttled_attempts", "1");
	fixture_open(&f);
	r = ask("GET", "/far/busy");
	cr_expect_eq(ration_response_code(r), RATION_ETHROTTLED, "%s", ration_response_message(r));
	ration_response_free(r);
	r = ask("GET", "/echo");
	cr_expect_eq(ration_response_wait_ms(r, "cooldown"), 0);
	ration_response_free(r);
	r = ask("GET", "/busy");
	ration_response_free(r);
	r = ask("GET", "/echo"); /* as its own is */
	cr_expect_gt(ration_response_wait_ms(r, "cooldown"), 0, "%s", ration_response_line(r));
	ration_response_free(r);
	fini();
}

static ration_request *with_credentials(const char *path)
{
	ration_request *request = ration_request_new("api", "GET", path);

	cr_assert_eq(ration_request_set_header(request, "Authorization", "Bearer secret-1"), 0);
	cr_assert_eq(ration_request_set_header(request, "Cookie", "secret-2"), 0);
	cr_assert_eq(ration_request_set_header(request, "X-Api-Key", "secret-3"), 0);
	cr_assert_eq(ration_request_set_header(request, "X-Other", "secret-4"), 0);
	cr_assert_eq(ration_request_set_header(request, "Accept", "text/plain"), 0);
	cr_assert_eq(ration_request_set_header(request, "X-Request-ID", "trace-me"), 0);
	return request;
}

Test(client_redirect, X14_credentials_stay_at_their_origin)
{
	ration_response *r;

	init();
	set(&f, "services.api.response.redirects", "any");
	set(&f, "services.api.headers.X-Service", "secret-5");
	set(&f, "services.api.auth.header", "X-Auth");
	set(&f, "services.api.auth.bearer", "secret-6");
	fixture_open(&f);
	r = perform(with_credentials("/away/307"));
	cr_expect_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
	cr_expect_eq(ration_response_attempts(r), 3);
	ration_response_free(r);
	for (int i = 1; i <= 6; i++) {
		char secret[24];

		snprintf(secret, sizeof(secret), "secret-%d", i);
		cr_expect(strstr(head_of(0), secret), "%s: %s", secret, head_of(0));
		cr_expect_not(strstr(head_of(1), secret), "%s", head_of(1));
		cr_expect_not(
			strstr(head_of(2), secret), "also when it comes back: %s", head_of(2));
	}
	cr_expect_eq(strncmp(head_of(1), "GET /back/307", 13), 0);
	cr_expect_eq(strncmp(head_of(2), "GET /home", 9), 0);
	cr_expect(strstr(head_of(1), "Accept: text/plain\r\n"));
	cr_expect(strstr(head_of(1), "X-Request-ID: trace-me\r\n"));
	cr_expect(strcasestr(head_of(1), "User-Agent: "));
	fini();
}

Test(client_redirect, E13_to_another_node_as_to_the_same)
{
	char uris[128];
	ration_response *r;
	const char *node;

	init();
	snprintf(uris, sizeof(uris), "http://127.0.0.1:%d, http://127.0.0.1:%d", f.server.port,
		other.port);
	set(&f, "services.api.uris", uris);
	set(&f, "services.api.nodes.strategy", "pin");
	set(&f, "services.api.auth.bearer", "secret-6");
	fixture_open(&f);
	r = ask("POST", "/away/308");
	cr_expect_eq(ration_response_code(r), 0, "%s", ration_response_message(r));
	cr_expect_eq(ration_response_attempts(r), 3);
	cr_assert_eq(ration_response_attempt(r, 1, &node, NULL, NULL, NULL), 0);
	snprintf(uris, sizeof(uris), "http://127.0.0.1:%d", other.port);
	cr_expect_str_eq(node, uris);
	for (int i = 0; i < 3; i++)
		cr_expect(
			strstr(head_of(i), "Authorization: Bearer secret-6\r\n"), "%s", head_of(i));
	cr_expect_eq(strncmp(head_of(1), "POST /back/308", 14), 0);
	cr_expect_eq(strncmp(head_of(2), "POST /home", 10), 0);
	ration_response_free(r);
	fini();
}

static void expect_refused(const char *path, const char *why, int attempts)
{
	ration_response *r = ask("GET", path);

	cr_expect_eq(ration_response_code(r), RATION_EREDIRECT, "%s: %s", path,
		ration_response_message(r));
	cr_expect(strstr(ration_response_message(r), why), "%s: %s", path,
		ration_response_message(r));
	cr_expect(strstr(ration_response_line(r), "\"outcome\":\"failed\""));
	cr_expect_eq(ration_response_attempts(r), attempts, "%s", path);
	cr_expect_eq(ration_response_status(r), 302, "%s", path);
	ration_response_free(r);
}

Test(client_redirect, a_refused_one_says_why)
{
	ration_response *r;

	init();
	fixture_open(&f);
	expect_refused("/away/302", "to another origin", 1);
	cr_expect_eq(other.requests, 0);
	expect_refused("/loop", "leads back", 1);
	expect_refused("/bad", "user information", 1);
	expect_refused("/chain/21", "too many", 21);
	r = ask("GET", "/chain/20");
	cr_expect_eq(ration_response_code(r), 0, "twenty are not too many");
	ration_response_free(r);
	r = ask("GET", "/s/304");
	cr_expect_eq(ration_response_code(r), RATION_ESTATUS, "304 leads nowhere");
	ration_response_free(r);
	fini();
	init();
	set(&f, "services.api.response.redirects", "none");
	set(&f, "services.api.response.accept", "[2xx, 301]");
	fixture_open(&f);
	expect_refused("/to/302/echo", "not followed", 1);
	r = ask("GET", "/to/301/echo");
	cr_expect_eq(ration_response_code(r), 0, "accepted as it is");
	cr_expect_eq(ration_response_status(r), 301);
	ration_response_free(r);
	fini();
}
