/* A program's test without a network: the transport is the test's own, all else is as ever. This
 * upstream is unavailable twice, which retries hide. */
#include <ration/ration.h>
#include <stdio.h>
#include <string.h>

static void upstream(void *arg, ration_exchange *exchange)
{
	static const char *const headers[] = {"Content-Type", "application/json", NULL};
	static const char body[] = "{\"up\":true}";

	(void)arg;
	if (ration_exchange_attempt(exchange) < 3)
		ration_exchange_answer(exchange, 503, NULL, NULL, 0);
	else
		ration_exchange_answer(exchange, 200, headers, body, strlen(body));
}

int main(void)
{
	ration_config *config = ration_config_new();
	ration_response *response = NULL;
	ration_client *client;
	ration_error *why = NULL;

	ration_config_set(config, "services.api.uris", "https://api.example", &why);
	ration_config_set(config, "services.api.retry.backoff.first", "1ms", &why);
	ration_config_set_transport(config, upstream, NULL);
	if (why || ration_client_open(config, &client, &why) < 0)
		return fprintf(stderr, "%s\n", ration_error_summary(why)), 1;

	int code = ration_get(client, "api", "/status", &response);

	if (response)
		printf("%s after %d attempts: %s\n", ration_response_summary(response),
			ration_response_attempts(response),
			(const char *)ration_response_body(response, NULL));
	ration_response_free(response);
	ration_client_close(client);
	ration_config_free(config);
	return code != 0;
}
