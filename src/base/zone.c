/*
 * Time zones. See zone.h.
 *
 * A loaded zone is one table of spans, each with its first second and its offset. What the file
 * says by a rule (from the last transition on, for ever) is written out for the 400 years after
 * which the Gregorian calendar repeats itself, day of the week included; later times are folded
 * into those. So a question is one binary search, whatever the rule.
 */
#include "base/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/date.h"
#include "base/util.h"
#include "base/zone_rule.h"
#include <ration/error.h>

#define DIRECTORY "/usr/share/zoneinfo/"
#define NAME_MAX_BYTES 128
#define FILE_MAX_BYTES (256 * 1024)
#define HEADER_BYTES 44
#define DAY_S INT64_C(86400)
#define CYCLE_YEARS 400
#define CYCLE_S (INT64_C(146097) * DAY_S)
#define OFFSET_MAX_S (26 * 3600)      /* RFC 9636: less than 26 hours either way */
#define TIME_MAX_S (INT64_C(1) << 60) /* what zic writes is within 2^59 */
/* Without a transition a rule begins here. */
#define FIRST_RULE_YEAR 1900

struct span {
	int64_t from_s; /* the first span reaches back for ever, whatever it says */
	int32_t offset_s;
};

struct ration__zone {
	uint32_t count;
	int64_t fold_s; /* from here on it repeats every CYCLE_S; INT64_MAX: never */
	struct span spans[];
};

/* ---- the file ---- */

struct counts {
	uint32_t isutc, isstd, leap, time, type, chars;
};

struct reader {
	const unsigned char *at, *end;
};

static const unsigned char *take(struct reader *reader, uint64_t bytes)
{
	const unsigned char *from = reader->at;

	if (!from || bytes > (uint64_t)(reader->end - from)) {
		reader->at = NULL;
		return NULL;
	}
	reader->at += bytes;
	return from;
}

static uint32_t big32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t big64(const unsigned char *at)
{
	return (int64_t)((uint64_t)big32(at) << 32 | big32(at + 4));
}

static bool read_header(struct reader *reader, struct counts *counts)
{
	const unsigned char *at = take(reader, HEADER_BYTES);

	if (!at || memcmp(at, "TZif", 4) != 0 || at[4] < '2')
		return false;
	at += 20;
	*counts = (struct counts){big32(at), big32(at + 4), big32(at + 8), big32(at + 12),
		big32(at + 16), big32(at + 20)};
	return true;
}

static uint64_t block_bytes(const struct counts *counts, uint64_t time_bytes)
{
	return counts->time * (time_bytes + 1) + UINT64_C(6) * counts->type + counts->chars +
	       counts->leap * (time_bytes + 4) + counts->isstd + counts->isutc;
}

static bool append(struct ration__zone *zone, int64_t from_s, int32_t offset_s)
{
	if (zone->count > 1 && from_s < zone->spans[zone->count - 1].from_s)
		return false;
	zone->spans[zone->count++] = (struct span){from_s, offset_s};
	return true;
}

/* The spans that the file names. The first is type 0, from the beginning of time. */
static bool read_spans(
	struct reader *reader, const struct counts *counts, struct ration__zone *zone)
{
	const unsigned char *times = take(reader, UINT64_C(8) * counts->time);
	const unsigned char *indices = take(reader, counts->time);
	const unsigned char *types = take(reader, UINT64_C(6) * counts->type);

	if (!types)
		return false;
	for (uint32_t i = 0; i < counts->type; i++) {
		int32_t offset_s = (int32_t)big32(types + 6 * i);

		if (offset_s < -OFFSET_MAX_S || offset_s > OFFSET_MAX_S)
			return false;
	}
	append(zone, INT64_MIN, (int32_t)big32(types));
	for (uint32_t i = 0; i < counts->time; i++)
		if (indices[i] >= counts->type || big64(times + 8 * i) < -TIME_MAX_S ||
			big64(times + 8 * i) > TIME_MAX_S ||
			!append(zone, big64(times + 8 * i), (int32_t)big32(types + 6 * indices[i])))
			return false;
	return true;
}

/* Writes the rule out: a cycle, and some years more so that what is folded finds its neighbours. */
static bool write_rule(const struct ration__zone_rule *rule, struct ration__zone *zone)
{
	const struct span *last = &zone->spans[zone->count - 1];
	int64_t last_s = zone->count > 1 ? last->from_s : INT64_MIN, year = FIRST_RULE_YEAR;
	bool begins_first;
	int month, day;

	if (zone->count > 1 &&
		(last_s < -INT64_C(4000000000000) || last_s > INT64_C(4000000000000)))
		return false; /* a year that nobody means, and far from any overflow */
	if (zone->count > 1)
		ration__date_of(last_s / DAY_S, &year, &month, &day);
	begins_first = ration__zone_turn_local(&rule->begins, year + 1) - rule->standard_s <
		       ration__zone_turn_local(&rule->ends, year + 1) - rule->summer_s;
	zone->fold_s = ration__date_days(year + CYCLE_YEARS + 2, 1, 1) * DAY_S;
	for (int64_t end = year + CYCLE_YEARS + 4; year <= end; year++)
		for (int i = 0; i < 2; i++) {
			bool begins = (i == 0) == begins_first;
			int64_t at_s = begins ? ration__zone_turn_local(&rule->begins, year) -
							rule->standard_s
					      : ration__zone_turn_local(&rule->ends, year) -
							rule->summer_s;

			if (at_s > last_s &&
				!append(zone, at_s, begins ? rule->summer_s : rule->standard_s))
				return false;
		}
	return true;
}

