/* Values by type. */
#include "config/value.h"
#include <string.h>
#include <ration/error.h>
#include "base/clock.h"
#include "base/token.h"
#include "base/util.h"
#include "guard/rules.h"
#include "http/request.h"
#include "http/service.h"
#include "http/url.h"

enum { ITEM_MAX = 2048, SOURCE_MAX = 256, STATUSES_MAX = 64 };

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

static bool in_range(const struct ration__setting *setting, double number)
{
	return number >= setting->min && number <= setting->max;
}

static bool item_ok(const struct ration__setting *setting, const char *item)
{
	double number;

	switch (setting->type) {
	case RATION__TYPE_NAMES:
		return ration__name_ok(item, RATION__KEYNAME_MAX);
	case RATION__TYPE_NUMBERS:
		return ration__parse_number(item, &number) == 0 && in_range(setting, number);
	case RATION__TYPE_PATTERNS:
		return strlen(item) < sizeof(((struct ration__when *)0)->keys[0].values[0]) &&
		       ration__header_value_ok(item);
	case RATION__TYPE_CHOICES:
		return ration__word_index(setting->words, item) >= 0;
	case RATION__TYPE_URIS:
		return ration__uri_ok(item);
	case RATION__TYPE_STATUSES:
		return strchr("45", *item) && ration__parse_status(item) != 0;
	default:
		return ration__parse_status(item) != 0;
	}
}

bool ration__type_is_list(enum ration__setting_type type)
{
	return type >= RATION__TYPE_NAMES;
}

static size_t list_max(const struct ration__setting *setting)
{
	switch (setting->type) {
	case RATION__TYPE_NAMES:
		return RATION__PER_MAX;
	case RATION__TYPE_NUMBERS:
		return RATION__WARN_MAX;
	case RATION__TYPE_PATTERNS:
		return RATION__WHEN_VALUES;
	case RATION__TYPE_URIS:
		return (size_t)setting->max;
	case RATION__TYPE_STATUSES:
		return STATUSES_MAX;
	default:
		return RATION__ACCEPT_CODES_MAX;
	}
}

/* Is it one of the first items, too? */
static bool is_repeated(const char *text, const char *item, size_t before)
{
	struct ration__list list;
	char other[ITEM_MAX];

	ration__list_init(&list, text);
	while (before-- > 0 && ration__list_next(&list, other, sizeof(other)) == 1)
		if (!strcmp(other, item))
			return true;
	return false;
}

