/* Adaptive limits from settings and presets. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "config/limit.h"
#include "config/preset.h"
#include "config/value.h"

bool ration__limit_is_adaptive(struct ration__limit_source *source)
{
	return ration__limit_entry(source, "preset") || ration__limit_entry(source, "initial");
}

static void set_rates(struct ration__adaptive_conf *conf, const struct ration__preset *preset)
{
	conf->initial = preset->initial;
	conf->min = preset->min;
	conf->max = preset->max;
	conf->step = preset->step;
	conf->factor = preset->factor;
}

static void fallbacks(struct ration__adaptive_conf *conf)
{
	struct ration__preset rest = {
		conf->initial, conf->min, conf->max, conf->step, conf->factor, NULL};

	if (rest.factor == 0 && conf->kind == RATION__ADAPTIVE_CUBIC)
		rest.factor = 0.7;
	ration__preset_complete(&rest);
	set_rates(conf, &rest);
	if (conf->kind == RATION__ADAPTIVE_CUBIC) {
		conf->min = fmax(conf->min, RATION__CUBIC_MIN);
		conf->step = 0;
		conf->scale = 0.4;
	}
}

/* As they were set: what nobody set is put right by fallbacks. */
static int check_cubic(struct ration__limit_source *source,
	const struct ration__adaptive_conf *conf, ration_error **err)
{
	static const char low[] = "is below 0.5/s: a cubic rate never falls that low";

	if (conf->kind != RATION__ADAPTIVE_CUBIC)
		return 0;
	if (ration__limit_entry(source, "step"))
		return ration__limit_fail(source, "step", err, "is of aimd: cubic has no steps");
	if (conf->initial < RATION__CUBIC_MIN)
		return ration__limit_fail(source, "initial", err, low);
	if (ration__limit_entry(source, "min") && conf->min < RATION__CUBIC_MIN)
		return ration__limit_fail(source, "min", err, low);
	return 0;
}

static int check_rates(
	struct ration__limit_source *source, const struct ration__limit *limit, ration_error **err)
{
	const struct ration__adaptive_conf *conf = &limit->adaptive;
	double most = conf->burst > 0 ? conf->burst : conf->max > 1 ? conf->max : 1;

	if (conf->min > conf->initial)
		return ration__limit_fail(source,
			ration__limit_entry(source, "min") ? "min" : "initial", err,
			"min is above initial");
	if (conf->max < conf->initial)
		return ration__limit_fail(source,
			ration__limit_entry(source, "max") ? "max" : "initial", err,
			"max is below initial");
	if (conf->cooldown_min_ns > conf->cooldown_max_ns)
		return ration__limit_fail(source,
			ration__limit_entry(source, "cooldown_min") ? "cooldown_min"
								    : "cooldown_max",
			err, "cooldown_min is above cooldown_max");
	if (limit->estimate > most)
		return ration__limit_fail(source, "estimate", err,
			"is above the burst: a call that does not say its cost could never go");
	return 0;
}

int ration__adaptive_compile(
	struct ration__limit_source *source, struct ration__limit *limit, ration_error **err)
{
	static const char *const others[] = {"rate", "window"};
	const struct ration__entry *preset = ration__limit_entry(source, "preset");
	const struct ration__entry *max = ration__limit_entry(source, "max");
	const struct ration__entry *burst = ration__limit_entry(source, "burst");
	struct ration__adaptive_conf *conf = &limit->adaptive;
	struct ration__preset rates;
	struct ration__value value;
	int rc = 0;

	for (size_t i = 0; i < 2; i++)
		if (ration__limit_entry(source, others[i]))
			return ration__limit_fail(source, others[i], err,
				"cannot stand beside preset or initial: make it a limit of its own");
	limit->kind = RATION__LIMIT_ADAPTIVE;
	if (preset)
		rc = ration__preset_find(source->config, preset->text, preset, &rates, err);
	if (rc < 0)
		return rc;
	if (preset)
		set_rates(conf, &rates);
	ration__bind_all(source->config, RATION__TARGET_ADAPTIVE, "services.*.limits.*.",
		source->service, source->name, conf);
	if (max) {
		ration__value_parse(max->setting, max->text, &value);
		if (!value.is_rate)
			return ration__limit_fail(
				source, "max", err, "is a rate in an adaptive limit, such as 10/s");
		conf->max = ration__rate_per_second(&value.rate);
	}
	if (burst) {
		ration__value_parse(burst->setting, burst->text, &value);
		if (value.is_duration)
			return ration__limit_fail(
				source, "burst", err, "is a number in an adaptive limit");
		conf->burst = value.number;
	}
	rc = check_cubic(source, conf, err);
	if (rc < 0)
		return rc;
	fallbacks(conf);
	return check_rates(source, limit, err);
}

int ration__adaptive_learned(const ration_config *config, const char *service,
	struct ration__limit *limit, ration_error **err)
{
	struct ration__limit_source source = {
		.config = config, .service = service, .name = "learned", .group = "limits"};
	struct ration__preset preset;
	const char *name;
	int rc = ration__preset_of(config, service, &preset, &name, err);

	if (rc < 0)
		return rc;
	snprintf(limit->name, sizeof(limit->name), "%s", source.name);
	ration__bind_all(
		config, RATION__TARGET_LIMIT, "services.*.limits.*.", service, source.name, limit);
	ration__bind_all(config, RATION__TARGET_ADAPTIVE, "services.*.limits.*.", service,
		source.name, &limit->adaptive);
	limit->kind = RATION__LIMIT_ADAPTIVE;
	set_rates(&limit->adaptive, &preset);
	fallbacks(&limit->adaptive);
	return 0;
}
