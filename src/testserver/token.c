/* The token that requests must carry: read from its file for each of them, so that who writes the
 * file decides from which request on another one counts. */
#include <stdio.h>
#include <string.h>

#include "testserver/server.h"

bool ts__token_right(const struct ts_exchange *exchange)
{
	const char *name = exchange->server->options->token_file;
	const char *given = MHD_lookup_connection_value(
		exchange->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
	char wanted[1024] = "";
	FILE *file;

	if (!name)
		return true;
	file = fopen(name, "re");
	if (!file)
		return false;
	if (!fgets(wanted, sizeof(wanted), file))
		wanted[0] = '\0';
	fclose(file);
	wanted[strcspn(wanted, "\r\n")] = '\0';
	return *wanted && given && strncmp(given, "Bearer ", 7) == 0 &&
	       strcmp(given + 7, wanted) == 0;
}

enum MHD_Result ts__token_refuse(struct ts_exchange *exchange)
{
	struct ts_text json = {0};

	ts__text_puts(&json, "{\"error\":\"another token is wanted\"}\n");
	struct MHD_Response *response = ts__response_new(&json);
	if (response)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	return ts__exchange_answer(exchange, MHD_HTTP_UNAUTHORIZED, response);
}
