/* Record keys. See key.h. */
#include "guard/key.h"

#include <string.h>
#include "base/hash.h"
#include "store/store.h"

static size_t add_part(uint8_t *out, size_t at, const char *text)
{
	size_t length = strlen(text);

	if (length > RATION__KEYVALUE_MAX)
		length = RATION__KEYVALUE_MAX; /* refused where it is set; never reached */
	out[at++] = (uint8_t)length;
	memcpy(out + at, text, length);
	return at + length;
}

static const char *value_of(const struct ration__pair *keys, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].name, name) == 0)
			return keys[i].value;
	return "";
}

size_t ration__key_build(uint8_t *out, enum ration__record_type type, const char *service,
	const char *name, const char (*per)[RATION__KEYNAME_MAX], const struct ration__pair *keys,
	size_t key_count)
{
	size_t at = 0;

	out[at++] = (uint8_t)type;
	at = add_part(out, at, service);
	if (name)
		at = add_part(out, at, name);
	for (int i = 0; per && i < RATION__PER_MAX && per[i][0]; i++)
		at = add_part(out, at, value_of(keys, key_count, per[i]));
	if (at > RATION__KEY_MAX) {
		struct ration__hash128 hash = ration__hash128(out, at);

		at = 1;
		out[at++] = 0xff; /* no service name is that long */
		memcpy(out + at, &hash, sizeof(hash));
		at += sizeof(hash);
	}
	return at;
}

size_t ration__key_split(const void *key, size_t length, struct ration__key_part *parts, size_t max)
{
	const uint8_t *bytes = key;
	size_t at = 1, count = 0;

	if (length < 2 || bytes[1] == 0xff)
		return 0;
	while (at < length) {
		uint8_t part = bytes[at++];

		if (part > length - at)
			return 0;
		if (count < max)
			parts[count] = (struct ration__key_part){(const char *)bytes + at, part};
		count++;
		at += part;
	}
	return count < max ? count : max;
}

void ration__key_permit(uint8_t out[RATION__PERMIT_KEY_SIZE], uint16_t slot, uint32_t generation,
	uint64_t seq, enum ration__permit_what what)
{
	out[0] = RATION__RECORD_PERMIT;
	out[1] = (uint8_t)(slot >> 8);
	out[2] = (uint8_t)slot;
	for (int i = 0; i < 4; i++)
		out[3 + i] = (uint8_t)(generation >> (24 - 8 * i));
	for (int i = 0; i < 8; i++)
		out[7 + i] = (uint8_t)(seq >> (56 - 8 * i));
	out[15] = (uint8_t)what;
}