static int check_list(const struct ration__setting *setting, const char *text)
{
	size_t max = list_max(setting);
	struct ration__list list;
	char item[ITEM_MAX];
	size_t count = 0;
	int rc = ration__list_init(&list, text);

	while (rc == 0) {
		rc = ration__list_next(&list, item, sizeof(item));
		if (rc == 0)
			break;
		if (rc < 0 || ++count > max || !item_ok(setting, item) ||
			(setting->type == RATION__TYPE_NAMES && is_repeated(text, item, count - 1)))
			return RATION_EINVAL;
		rc = 0;
	}
	/* A service that accepts no answer, or has an empty list of URIs, is a mistake; so is a
	 * limit for no method. */
	if (!count && (setting->type == RATION__TYPE_URIS || setting->type == RATION__TYPE_ACCEPT ||
			      setting->type == RATION__TYPE_PATTERNS ||
			      ((setting->type == RATION__TYPE_CHOICES ||
				       setting->type == RATION__TYPE_NAMES) &&
				      setting->min > 0)))
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

static int parse_rate(const char *text, struct ration__value *out)
{
	double per_second;

	if (ration__parse_rate(text, &out->rate) < 0)
		return RATION_EINVAL;
	per_second = ration__rate_per_second(&out->rate);
	return per_second < RATION__RATE_MIN || per_second > RATION__RATE_MAX ? RATION_EINVAL : 0;
}

static int parse_number(
	const struct ration__setting *setting, const char *text, struct ration__value *out)
{
	int rc = ration__parse_number(text, &out->number);

	return rc == 0 && !in_range(setting, out->number) ? RATION_EINVAL : rc;
}

static int parse_duration(
	const struct ration__setting *setting, const char *text, struct ration__value *out)
{
	int rc = ration__parse_duration(text, &out->ns);

	return rc == 0 && !in_range(setting, (double)out->ns) ? RATION_EINVAL : rc;
}

/* "0.5" or "50%" */
static int parse_part(
	const struct ration__setting *setting, const char *text, struct ration__value *out)
{
	size_t length = strlen(text);
	char number[32];

	if (!length || text[length - 1] != '%')
		return parse_number(setting, text, out);
	if (length > sizeof(number))
		return RATION_EINVAL;
	memcpy(number, text, length - 1);
	number[length - 1] = '\0';
	if (ration__parse_number(number, &out->number) < 0)
		return RATION_EINVAL;
	out->number /= 100;
	return in_range(setting, out->number) ? 0 : RATION_EINVAL;
}

static int parse_span(
	const struct ration__setting *setting, const char *text, struct ration__value *out)
{
	if (ration__parse_uint(text, (uint64_t)setting->max, &out->integer) == 0)
		return out->integer ? 0 : RATION_EINVAL;
	out->is_duration = true;
	return ration__parse_duration(text, &out->ns) < 0 || out->ns == 0 ||
			       out->ns % RATION__NS_PER_S ||
			       (double)out->ns > setting->max_s * (double)RATION__NS_PER_S
		       ? RATION_EINVAL
		       : 0;
}

static bool source_ok(const char *text)
{
	if (strlen(text) >= SOURCE_MAX)
		return false;
	if (!strncmp(text, "header:", 7))
		return ration__header_name_ok(text + 7);
	return !strncmp(text, "body:/", 6) && ration__header_value_ok(text);
}

/* Begins with a slash, and has no query. */
static bool target_ok(const char *text)
{
	size_t length;

	return *text == '/' && ration__url_check(text, &length) == 0 && !text[length] &&
	       !strpbrk(text, "?#");
}

static bool proxy_ok(const char *text)
{
	static const char *const schemes[] = {"http", "https", "socks5", "socks5h"};
	const char *colon = strstr(text, "://");
	char url[ITEM_MAX];

	if (!colon || strlen(colon) >= sizeof(url) - sizeof("http"))
		return false;
	strcpy(url, "http");
	strcat(url, colon);
	for (size_t i = 0; i < RATION__COUNT(schemes); i++)
		if (strlen(schemes[i]) == (size_t)(colon - text) &&
			!memcmp(schemes[i], text, (size_t)(colon - text)))
			return ration__uri_ok(url);
	return false;
}

/* Of the kinds that stay text. */
static bool text_ok(const struct ration__setting *setting, const char *text)
{
	switch (setting->type) {
	case RATION__TYPE_TEXT:
		return *text && *text != '~' && ration__header_value_ok(text) &&
		       (setting->max == 0 || (double)strlen(text) <= setting->max);
	case RATION__TYPE_PATTERN:
		return (*text == '/' || *text == '*') && strlen(text) < RATION__PATTERN_MAX &&
		       ration__header_value_ok(text);
	case RATION__TYPE_SOURCE:
		return source_ok(text);
	case RATION__TYPE_HEADER:
		return ration__header_value_ok(text);
	case RATION__TYPE_SECRET:
		return *text && ration__header_value_ok(text);
	case RATION__TYPE_FIELD:
		return ration__header_name_ok(text) && !ration__header_is_ours(text);
	case RATION__TYPE_TARGET:
		return target_ok(text);
	case RATION__TYPE_PROXY:
		return proxy_ok(text) || ration__word_index(setting->words, text) >= 0;
	case RATION__TYPE_NAME:
		return ration__name_ok(text, RATION__KEYNAME_MAX);
	default: /* not text */
		return false;
	}
}

static int parse(const struct ration__setting *setting, const char *text, struct ration__value *out)
{
	int rc = 0;

	switch (setting->type) {
	case RATION__TYPE_MAP:
		return *text && strcmp(text, "{}") ? RATION_EINVAL : 0;
	case RATION__TYPE_DURATION:
		return parse_duration(setting, text, out);
	case RATION__TYPE_RATE:
		return parse_rate(text, out);
	case RATION__TYPE_BURST:
		return parse_burst(setting, text, out);
	case RATION__TYPE_AMOUNT:
		out->is_rate = strchr(text, '/') != NULL;
		return out->is_rate ? parse_rate(text, out) : parse_number(setting, text, out);
	case RATION__TYPE_WINDOW:
		out->word = (unsigned)(ration__word_index(setting->words, text) + 1);
		return out->word ? 0 : parse_duration(setting, text, out);
	case RATION__TYPE_SPAN:
		return parse_span(setting, text, out);
	case RATION__TYPE_SIZE:
		rc = ration__parse_size(text, &out->integer);
		return rc == 0 && !in_range(setting, (double)out->integer) ? RATION_EINVAL : rc;
	case RATION__TYPE_NUMBER:
		return parse_number(setting, text, out);
	case RATION__TYPE_PART:
		return parse_part(setting, text, out);
	case RATION__TYPE_UINT:
		rc = ration__parse_uint(text, (uint64_t)setting->max, &out->integer);
		return rc == 0 && !in_range(setting, (double)out->integer) ? RATION_EINVAL : rc;
	case RATION__TYPE_CHOICE:
		rc = ration__word_index(setting->words, text);
		out->integer = rc < 0 ? 0 : (uint64_t)rc;
		return rc < 0 ? RATION_EINVAL : 0;
	default:
		if (ration__type_is_list(setting->type))
			return check_list(setting, text);
		return text_ok(setting, text) ? 0 : RATION_EINVAL;
	}
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
