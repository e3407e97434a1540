/*
 * An intrusive hash table: chains of entries that stand inside what they find. Growing may fail
 * for want of memory; then the chains get longer and nothing else happens, so that adding never
 * fails. Not thread safe. It never frees entries, and does not compare keys: the caller walks the
 * entries of a hash.
 */
#ifndef POOL_TABLE_H
#define POOL_TABLE_H

#include <stdint.h>

struct ration__entry {
	struct ration__entry *next;
	uint64_t hash;
};

#define RATION__TABLE_FIRST 16

struct ration__table {
	struct ration__entry **heads; /* mask + 1 of them */
	uint64_t mask;
	uint64_t count;
	struct ration__entry *first[RATION__TABLE_FIRST];
};

void ration__table_init(struct ration__table *table);
void ration__table_fini(struct ration__table *table);
void ration__table_add(struct ration__table *table, struct ration__entry *entry, uint64_t hash);
/* The entry must be in the table. */
void ration__table_remove(struct ration__table *table, struct ration__entry *entry);
/* The first entry of that hash, and the one after; NULL: no more. */
struct ration__entry *ration__table_find(const struct ration__table *table, uint64_t hash);
struct ration__entry *ration__table_again(const struct ration__entry *entry);

#endif
