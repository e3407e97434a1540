/*
 * What the end of an attempt means for its breaker: success or failure, once a job or once an
 * attempt; a probe's place. See settle.c.
 *
 * Under engine.mutex, inside a transaction.
 */
#include "guard/engine.h"

#include <string.h>

const struct ration__breaker_conf *ration__breaker_ready(const struct ration__keyset *keyset,
	struct ration__record *record, struct ration__breaker_conf *scratch)
{
	const struct ration__rules *rules = &keyset->guard->rules;
	const struct ration__breaker_conf *conf = &rules->breaker;
	size_t size;

	if (keyset->breaker_mode != conf->mode) {
		*scratch = *conf;
		scratch->mode = keyset->breaker_mode;
		conf = scratch;
	}
	size = ration__breaker_size(conf);
	if (size > record->room) { /* the rules changed under a keyset that is being settled */
		conf = &ration__any_breaker;
		size = ration__breaker_size(conf);
	}
	if (record->length != size || size > sizeof(struct ration__breaker))
		ration__breaker_fit(conf, record->breaker, record->length);
	record->length = (uint32_t)size;
	return conf;
}

bool ration__breaker_untouched(const struct ration__keyset *keyset)
{
	const struct ration__breaker_conf *conf = &keyset->guard->rules.breaker;

	return keyset->breaker_mode == RATION__BREAKER_AUTO && !conf->window_calls &&
	       !conf->window_s &&
	       !(atomic_load_explicit(
			 ration__store_word(keyset->guard->engine->store, RATION__WORD_BREAKERS),
			 memory_order_relaxed) >>
			       (keyset->breaker->hash % 64) &
		       1);
}

int ration__settle_breaker(
	struct ration__engine *engine, struct ration__txn *txn, struct ration__settle *settle)
{
	const struct ration__grant *grant = settle->grant;
	const struct ration__keyset *keyset = grant->keyset;
	const struct ration__breaker_conf *conf = &keyset->guard->rules.breaker;
	struct ration__breaker_conf scratch;
	struct ration__breaker_pass pass = grant->pass;
	enum ration__outcome outcome = settle->outcome;
	enum ration__breaker_event event;
	struct ration__breaker before;
	struct ration__record *record;
	int rc;

	if (!keyset->breaker || grant->skip & RATION__SKIP_BREAKER)
		return 0;
	if (settle->unused || (!settle->last && !pass.probe && !conf->counts_attempts))
		outcome = RATION__IGNORED;
	if (outcome == RATION__IGNORED && !pass.probe)
		return 0;
	if (outcome != RATION__FAILURE && !pass.probe && ration__breaker_untouched(keyset))
		return 0;
	rc = ration__cell_record(engine, keyset, keyset->breaker, &record);
	if (rc < 0)
		return rc;
	if (pass.probe) {
		rc = ration__permit_delete(txn, grant->seq, RATION__PERMIT_PROBE);
		if (rc < 0)
			return rc;
		pass.probe = rc == 1; /* else its place went back when this member was buried */
	}
	conf = ration__breaker_ready(keyset, record, &scratch);
	before = *record->breaker;
	if (before.state == RATION__HALF_OPEN && before.generation == pass.generation &&
		!pass.probe)
		return 0; /* the policy would give the place of another back */
	if (!ration__breaker_exists(
		    conf)) { /* the rules lost their breaker; they may get it back */
		conf = &ration__any_breaker;
		outcome = RATION__IGNORED;
	}
	event = ration__breaker_settle(conf, record->breaker, txn->now_ns, pass, outcome,
		settle->elapsed_ns, ration__engine_random(engine));
	if (memcmp(&before, record->breaker, sizeof(before)) != 0) {
		record->dirty = true; /* a window does not change without its head */
		ration__workset_touch(&engine->set, record);
	}
	/* A grant that was quiet, and those that wait for a probe's end, must hear of this. */
	if (before.state != record->breaker->state || before.probes != record->breaker->probes ||
		before.generation != record->breaker->generation ||
		before.failures != record->breaker->failures)
		ration__hint_raise(engine);
	settle->breaker_opened = event == RATION__BREAKER_OPENED;
	settle->breaker_closed = event == RATION__BREAKER_CLOSED;
	if (event != RATION__BREAKER_SAME)
		ration__news_add(engine,
			settle->breaker_opened ? RATION_EVENT_BREAKER_OPENED
					       : RATION_EVENT_BREAKER_CLOSED,
			keyset, keyset->breaker, "breaker", (double)record->breaker->trips);
	return 0;
}
