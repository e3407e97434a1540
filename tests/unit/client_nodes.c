/* Services with several nodes, through the public face: two servers of the test's own. */
#include <errno.h>
#include <sys/stat.h>
#include "client_fixture.h"

TestSuite(client_nodes, .fini = check_leaks, .timeout = 60);

static struct fixture f;
static struct server other;
static char said[64][512]; /* the log */
static atomic_int lines;
static pthread_mutex_t said_mutex = PTHREAD_MUTEX_INITIALIZER;

static void keep(void *arg, enum ration_log_level level, const char *text)
{
	pthread_mutex_lock(&said_mutex);
	if (lines < 64)
		snprintf(said[lines++], sizeof(said[0]), "%d %s", (int)level, text);
	pthread_mutex_unlock(&said_mutex);
}

static bool find_said(const char *text)
{
	bool found = false;

	pthread_mutex_lock(&said_mutex);
	for (int i = 0; i < lines; i++)
		found |= strstr(said[i], text) != NULL;
	pthread_mutex_unlock(&said_mutex);
	return found;
}

static bool busy_for_a_minute; /* says every answer that is no success */

/* flag: the status that it answers with; 0: 200; 1: no answer at all; 2: 200, and no more. */
static bool answer(const struct server_request *request)
{
	int status = request->server->flag;
	char text[160];

	if (status == 1)
		return false;
	if (!status)
		return server_ok(request, "ok");
	if (status == 2)
		return server_say(request->fd, "HTTP/1.1 200 OK\r\nRateLimit: \"a\";r=0;t=60\r\n"
					       "Content-Length: 0\r\n\r\n");
	snprintf(text, sizeof(text), "HTTP/1.1 %d Status\r\n%sContent-Length: 0\r\n\r\n", status,
		status == 429 || busy_for_a_minute ? "Retry-After: 60\r\n" : "");
	return server_say(request->fd, text);
}

/* A port on which nobody listens, at the moment. */
static int dead_port(void)
{
	struct server none;

	server_start(&none, answer);
	server_stop(&none);
	return none.port;
}

static void set_uris(int first, int second)
{
	char uris[128];

	snprintf(uris, sizeof(uris), "http://127.0.0.1:%d, http://localhost:%d", first, second);
	set(&f, "services.api.uris", uris);
}

static void open_two(void)
{
	fixture_init(&f);
	f.server.script = answer;
	server_start(&other, answer);
	set_uris(f.server.port, other.port);
	ration_config_on_log(f.config, keep, NULL);
}

static void close_two(void)
{
	fixture_close(&f);
	server_stop(&other);
}

static void get_many(int n)
{
	for (int i = 0; i < n; i++)
		cr_assert_eq(get(&f, "/x"), 0);
}

/* ---- strategies ---- */

Test(client_nodes, E16_round_robin)
{
	open_two();
	fixture_open(&f);
	for (int i = 0; i < 100; i++)
		submit(&f, "/x");
	cr_assert_eq(ration_client_drain(f.client, 20000), 0);
	cr_assert_eq(f.server.requests, 50);
	cr_assert_eq(other.requests, 50);
	close_two();
}

Test(client_nodes, pinned_until_an_error)
{
	struct server *pinned, *next;

	open_two();
	set(&f, "services.api.nodes.strategy", "pin");
	fixture_open(&f);
	get_many(10);
	pinned = f.server.requests ? &f.server : &other;
	next = pinned == &other ? &f.server : &other;
	cr_assert_eq(pinned->requests, 10);
	pinned->flag = 503;
	get_many(1);
	pinned->flag = 0;
	get_many(10);
	cr_assert_eq(pinned->requests, 11);
	cr_assert_eq(next->requests, 11);
	close_two();
}

/* ---- another node ---- */

Test(client_nodes, E12_and_E17_after_503_another_node_and_the_first_is_avoided)
{
	open_two();
	other.flag = 503;
	fixture_open(&f);
	get_many(10);
	cr_assert_eq(other.requests, 1);
	cr_assert_eq(f.server.requests, 10);
	cr_assert(find_said("1 service api: node http://localhost:"));
	close_two();
}

