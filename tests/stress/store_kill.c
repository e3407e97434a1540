/* Processes killed inside store operations: the store opens, counts are right, nobody waits.
 * Argument: how many (200). */
#include "store_kit.h"

int main(int argc, char **argv)
{
	return run_kills(argc > 1 ? atoi(argv[1]) : 200, false);
}
