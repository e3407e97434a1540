/* A quota's value in the ledger: its layouts, reading, reset. See ledger.h. */
#include "guard/ledger.h"

#include <string.h>
#include "base/hash.h"
#include "guard/engine.h"

/* A reset's record stays as long, for those who read the ledger before it. */
#define RESET_STAYS_NS (3600 * RATION__NS_PER_S)
/* What was written before there were calendars ends behind seq; before the last writes were noted,
 * behind the calendar. */
#define FIRST_SIZE offsetof(struct ration__ledger_value, epoch)
#define SECOND_SIZE offsetof(struct ration__ledger_value, writes)

int ration__ledger_parse(const void *bytes, size_t length, struct ration__ledger_value *value)
{
	memset(value, 0, sizeof(*value));
	if (bytes && length != sizeof(*value) && length != SECOND_SIZE && length != FIRST_SIZE)
		return RATION_EIO;
	if (bytes)
		memcpy(value, bytes, length);
	return value->calendar <= RATION__CALENDAR_MONTH ? 0 : RATION_EIO;
}

void ration__ledger_copy(struct ration__quota *to, const struct ration__ledger_value *from)
{
	to->window = from->window;
	to->calendar = from->calendar;
	to->seq = to->newest = from->seq;
	to->told = UINT64_MAX;
	to->base = (uint32_t)from->seq;
	to->epoch = from->epoch;
	to->owned = 0;
}

void ration__ledger_tell(struct ration__quota *quota, uint64_t seq)
{
	if (seq > quota->newest) {
		uint64_t by = seq - quota->newest;

		quota->told = by < 64 ? quota->told << by : 0;
		quota->newest = seq;
	}
	if (quota->newest - seq < 64)
		quota->told |= UINT64_C(1) << (quota->newest - seq);
}

void ration__ledger_note(
	struct ration__ledger_value *value, const struct ration__ledger_write *write)
{
	struct ration__ledger_write *oldest = &value->writes[0];

	for (int i = 1; i < RATION__LEDGER_WRITES; i++)
		if (value->writes[i].seq < oldest->seq)
			oldest = &value->writes[i];
	*oldest = *write;
}

int ration__ledger_read(struct ration__engine *engine, const uint8_t *key, size_t key_length,
	struct ration__quota *quota)
{
	uint8_t bytes[sizeof(struct ration__ledger_value)];
	struct ration__ledger_value value;
	size_t length = 0;
	int rc = ration__ledger_get(engine->store, key, key_length, bytes, sizeof(bytes), &length);

	if (rc < 0 && rc != RATION_EEMPTY)
		return rc == RATION_ETOOBIG ? RATION_EIO : rc;
	if (ration__ledger_parse(rc == 0 ? bytes : NULL, length, &value) < 0)
		return RATION_EIO;
	memset(quota, 0, sizeof(*quota));
	ration__ledger_copy(quota, &value);
	return 0;
}

/* ---- reset ---- */

static int forget(
	void *arg, const void *old, size_t old_length, void *value, size_t size, size_t *length)
{
	struct ration__ledger_value *now = arg, was;

	if (ration__ledger_parse(old, old_length, &was) < 0)
		memset(&was, 0, sizeof(was)); /* of no use to anybody */
	*now = (struct ration__ledger_value){.seq = was.seq + 1, .epoch = was.epoch + 1};
	memcpy(value, now, sizeof(*now));
	*length = sizeof(*now);
	return 0;
}

/* An empty record that says which epoch it is of: one that is absent would let in what was read
 * from the ledger before. */
static int reset_hot(struct ration__engine *engine, const uint8_t *key, size_t key_length,
	const struct ration__ledger_value *value)
{
	struct ration__record *record;
	struct ration__txn *txn;
	int rc = ration__ledger_open(
		engine, ration__hash64(key, key_length), key, key_length, 0, &txn, &record);

	if (rc == 0 && (record->absent || record->quota->epoch < value->epoch)) {
		memset(record->quota, 0, sizeof(*record->quota));
		ration__ledger_copy(record->quota, value);
		record->quota->covered_part = -1;
		record->quota->window.rest_at_ns = txn->now_ns + RESET_STAYS_NS;
		record->length = sizeof(*record->quota);
		record->counted = false;
		record->dirty = true;
	}
	if (rc == 0)
		rc = ration__engine_end(engine, txn, 0);
	return ration__ledger_close(engine, rc);
}

int ration__ledger_reset(struct ration__engine *engine, const uint8_t *key, size_t key_length)
{
	struct ration__ledger_value value;
	int rc = ration__ledger_update(engine->store, key, key_length, forget, &value);

	return rc < 0 ? rc : reset_hot(engine, key, key_length, &value);
}