/* The text between the two line ends. */
static bool read_rule(struct reader *reader, struct ration__zone *zone)
{
	char text[256];
	size_t length = 0;
	const unsigned char *byte = take(reader, 1);
	struct ration__zone_rule rule;

	if (!byte || *byte != '\n')
		return false;
	while ((byte = take(reader, 1)) && *byte != '\n') {
		if (length == sizeof(text) - 1 || !*byte)
			return false;
		text[length++] = (char)*byte;
	}
	text[length] = 0;
	if (!byte)
		return false;
	if (!length) /* it goes on as it is, or nobody knows */
		return true;
	if (!ration__zone_rule_parse(text, &rule))
		return false;
	if (rule.summer)
		return write_rule(&rule, zone);
	if (zone->count == 1)
		zone->spans[0].offset_s = rule.standard_s;
	return true;
}

static int parse(const unsigned char *bytes, size_t size, struct ration__zone **out)
{
	struct reader reader = {bytes, bytes + size};
	struct counts counts;
	struct ration__zone *zone;
	const unsigned char *block;

	/* first the block for readers that know no more than 32 bits */
	if (!read_header(&reader, &counts) || !take(&reader, block_bytes(&counts, 4)) ||
		!read_header(&reader, &counts))
		return RATION_EIO;
	block = take(&reader, block_bytes(&counts, 8));
	if (!block || counts.type == 0 || counts.leap != 0)
		return RATION_EIO;
	zone = malloc(sizeof(*zone) +
		      sizeof(struct span) * (1 + (size_t)counts.time + 2 * (CYCLE_YEARS + 5)));
	if (!zone)
		return RATION_ENOMEM;
	zone->count = 0;
	zone->fold_s = INT64_MAX;
	if (!read_spans(&(struct reader){block, reader.at}, &counts, zone) ||
		!read_rule(&reader, zone)) {
		free(zone);
		return RATION_EIO;
	}
	*out = zone;
	return 0;
}

/* ---- loading ---- */

static bool is_name(const char *name)
{
	const char *part = name;

	if (!*name || strlen(name) >= NAME_MAX_BYTES)
		return false;
	for (;; part++) {
		size_t length = strcspn(part, "/");

		if (length == 0 || part[0] == '.') /* also a leading, trailing, double slash */
			return false;
		part += length;
		if (!*part)
			return true;
	}
}

static int read_whole(int fd, unsigned char *bytes, size_t room, size_t *size)
{
	size_t used = 0;

	while (used < room) {
		ssize_t n = read(fd, bytes + used, room - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return RATION_EIO;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	*size = used;
	return 0;
}

static int load_file(const char *name, struct ration__zone **zone)
{
	char path[sizeof(DIRECTORY) + NAME_MAX_BYTES] = DIRECTORY;
	unsigned char *bytes;
	struct stat status;
	size_t size;
	int fd, rc;

	memcpy(path + sizeof(DIRECTORY) - 1, name, strlen(name) + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? RATION_EINVAL : RATION_EIO;
	rc = fstat(fd, &status) < 0 ? RATION_EIO : 0;
	if (rc == 0 && !S_ISREG(status.st_mode))
		rc = RATION_EINVAL;
	if (rc == 0 && status.st_size > FILE_MAX_BYTES)
		rc = RATION_EIO;
	if (rc < 0)
		goto close;
	bytes = malloc((size_t)status.st_size + 1);
	rc = bytes ? read_whole(fd, bytes, (size_t)status.st_size, &size) : RATION_ENOMEM;
	if (rc == 0)
		rc = parse(bytes, size, zone);
	free(bytes);
close:
	close(fd);
	return rc;
}

int ration__zone_load(const char *name, struct ration__zone **out)
{
	struct ration__zone *zone;

	if (!is_name(name))
		return RATION_EINVAL;
	if (strcmp(name, "UTC") != 0)
		return load_file(name, out);
	zone = malloc(sizeof(*zone) + sizeof(zone->spans[0]));
	if (!zone)
		return RATION_ENOMEM;
	zone->count = 1;
	zone->fold_s = INT64_MAX;
	zone->spans[0] = (struct span){INT64_MIN, 0};
	*out = zone;
	return 0;
}

void ration__zone_free(struct ration__zone *zone)
{
	free(zone);
}

/* ---- questions ---- */

/* How far to move a time back so that it falls into what was written out. */
static int64_t fold(const struct ration__zone *zone, int64_t time_s)
{
	return time_s < zone->fold_s ? 0 : (1 + (time_s - zone->fold_s) / CYCLE_S) * CYCLE_S;
}

/* The last span that began by then. */
static uint32_t find(const struct ration__zone *zone, int64_t utc_s)
{
	uint32_t low = 0, high = zone->count; /* spans[low] began, spans[high] did not */

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (zone->spans[middle].from_s <= utc_s)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int32_t ration__zone_offset(const struct ration__zone *zone, int64_t utc_s)
{
	return zone ? zone->spans[find(zone, utc_s - fold(zone, utc_s))].offset_s : 0;
}

int64_t ration__zone_first(const struct ration__zone *zone, int64_t local_s)
{
	int64_t folded, first_s;
	uint32_t i;

	if (!zone)
		return local_s;
	/* an offset's length later, so that the answer is behind the fold too */
	folded = fold(zone, local_s - 2 * OFFSET_MAX_S);
	local_s -= folded;
	i = find(zone, local_s - 2 * OFFSET_MAX_S); /* no clock shows it before */
	while (i + 1 < zone->count &&
		zone->spans[i + 1].from_s + zone->spans[i].offset_s <= local_s)
		i++;
	first_s = local_s - zone->spans[i].offset_s;
	return folded + (i ? ration__max64(first_s, zone->spans[i].from_s) : first_s);
}
