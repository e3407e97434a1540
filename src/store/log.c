/* Lines for the log that arise under the gate wait until it is free: hooks.log may do anything. */
#include "store/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

void ration__store_note(
	struct ration__store *store, enum ration_log_level level, const char *format, ...)
{
	va_list args;

	if (store->note_count == RATION__COUNT(store->notes))
		return;
	store->notes[store->note_count].level = level;
	va_start(args, format);
	vsnprintf(store->notes[store->note_count].text, sizeof(store->notes[0].text), format, args);
	va_end(args);
	store->note_count++;
}

static void release_with_notes(struct ration__store *store)
{
	struct {
		enum ration_log_level level;
		char text[sizeof(store->notes[0].text)];
	} notes[RATION__COUNT(store->notes)];
	unsigned count = store->note_count;

	for (unsigned i = 0; i < count; i++) {
		notes[i].level = store->notes[i].level;
		memcpy(notes[i].text, store->notes[i].text, sizeof(notes[i].text));
	}
	store->note_count = 0;
	ration__gate_release(&store->header->gate);
	if (!store->hooks.log)
		return;
	for (unsigned i = 0; i < count; i++)
		store->hooks.log(store->hooks.arg, notes[i].level, notes[i].text);
}

void ration__store_release(struct ration__store *store)
{
	if (store->note_count)
		release_with_notes(store);
	else
		ration__gate_release(&store->header->gate);
}
