/* The RateLimit fields: see http/ratelimit.h. */
#include <string.h>
#include "base/util.h"
#include "http/ratelimit.h"
#include "http/structured.h"

#define POLICIES_MAX 16u /* that RateLimit may refer to */

struct policy {
	struct ration__sf_value name;
	int64_t window_s;
	bool concurrent;
};

struct policies {
	struct policy all[POLICIES_MAX];
	unsigned count;
};

/* What was found so far. */
struct spent {
	bool any;
	int64_t seconds;
};

static bool is_name(const struct ration__sf_value *value)
{
	return value->type == RATION__SF_STRING || value->type == RATION__SF_TOKEN;
}

static bool is_natural(const struct ration__sf_value *value)
{
	return value->type == RATION__SF_INTEGER && value->number >= 0;
}

static bool same_text(const struct ration__sf_value *value, const char *text, size_t length)
{
	return value->length == length && memcmp(value->text, text, length) == 0;
}

/* One parameter of a policy; false: malformed. */
static bool policy_parameter(const struct ration__sf *sf, struct policy *policy, bool *has_quota)
{
	static const char concurrent[] = "concurrent-requests";

	if (ration__sf_key_is(sf, "q")) {
		*has_quota = true;
		return is_natural(&sf->value);
	}
	if (ration__sf_key_is(sf, "w")) {
		policy->window_s = sf->value.number;
		return is_natural(&sf->value) && sf->value.number > 0;
	}
	if (ration__sf_key_is(sf, "qu")) {
		policy->concurrent = sf->value.type == RATION__SF_STRING &&
				     same_text(&sf->value, concurrent, sizeof(concurrent) - 1);
		return sf->value.type == RATION__SF_STRING;
	}
	return true;
}

/* All of the field, or nothing of it. */
static void read_policies(const struct ration__field *field, struct policies *out)
{
	struct policy policy = {.window_s = 0};
	enum ration__sf_event event;
	bool any = false, has_quota = true;
	unsigned count = 0;
	struct ration__sf sf;

	out->count = 0;
	if (!field->text)
		return;
	ration__sf_init(&sf, RATION__SF_LIST, field->text, field->length);
	do {
		event = ration__sf_next(&sf);
		if (event == RATION__SF_PARAMETER) {
			if (!policy_parameter(&sf, &policy, &has_quota))
				return;
			continue;
		}
		/* the item before this one is complete */
		if (!has_quota)
			return;
		if (any && count < POLICIES_MAX)
			out->all[count++] = policy;
		if (event == RATION__SF_ITEM) {
			if (!is_name(&sf.value))
				return;
			policy = (struct policy){.name = sf.value};
			any = true;
			has_quota = false;
		}
	} while (event == RATION__SF_ITEM || event == RATION__SF_PARAMETER);
	if (event == RATION__SF_END)
		out->count = count;
}

static const struct policy *find_policy(
	const struct policies *policies, const struct ration__sf_value *name)
{
	for (unsigned i = 0; i < policies->count; i++)
		if (same_text(&policies->all[i].name, name->text, name->length))
			return &policies->all[i];
	return NULL;
}

/* What is available under one policy. */
struct limit {
	struct ration__sf_value name;
	int64_t left, seconds; /* -1: not said */
};

static void take_limit(
	const struct limit *limit, const struct policies *policies, struct spent *spent)
{
	const struct policy *policy;
	int64_t seconds = limit->seconds;

	if (limit->left != 0)
		return;
	policy = find_policy(policies, &limit->name);
	if (policy && policy->concurrent)
		return;
	if (seconds < 0)
		seconds = policy ? policy->window_s : 0;
	spent->any = true;
	spent->seconds = ration__max64(spent->seconds, seconds);
}

static bool limit_parameter(const struct ration__sf *sf, struct limit *limit)
{
	int64_t *to = ration__sf_key_is(sf, "r")   ? &limit->left
		      : ration__sf_key_is(sf, "t") ? &limit->seconds
						   : NULL;

	if (!to)
		return true;
	*to = sf->value.number;
	return is_natural(&sf->value);
}

/* "default";r=50;t=30: false, *spent untouched, when it is not of that form. */
static bool read_list(
	const struct ration__field *field, const struct policies *policies, struct spent *spent)
{
	struct limit limit = {.left = 1};
	struct spent found = *spent;
	enum ration__sf_event event;
	struct ration__sf sf;

	ration__sf_init(&sf, RATION__SF_LIST, field->text, field->length);
	do {
		event = ration__sf_next(&sf);
		if (event == RATION__SF_PARAMETER) {
			if (!limit_parameter(&sf, &limit))
				return false;
			continue;
		}
		/* the item before this one is complete */
		if (limit.left < 0)
			return false;
		take_limit(&limit, policies, &found);
		if (event == RATION__SF_ITEM) {
			if (!is_name(&sf.value))
				return false;
			limit = (struct limit){.name = sf.value, .left = -1, .seconds = -1};
		}
	} while (event == RATION__SF_ITEM || event == RATION__SF_PARAMETER);
	if (event != RATION__SF_END)
		return false;
	*spent = found;
	return true;
}

/* limit=100, remaining=0, reset=5 */
static void read_dictionary(const struct ration__field *field, struct spent *spent)
{
	int64_t left = -1, seconds = -1;
	enum ration__sf_event event;
	struct ration__sf sf;

	ration__sf_init(&sf, RATION__SF_DICTIONARY, field->text, field->length);
	while ((event = ration__sf_next(&sf)) == RATION__SF_ITEM || event == RATION__SF_PARAMETER) {
		int64_t *to = event == RATION__SF_PARAMETER	    ? NULL
			      : ration__sf_key_is(&sf, "remaining") ? &left
			      : ration__sf_key_is(&sf, "reset")	    ? &seconds
								    : NULL;

		if (to && !is_natural(&sf.value))
			return;
		if (to)
			*to = sf.value.number;
	}
	if (event == RATION__SF_END && left == 0 && seconds >= 0)
		*spent = (struct spent){.any = true, .seconds = seconds};
}

bool ration__ratelimit_spent(
	const struct ration__field *limit, const struct ration__field *policy, int64_t *seconds)
{
	struct spent spent = {.any = false};
	struct policies policies;

	if (!limit->text)
		return false;
	read_policies(policy, &policies);
	if (!read_list(limit, &policies, &spent))
		read_dictionary(limit, &spent);
	*seconds = spent.seconds;
	return spent.any;
}
