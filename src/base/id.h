/* Random ids: UUID version 4 for requests, short ones for errors. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/clock.h"

#define RATION__UUID_SIZE 37 /* with the NUL */
void ration__uuid(struct ration__random *random, char out[RATION__UUID_SIZE]);
#define RATION__DEBUG_ID_SIZE 9 /* with the NUL */
/* 8 hexadecimal digits of a random number: what an error is found again by. */
void ration__debug_id(uint64_t random, char out[RATION__DEBUG_ID_SIZE]);

#endif