Test(client_nodes, E11_and_X8_after_429_another_node_while_it_cools)
{
	open_two();
	other.flag = 429;
	fixture_open(&f);
	get_many(10);
	cr_assert_eq(other.requests, 1, "it asked for a minute");
	cr_assert_eq(f.server.requests, 10);
	cr_assert_not(find_said("node"), "that is no failure");
	close_two();
}

Test(client_nodes, a_node_that_has_no_more_is_left_alone_and_the_others_go_on)
{
	open_two();
	set(&f, "services.api.timeouts.total", "1s");
	other.flag = 2;
	fixture_open(&f);
	get_many(10);
	cr_assert_eq(other.requests, 1, "it asked for a minute");
	cr_assert_eq(f.server.requests, 10 - 1);
	cr_assert_not(find_said("node"), "that is no failure");
	f.server.flag = 2;
	cr_assert_eq(get(&f, "/x"), 0);
	cr_assert_neq(get(&f, "/x"), 0);
	cr_assert_eq(f.server.requests, 10, "now it is both of them");
	close_two();
}

/* The next node is not the one that spoke: a job goes there after its backoff alone, and nobody
 * comes back before the time that was named, although a probe would be due. */
Test(client_nodes, E12_a_503_with_retry_after_cools_its_node)
{
	open_two();
	set(&f, "services.api.nodes.recover_after", "50ms");
	set(&f, "services.api.timeouts.total", "30s");
	busy_for_a_minute = true;
	other.flag = 503;
	fixture_open(&f);
	get_many(10);
	cr_assert_eq(other.requests, 1);
	usleep(100 * 1000);
	get_many(10);
	cr_assert_eq(other.requests, 1, "it asked for a minute");
	cr_assert_eq(f.server.requests, 20);
	f.server.flag = 503;
	cr_assert_neq(get(&f, "/x"), 0);
	cr_assert_neq(get(&f, "/x"), 0);
	cr_assert_eq(f.server.requests, 21, "now it is both of them");
	cr_assert_eq(other.requests, 1);
	close_two();
}

Test(client_nodes, X5_what_was_not_sent_goes_to_another_node_at_once)
{
	int dead = dead_port();
	ration_request *request;
	ration_response *response = NULL;

	open_two();
	set_uris(dead, other.port);
	set(&f, "services.api.retry.backoff.first", "60s"); /* that would be seen */
	set(&f, "services.api.retry.backoff.max", "60s");
	set(&f, "services.api.timeouts.total", "30s");
	fixture_open(&f);
	for (int i = 0; i < 4; i++) {
		request = ration_request_new("api", "POST", "/x");
		cr_assert(request);
		cr_assert_eq(ration_perform(f.client, request, &response), 0);
		ration_request_free(request);
		ration_response_free(response);
	}
	cr_assert_eq(other.requests, 4);
	close_two();
}

Test(client_nodes, E19_all_unhealthy_and_still_asked)
{
	open_two();
	f.server.flag = other.flag = 500;
	set(&f, "services.api.retry.attempts", "1");
	set(&f, "services.api.breaker.trip_after", "off");
	fixture_open(&f);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(get(&f, "/x"), RATION_ESERVER);
	cr_assert_eq(f.server.requests, 5, "in turns: the one that failed longest ago");
	cr_assert_eq(other.requests, 5);
	f.server.flag = other.flag = 0;
	get_many(10);
	cr_assert_eq(f.server.requests + other.requests, 20);
	close_two();
}

/* Each client is told by the store what the other saw. */
Test(client_nodes, E17_health_is_the_fleets)
{
	ration_client *second;

	open_two();
	other.flag = 503;
	fixture_open(&f);
	cr_assert_eq(ration_client_open(f.config, &second, NULL), 0);
	get_many(2);
	cr_assert_eq(other.requests, 1);
	for (int i = 0; i < 10; i++) {
		ration_response *response = NULL;

		cr_assert_eq(ration_get(second, "api", "/x", &response), 0);
		ration_response_free(response);
	}
	cr_assert_eq(other.requests, 1);
	ration_client_close(second);
	close_two();
}

Test(client_nodes, E18_a_probe_that_succeeds_brings_it_back)
{
	int before;

	open_two();
	set(&f, "services.api.nodes.recover_after", "50ms");
	other.flag = 503;
	fixture_open(&f);
	UNTIL((get_many(1), other.requests >= 3)); /* the first one, and probes */
	other.flag = 0;
	UNTIL((get_many(1), find_said("2 service api: node http://localhost:")));
	before = other.requests;
	get_many(10);
	cr_assert_eq(other.requests, before + 5);
	close_two();
}

