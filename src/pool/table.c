/* An intrusive hash table. See table.h. */
#include "pool/table.h"

#include <stdlib.h>
#include <string.h>

/* Hashes may be plain counters: Fibonacci hashing spreads them. */
static struct ration__entry **head_of(const struct ration__table *table, uint64_t hash)
{
	return &table->heads[(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) & table->mask];
}

void ration__table_init(struct ration__table *table)
{
	memset(table, 0, sizeof(*table));
	table->heads = table->first;
	table->mask = RATION__TABLE_FIRST - 1;
}

void ration__table_fini(struct ration__table *table)
{
	if (table->heads != table->first)
		free(table->heads);
	table->heads = NULL;
}

static void grow(struct ration__table *table)
{
	uint64_t size = (table->mask + 1) * 2;
	struct ration__entry **old = table->heads;
	uint64_t old_mask = table->mask;
	struct ration__entry **heads;

	if (size > UINT32_MAX)
		return;
	heads = calloc(size, sizeof(*heads));
	if (!heads)
		return;
	table->heads = heads;
	table->mask = size - 1;
	for (uint64_t i = 0; i <= old_mask; i++)
		for (struct ration__entry *entry = old[i], *next; entry; entry = next) {
			struct ration__entry **head = head_of(table, entry->hash);

			next = entry->next;
			entry->next = *head;
			*head = entry;
		}
	if (old != table->first)
		free(old);
}

void ration__table_add(struct ration__table *table, struct ration__entry *entry, uint64_t hash)
{
	struct ration__entry **head;

	if (table->count > table->mask)
		grow(table);
	head = head_of(table, hash);
	entry->hash = hash;
	entry->next = *head;
	*head = entry;
	table->count++;
}

void ration__table_remove(struct ration__table *table, struct ration__entry *entry)
{
	struct ration__entry **link = head_of(table, entry->hash);

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	table->count--;
}

struct ration__entry *ration__table_find(const struct ration__table *table, uint64_t hash)
{
	struct ration__entry *entry = *head_of(table, hash);

	while (entry && entry->hash != hash)
		entry = entry->next;
	return entry;
}

struct ration__entry *ration__table_again(const struct ration__entry *entry)
{
	uint64_t hash = entry->hash;
	struct ration__entry *next = entry->next;

	while (next && next->hash != hash)
		next = next->next;
	return next;
}
