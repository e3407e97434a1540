/* Health probes and warm-up of connections. */
#include "client_fixture.h"

TestSuite(probe, .fini = check_leaks, .timeout = 60);

static struct fixture f;

Test(probe, R26_one_governed_get_of_the_health_path)
{
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.health", "/slow/0/health");
	set(&f, "services.api.limits.calls.rate", "1/h");
	set(&f, "services.api.limits.calls.burst", "1");
	fixture_open(&f);
	cr_expect_eq(ration_client_probe(f.client, "api", 5000, &r), 0);
	cr_expect_eq(ration_response_status(r), 200);
	ration_response_free(r);
	cr_expect_eq(f.server.requests, 1);
	cr_expect(strstr(f.log, "/slow/0/health"), "%s", f.log);
	/* the token is gone: through the guard as any other */
	r = NULL;
	cr_expect_eq(ration_client_probe(f.client, "api", 20, &r), RATION_DENIED_DEADLINE);
	cr_assert(r);
	ration_response_free(r);
	cr_expect_eq(f.server.requests, 1);
	fixture_close(&f);
}

Test(probe, R26_tells_what_is_wrong_and_is_sent_once)
{
	ration_response *r = NULL;

	fixture_init(&f);
	set(&f, "services.api.health", "/s/503");
	set(&f, "services.gone.uris", "http://127.0.0.1:1");
	set(&f, "services.tool.breaker.trip_after", "5");
	fixture_open(&f);
	cr_expect_eq(ration_client_probe(f.client, "api", -1, &r), RATION_EUNAVAILABLE);
	cr_expect_eq(f.server.requests, 1);
	ration_response_free(r);
	cr_expect_eq(ration_client_probe(f.client, "gone", 5000, &r), RATION_ECONNECT);
	ration_response_free(r);
	cr_expect_eq(ration_client_probe(f.client, "nobody", 5000, &r), RATION_ESERVICE);
	cr_expect_eq(ration_client_probe(f.client, "tool", 5000, &r), RATION_ESERVICE);
	cr_expect_eq(ration_client_probe(f.client, NULL, 5000, &r), RATION_EINVAL);
	cr_expect_eq(ration_client_probe(f.client, "api", 5000, NULL), RATION_EINVAL);
	fixture_close(&f);
}

Test(probe, R26_warm_makes_so_many_connections_and_they_are_used)
{
	int connections;

	fixture_init(&f);
	set(&f, "workers.threads", "1");
	set(&f, "services.api.health", "/health");
	fixture_open(&f);
	cr_assert_eq(get(&f, "/hello"), 0); /* one that is there is no reason to make fewer */
	cr_expect_eq(f.server.connections, 1);
	cr_expect_eq(ration_client_warm(f.client, "api", 5, 10000), 5);
	cr_expect_eq(f.server.connections, 6);
	cr_expect_eq(f.server.requests, 6);
	connections = f.server.connections;
	for (int i = 0; i < 5; i++)
		submit(&f, "/slow/100");
	for (int i = 0; i < 5; i++) {
		char text[256];

		cr_expect_eq(next_code(&f, text, sizeof(text)), 0, "%s", text);
	}
	cr_expect_eq(f.server.connections, connections, "warm ones were not used");
	fixture_close(&f);
}

Test(probe, R26_warm_reaches_every_node)
{
	char uris[128];
	struct server other;

	fixture_init(&f);
	server_start(&other, upstream);
	snprintf(uris, sizeof(uris), "[http://127.0.0.1:%d, http://127.0.0.1:%d]", f.server.port,
		other.port);
	set(&f, "services.api.uris", uris);
	set(&f, "services.api.nodes.strategy", "pin");
	fixture_open(&f);
	cr_expect_eq(ration_client_warm(f.client, "api", 3, 10000), 6);
	cr_expect_eq(f.server.connections, 3);
	cr_expect_eq(other.connections, 3);
	ration_client_close(f.client);
	f.client = NULL;
	server_stop(&other);
	fixture_close(&f);
}

Test(probe, R26_warm_counts_what_answered)
{
	fixture_init(&f);
	set(&f, "services.api.health", "/s/404"); /* an answer all the same */
	set(&f, "services.gone.uris", "http://127.0.0.1:1");
	fixture_open(&f);
	cr_expect_eq(ration_client_warm(f.client, "api", 2, 10000), 2);
	cr_expect_eq(ration_client_warm(f.client, "gone", 2, 10000), 0);
	cr_expect_eq(ration_client_warm(f.client, "nobody", 2, 10000), RATION_ESERVICE);
	cr_expect_eq(ration_client_warm(f.client, "api", 0, 10000), RATION_EINVAL);
	cr_expect_eq(ration_client_warm(f.client, "api", 1001, 10000), RATION_EINVAL);
	fixture_close(&f);
}
