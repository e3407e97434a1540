/*
 * Message ids by request id: the least recently used of 1,000 entries goes, and each entry after
 * 300 s. All memory is part of the structure, so a client cannot make it grow.
 */
#ifndef TESTSERVER_IDEMPOTENCY_H
#define TESTSERVER_IDEMPOTENCY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	TS_IDEMPOTENCY_ENTRIES = 1000,
	TS_IDEMPOTENCY_BUCKETS = 1024,
	TS_IDEMPOTENCY_KEY_MAX = 255,
	TS_IDEMPOTENCY_LIFE_S = 300,
	TS_UUID_SIZE = 37,
};

struct ts_idempotency_entry {
	int64_t made_ns;
	int16_t chain; /* next in the bucket */
	int16_t newer, older;
	char key[TS_IDEMPOTENCY_KEY_MAX + 1];
	char uuid[TS_UUID_SIZE];
};

struct ts_idempotency {
	struct ts_idempotency_entry entries[TS_IDEMPOTENCY_ENTRIES];
	int16_t buckets[TS_IDEMPOTENCY_BUCKETS];
	int16_t newest, oldest;
	int16_t count;
	unsigned char random[4096]; /* drawn in one call, for many ids */
	unsigned random_left;
};

void ts__idempotency_init(struct ts_idempotency *cache);
/* The id that this key had, or a new one that it has from now on; no key: always a new one. False
 * when the key is too long or the system has no random bytes. */
bool ts__idempotency_get(struct ts_idempotency *cache, const char *key, int64_t now_ns,
	char uuid[static TS_UUID_SIZE]);

#endif
