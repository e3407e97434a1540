/* Version and memory: what belongs to no object. */
#include <stdlib.h>
#include <ration/ration.h>
#include "config.h"

/* Raised with the rules of doc/ABI.md. */
#define ABI 0

const char *ration_version(void)
{
	return PACKAGE_VERSION;
}

int ration_abi(void)
{
	return ABI;
}

void ration_free(void *memory)
{
	free(memory);
}
