/* Random ids: UUID version 4 for requests. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/clock.h"

#define RATION__UUID_SIZE 37 /* with the NUL */
void ration__uuid(struct ration__random *random, char out[RATION__UUID_SIZE]);

#endif
