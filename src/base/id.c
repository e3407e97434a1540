/* UUID version 4 (RFC 9562, 5.4), lower case; debug ids likewise. */
#include "base/id.h"

void ration__uuid(struct ration__random *random, char out[RATION__UUID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t bits[2] = {ration__random_next(random), ration__random_next(random)};
	char *at = out;

	bits[0] = (bits[0] & ~UINT64_C(0xf000)) | UINT64_C(0x4000);	/* version */
	bits[1] = (bits[1] & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63; /* variant */
	for (int i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*at++ = '-';
		*at++ = digits[bits[i / 16] >> (60 - i % 16 * 4) & 15];
	}
	*at = '\0';
}

void ration__debug_id(uint64_t random, char out[RATION__DEBUG_ID_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	/* the upper half: where a poor generator is best */
	for (int i = 0; i < RATION__DEBUG_ID_SIZE - 1; i++)
		out[i] = digits[random >> (60 - 4 * i) & 15];
	out[RATION__DEBUG_ID_SIZE - 1] = '\0';
}
