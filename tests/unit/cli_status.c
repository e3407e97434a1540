/* The table of `ration status`: what people read of what a store says. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/status_view.h"
#include "cli_leaks.h"

TestSuite(status, .fini = check_leaks);

static char table[4096];

static void view(const char *json)
{
	char path[] = "/tmp/ration-test-XXXXXX";
	int fd = mkstemp(path);
	size_t length;
	FILE *file;

	cr_assert_geq(fd, 0);
	cr_assert_not_null(freopen(path, "w", stdout));
	cr_assert_eq(ration__status_view(json), 0);
	file = fdopen(fd, "r");
	length = fread(table, 1, sizeof(table) - 1, file);
	table[length] = 0;
	fclose(file);
	unlink(path);
}

static void has(const char *text)
{
	cr_assert(strstr(table, text), "%s\nis not in\n%s", text, table);
}

Test(status, a_node_is_named_with_what_it_did)
{
	view("{\"store\":{\"path\":\"/s\"},\"members\":[],\"services\":[{\"name\":\"api\",\"nodes\":["
	     "{\"uri\":\"http://a\",\"state\":\"unhealthy\",\"failures\":3,\"for_s\":4,"
	     "\"out_s\":120},"
	     "{\"uri\":\"http://b\",\"state\":\"probing\",\"failures\":1,\"for_s\":30,"
	     "\"status\":503,\"out_s\":60},"
	     "{\"uri\":\"http://c\",\"state\":\"due\",\"failures\":1,\"for_s\":0,\"out_s\":0},"
	     "{\"uri\":\"http://d\",\"state\":\"cooling\",\"failures\":0,\"for_s\":9},"
	     "{\"uri\":null,\"state\":\"cooling\",\"failures\":2,\"for_s\":9,\"out_s\":9}]}]}");
	has("  node         http://a: failed 3 times in a row, out for 2 min, tried again in 4 s\n");
	has("  node         http://b: failed once, last with status 503, out for 1 min, "
	    "is being probed\n");
	has("  node         http://c: failed once, may be tried again\n");
	has("  node         http://d: cools down for 9 s\n");
	has("  node         (its name is not known): failed 2 times in a row, out for 9 s, "
	    "cools down for 9 s\n");
}

Test(status, names_steer_no_terminal)
{
	view("{\"store\":{\"path\":\"/s\\u001b[2J\"},\"members\":[],\"services\":[{\"name\":\"a\\nb\","
	     "\"nodes\":[{\"uri\":\"http://a\\u001b[31m\\r\\u007f\\u009b1m\\u00a0\",\"state\":\"\\u001bc\","
	     "\"failures\":1,\"for_s\":1}]}]}");
	has("http://a?[31m???1m\u00a0: ");
	has("failed once, ?c\n");
	for (const char *at = table; *at; at++)
		cr_assert((unsigned char)*at >= ' ' || *at == '\n', "%s", table);
}
