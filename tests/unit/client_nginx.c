/* A whole client against nginx: TLS with a client certificate, HTTP/1.1 and 2, its redirects. */
#include "client_fixture.h"
#include "http_peer.h"

TestSuite(client_nginx, .fini = check_leaks, .timeout = 60);

static struct fixture f;
static struct kit kit;
static struct peer peer;

/* Behind nginx: says what came. */
static bool echo(const struct server_request *request)
{
	char text[256];

	snprintf(text, sizeof(text), "%.*s %.*s", (int)strcspn(request->head, " "), request->head,
		(int)request->body_length, request->body ? request->body : "");
	return server_ok(request, text);
}

static void begin(const char *version)
{
	char conf[1024], uri[64];

	fixture_init(&f);
	f.server.script = echo;
	kit_init(&kit);
	snprintf(conf, sizeof(conf),
		"ssl_verify_client on; ssl_client_certificate %s; "
		"location = /for-now { return 307 /echo; } "
		"location = /for-good { return 308 https://localhost:$server_port/echo; } "
		"location = /away { return 308 https://127.0.0.1:$server_port/echo; } "
		"location = /echo { proxy_pass http://127.0.0.1:%d; }",
		kit_path(&kit, "ca.pem"), f.server.port);
	peer_nginx(&peer, &kit, "ssl http2", conf);
	snprintf(uri, sizeof(uri), "https://localhost:%d", peer.port);
	set(&f, "workers.threads", "1"); /* each has connections of its own */
	set(&f, "services.api.uris", uri);
	set(&f, "services.api.tls.ca", kit_path(&kit, "ca.pem"));
	set(&f, "services.api.tls.cert", kit_path(&kit, "alice.pem"));
	set(&f, "services.api.tls.key", kit_path(&kit, "alice.key"));
	set(&f, "services.api.connections.http", version);
	fixture_open(&f);
}

static void finish(void)
{
	fixture_close(&f);
	peer_stop(&peer);
	kit_fini(&kit);
}

static ration_response *post(const char *path)
{
	ration_request *request = ration_request_new("api", "POST", path);
	ration_response *response = NULL;

	cr_assert(request);
	cr_assert_eq(ration_request_set_body(request, "hello", 5, "text/plain"), 0);
	ration_perform(f.client, request, &response);
	cr_assert(response);
	ration_request_free(request);
	return response;
}

static void expect_the_same_again(const char *path)
{
	ration_response *response = post(path);
	size_t length;

	cr_expect_eq(ration_response_code(response), 0, "%s", ration_response_message(response));
	cr_expect_str_eq((const char *)ration_response_body(response, &length), "POST hello");
	cr_expect_eq(ration_response_attempts(response), 2);
	ration_response_free(response);
}

/* 307 and 308 keep method and body; the whole service needs one connection and one handshake. */
static void redirects(const char *version)
{
	struct ration_counts c;

	begin(version);
	expect_the_same_again("/for-now");
	expect_the_same_again("/for-good");
	c = counts(&f);
	cr_expect_eq(c.connects, 1);
	cr_expect_eq(c.tls_handshakes, 1);
	finish();
}

Test(client_nginx, E13_E14_E22_redirects_with_a_client_certificate)
{
	redirects("1.1");
}

Test(client_nginx, E13_E14_E21_redirects_over_http_2)
{
	redirects("2");
}

/* The same server by another name is another origin. */
Test(client_nginx, a_redirect_by_another_name_is_refused)
{
	ration_response *response;

	begin("1.1");
	response = post("/away");
	cr_expect_eq(ration_response_code(response), RATION_EREDIRECT);
	cr_expect_eq(atomic_load(&f.server.requests), 0);
	ration_response_free(response);
	finish();
}
