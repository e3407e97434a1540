/* Values by type. */
#include "config/value.h"
#include <string.h>
#include <ration/error.h>
#include "base/token.h"
#include "base/util.h"
#include "guard/rules.h"
#include "http/service.h"
#include "http/url.h"

enum { ITEM_MAX = 2048 };

int ration__word_index(const char *words, const char *text)
{
	size_t length = strlen(text);

	for (int i = 0; words; i++) {
		size_t n = strcspn(words, "|");

		if (n == length && !memcmp(words, text, n))
			return i;
		words = words[n] ? words + n + 1 : NULL;
	}
	return -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **at, const char **end)
{
	while (*at < *end && is_blank(**at))
		(*at)++;
	while (*end > *at && is_blank((*end)[-1]))
		(*end)--;
}

int ration__list_init(struct ration__list *list, const char *text)
{
	list->at = text;
	list->end = text + strlen(text);
	trim(&list->at, &list->end);
	if (list->at < list->end && *list->at == '[') {
		if (list->end - list->at < 2 || list->end[-1] != ']')
			return RATION_EINVAL;
		list->at++;
		list->end--;
		trim(&list->at, &list->end);
	}
	list->more = list->at < list->end;
	return 0;
}

int ration__list_next(struct ration__list *list, char *item, size_t size)
{
	const char *at = list->at, *comma, *end;
	size_t length;

	if (!list->more)
		return 0;
	comma = memchr(at, ',', (size_t)(list->end - at));
	end = comma ? comma : list->end;
	list->more = comma != NULL;
	list->at = comma ? comma + 1 : list->end;
	trim(&at, &end);
	if (end - at >= 2 && *at == '"' && end[-1] == '"') {
		at++;
		end--;
	}
	length = (size_t)(end - at);
	if (!length || length >= size || memchr(at, '"', length))
		return RATION_EINVAL;
	memcpy(item, at, length);
	item[length] = '\0';
	return 1;
}

int ration__parse_status(const char *text)
{
	if (strlen(text) != 3 || text[0] < '1' || text[0] > '5')
		return 0;
	if (!strcmp(text + 1, "xx"))
		return text[0] - '0';
	if (text[1] < '0' || text[1] > '9' || text[2] < '0' || text[2] > '9')
		return 0;
	return (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
}

bool ration__uri_ok(const char *text)
{
	struct ration__origin origin;
	size_t length;

	return ration__url_origin(text, &origin) == 0 && ration__url_check(text, &length) == 0 &&
	       !text[length] && !strpbrk(text, "?#");
}

static bool item_ok(const struct ration__setting *setting, const char *item)
{
	switch (setting->type) {
	case RATION__TYPE_NAMES:
		return ration__name_ok(item, RATION__KEYNAME_MAX);
	case RATION__TYPE_CHOICES:
		return ration__word_index(setting->words, item) >= 0;
	case RATION__TYPE_URIS:
		return ration__uri_ok(item);
	default:
		return ration__parse_status(item) != 0;
	}
}

static int check_list(const struct ration__setting *setting, const char *text)
{
	size_t max = setting->type == RATION__TYPE_NAMES  ? RATION__PER_MAX
		     : setting->type == RATION__TYPE_URIS ? 1
							  : RATION__ACCEPT_CODES_MAX;
	struct ration__list list;
	char item[ITEM_MAX];
	size_t count = 0;
	int rc = ration__list_init(&list, text);

	while (rc == 0) {
		rc = ration__list_next(&list, item, sizeof(item));
		if (rc == 0)
			break;
		if (rc < 0 || ++count > max || !item_ok(setting, item))
			return RATION_EINVAL;
		rc = 0;
	}
	/* A service that accepts no answer, or has an empty list of URIs, is a mistake. */
	if (!count && (setting->type == RATION__TYPE_URIS || setting->type == RATION__TYPE_ACCEPT))
		return RATION_EINVAL;
	return rc;
}

static int parse_burst(
	const struct ration__setting *setting, const char *text, struct ration__value *out)
{
	if (ration__parse_number(text, &out->number) == 0)
		return out->number >= setting->min && out->number <= setting->max ? 0
										  : RATION_EINVAL;
	out->is_duration = true;
	return ration__parse_duration(text, &out->ns) < 0 || out->ns == 0 ? RATION_EINVAL : 0;
}

static bool in_range(const struct ration__setting *setting, double number)
{
	return number >= setting->min && number <= setting->max;
}

static int parse(const struct ration__setting *setting, const char *text, struct ration__value *out)
{
	int rc = 0;

	switch (setting->type) {
	case RATION__TYPE_MAP:
		return *text && strcmp(text, "{}") ? RATION_EINVAL : 0;
	case RATION__TYPE_DURATION:
		rc = ration__parse_duration(text, &out->ns);
		return rc == 0 && !in_range(setting, (double)out->ns) ? RATION_EINVAL : rc;
	case RATION__TYPE_RATE:
		rc = ration__parse_rate(text, &out->rate);
		return rc == 0 && !in_range(setting, ration__rate_per_second(&out->rate))
			       ? RATION_EINVAL
			       : rc;
	case RATION__TYPE_BURST:
		return parse_burst(setting, text, out);
	case RATION__TYPE_SIZE:
		rc = ration__parse_size(text, &out->integer);
		return rc == 0 && !in_range(setting, (double)out->integer) ? RATION_EINVAL : rc;
	case RATION__TYPE_NUMBER:
		rc = ration__parse_number(text, &out->number);
		return rc == 0 && !in_range(setting, out->number) ? RATION_EINVAL : rc;
	case RATION__TYPE_UINT:
		rc = ration__parse_uint(text, (uint64_t)setting->max, &out->integer);
		return rc == 0 && !in_range(setting, (double)out->integer) ? RATION_EINVAL : rc;
	case RATION__TYPE_CHOICE:
		rc = ration__word_index(setting->words, text);
		out->integer = rc < 0 ? 0 : (uint64_t)rc;
		return rc < 0 ? RATION_EINVAL : 0;
	case RATION__TYPE_TEXT:
		return *text && *text != '~' && ration__header_value_ok(text) ? 0 : RATION_EINVAL;
	case RATION__TYPE_HEADER:
		return ration__header_value_ok(text) ? 0 : RATION_EINVAL;
	case RATION__TYPE_NAME:
		return ration__name_ok(text, RATION__KEYNAME_MAX) ? 0 : RATION_EINVAL;
	case RATION__TYPE_NAMES:
	case RATION__TYPE_CHOICES:
	case RATION__TYPE_URIS:
	case RATION__TYPE_ACCEPT:
		return check_list(setting, text);
	}
	return RATION_EINVAL;
}

int ration__value_parse(
	const struct ration__setting *setting, const char *text, struct ration__value *value)
{
	struct ration__value out = {0};
	int rc;

	if (setting->word && !strcmp(text, setting->word)) {
		out.ns = setting->word_value; /* same bytes as `integer` */
		*value = out;
		return 0;
	}
	rc = parse(setting, text, &out);
	if (rc == 0)
		*value = out;
	return rc;
}
