/* Sends 100 requests under the limits of fleet.yaml. The README shows what follows. */
#include <ration/ration.h>
#include <stdio.h>

int main(void)
{
	ration_config *config = ration_config_new();
	ration_client *client;
	ration_response *response;
	ration_error *why = NULL;

	if (ration_config_load(config, "fleet.yaml", &why) < 0 ||
		ration_client_open(config, &client, &why) < 0)
		return fprintf(stderr, "%s\n", ration_error_text(why)), 1;
	for (int i = 0; i < 100; i++) {
		ration_request *request = ration_request_new("demo", "GET", "/msg");
		if (ration_submit(client, request, -1, NULL) < 0) /* taken over on success only */
			ration_request_free(request);
	}
	while (ration_next(client, -1, &response) == 0) { /* in the order in which they end */
		puts(ration_response_line(response));
		ration_response_free(response);
	}
	ration_client_close(client);
	ration_config_free(config);
}