/* ---- absolute URLs ---- */

static int get_at(const char *host, int port)
{
	char url[64];

	snprintf(url, sizeof(url), "http://%s:%d/x", host, port);
	return get(&f, url);
}

Test(client_nodes, R2_absolute_url_goes_to_its_node_and_nowhere_else)
{
	ration_response *response = NULL;
	char url[64];

	open_two();
	fixture_open(&f);
	for (int i = 0; i < 6; i++)
		cr_assert_eq(get_at("localhost", other.port), 0);
	cr_assert_eq(other.requests, 6);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(get_at("127.0.0.1", f.server.port), 0);
	cr_assert_eq(f.server.requests, 5);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/x", other.port); /* another name for it */
	cr_assert_eq(ration_get(f.client, "api", url, &response), RATION_EURL);
	ration_response_free(response);
	cr_assert_eq(other.requests, 6);
	close_two();
}

Test(client_nodes, absolute_url_stays_with_its_node_when_that_fails)
{
	open_two();
	set(&f, "services.api.retry.attempts", "3");
	other.flag = 503;
	fixture_open(&f);
	cr_assert_eq(get_at("localhost", other.port), RATION_EUNAVAILABLE);
	cr_assert_eq(other.requests, 3);
	cr_assert_eq(f.server.requests, 0);
	close_two();
}

/* ---- a file of URIs ---- */

static char uri_file[96];

static void write_uris(const char *text)
{
	char temporary[104];
	FILE *file;

	snprintf(temporary, sizeof(temporary), "%s.new", uri_file);
	file = fopen(temporary, "w");
	cr_assert(file);
	fputs(text, file);
	cr_assert_eq(fclose(file), 0);
	cr_assert_eq(rename(temporary, uri_file), 0);
}

static void open_filed(void)
{
	char text[256];

	fixture_init(&f);
	f.server.script = answer;
	server_start(&other, answer);
	ration_config_free(f.config);
	f.config = ration_config_new();
	cr_assert(f.config);
	ration_config_on_log(f.config, keep, NULL);
	snprintf(uri_file, sizeof(uri_file), "%s-uris", f.store);
	snprintf(text, sizeof(text), "# the first\n\nhttp://127.0.0.1:%d/\n", f.server.port);
	write_uris(text);
	set(&f, "store.path", f.store);
	set(&f, "workers.threads", "2");
	set(&f, "services.api.uri_file", uri_file);
	fixture_open(&f);
}

static void close_filed(void)
{
	unlink(uri_file);
	close_two();
}

Test(client_nodes, E23_uri_file_takes_effect_live)
{
	char text[256];

	open_filed();
	get_many(10);
	cr_assert_eq(f.server.requests, 10);
	snprintf(text, sizeof(text), "http://127.0.0.1:%d # the first\r\nhttp://localhost:%d\n",
		f.server.port, other.port);
	write_uris(text);
	UNTIL(find_said("2 service api: 2 nodes from "));
	get_many(20);
	cr_assert_eq(f.server.requests, 20);
	cr_assert_eq(other.requests, 10);
	snprintf(text, sizeof(text), "http://localhost:%d\n", other.port);
	write_uris(text);
	UNTIL(find_said("2 service api: 1 nodes from "));
	get_many(10);
	cr_assert_eq(f.server.requests, 20);
	close_filed();
}

Test(client_nodes, E23_broken_uri_file_leaves_the_last_good_list)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"http://127.0.0.1:1\nftp://x\n", "-uris:2"},
		{"\n# nothing\n", "holds no URI"},
	};
	char text[64];

	open_filed();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_uris(bad[i].text);
		UNTIL(find_said(bad[i].why));
		get_many(5);
	}
	cr_assert_eq(unlink(uri_file), 0);
	UNTIL(find_said(strerror(ENOENT)));
	get_many(5);
	cr_assert_eq(f.server.requests, 15);
	cr_assert_not(find_said("ftp:"), "what stands there is not shown");
	snprintf(text, sizeof(text), "http://localhost:%d", other.port);
	write_uris(text);
	UNTIL((get_many(1), other.requests > 0));
	close_filed();
}
