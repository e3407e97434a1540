/*
 * The gate file: stamps, gates, epoch, words and slot table, as every member maps it.
 *
 * Stamps are written once by the maker and `magic` last, so a file without it is one whose maker
 * died: the next opener makes it again. What lies below the stamps is volatile: it is set anew when
 * the boot id changes. All of it is written under the hot gate, except what is said to be free.
 *
 * No pointers, no padding that is not named; a change of layout raises RATION__STORE_SCHEMA.
 */
#ifndef STORE_LAYOUT_H
#define STORE_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "store/gate.h"
#include "store/store.h"

#define RATION__STORE_MAGIC UINT64_C(0x316e6f6974617200) /* "\0ration1" */
#define RATION__STORE_SCHEMA 2

enum ration__clock_kind {
	RATION__CLOCK_SYSTEM = 1,
	RATION__CLOCK_INJECTED,
};

struct ration__slot {
	_Atomic uint32_t generation; /* raised when taken and when buried */
	_Atomic uint32_t used;	     /* 1: its member may hold something; lock gone: to be buried */
	_Atomic uint64_t word;	     /* free for the guard */
	_Atomic int64_t pid;
	_Atomic int64_t since_wall_ns;
	char name[32];
};
static_assert(sizeof(struct ration__slot) == 64, "one cache line per slot");

struct ration__header {
	/* stamps */
	_Atomic uint64_t magic;
	uint32_t schema;
	uint32_t clock_kind;
	uint64_t stamp_sum; /* over abi and clock_kind */
	char abi[104];

	/* one line: all that a transaction touches */
	struct ration__gate gate;
	_Atomic uint64_t epoch;	  /* of hot/; 0: none made yet */
	_Atomic uint64_t suspect; /* the epoch that somebody found damaged */
	_Atomic int64_t wipe_ns;
	_Atomic int64_t last_now_ns;
	_Atomic uint64_t commits;
	_Atomic uint32_t suspicion; /* that hot/ kills its members, see internal.h */
	uint32_t reserved0;

	struct ration__gate ledger_gate;
	_Atomic int64_t wall_seen_ns; /* STEADY, when last_wall_ns was; 0: not known */
	uint8_t reserved1[40];

	_Atomic int64_t last_wipe_ns; /* of any kind but a reboot's; 0: none */
	_Atomic int64_t last_wall_ns;
	uint64_t time_namespace; /* 0: not known */
	char boot_id[40];
	char hot_path[512]; /* "": hot/ below the store itself */

	_Atomic uint64_t words[RATION__STORE_WORDS]; /* free for the guard */
	struct ration__slot slots[RATION__SLOTS_MAX];
	_Alignas(64) uint8_t areas[RATION__SLOTS_MAX][RATION__SLOT_AREA]; /* free for the guard */
};
static_assert(offsetof(struct ration__header, gate) == 128, "stamps take two lines");
static_assert(offsetof(struct ration__header, ledger_gate) == 192, "the hot line is one line");
static_assert(offsetof(struct ration__header, last_wipe_ns) == 256, "the rest is rare");
static_assert(offsetof(struct ration__header, words) % 64 == 0, "own lines");
static_assert(offsetof(struct ration__header, slots) % 64 == 0, "own lines");

#endif
