/* The same with each member in a PID namespace of its own, so that all have equal process and
 * thread ids: what a robust mutex cannot tell apart. Skipped where namespaces are not permitted.
 * Argument: how many kills (100). */
#include "store_kit.h"

int main(int argc, char **argv)
{
	return run_kills(argc > 1 ? atoi(argv[1]) : 100, true);
}
