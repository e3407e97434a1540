/* One line of the input as a job: recognised and checked. See job_line.h; the request is built in
 * job_request.c. */
#include "cli/job_line.h"

#include <string.h>
#include "base/error.h"
#include "base/units.h"
#include "base/util.h"
#include "cli/job_members.h"

/* What a member may hold. null stands for "not given" everywhere, as programs write what they leave
 * empty. */
enum kind { STRING = 1, OBJECT = 2, NUMBER = 4, INTEGER = 8, ANY = 16 };

static const struct member {
	const char *name;
	unsigned kinds;
	const char *expected;
} members[] = {
	{"id", STRING, "a string"},
	{"service", STRING, "a service's name"},
	{"method", STRING, "a method such as \"POST\""},
	{"url", STRING, "an absolute URL"},
	{"path", STRING, "a path such as \"/v1/users\""},
	{"query", OBJECT, "an object of names and values"},
	{"headers", OBJECT, "an object of names and strings"},
	{"body", STRING, "a string"},
	{"json", ANY, ""},
	{"form", OBJECT, "an object of names and values"},
	{"body_b64", STRING, "a string in base64"},
	{"body_file", STRING, "a file's path"},
	{"keys", OBJECT, "an object of names and values"},
	{"cost", NUMBER | OBJECT, "a number, or an object of units and numbers"},
	{"priority", INTEGER, "an integer from -100 to 100"},
	{"deadline", STRING, "a duration such as \"30s\""},
	{"idempotency_key", STRING, "a string"},
	{"meta", ANY, ""},
};

bool ration__job_line_empty(const char *text)
{
	text += strspn(text, " \t");
	return !*text || *text == '#';
}

static unsigned kind_of(const json_t *value)
{
	double number;

	switch (json_typeof(value)) {
	case JSON_STRING:
		return STRING | ANY;
	case JSON_OBJECT:
		return OBJECT | ANY;
	case JSON_INTEGER:
		return NUMBER | INTEGER | ANY;
	case JSON_REAL:
		/* a line with a huge integer somewhere is read with all integers as reals */
		number = json_real_value(value);
		return NUMBER | ANY |
		       (number >= -1e15 && number <= 1e15 && number == (int64_t)number
				       ? (unsigned)INTEGER
				       : 0);
	default:
		return ANY;
	}
}

static const struct member *find(const char *name)
{
	for (size_t i = 0; i < RATION__COUNT(members); i++)
		if (!strcmp(members[i].name, name))
			return &members[i];
	return NULL;
}

static int check_members(const json_t *root, ration_error **err)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)root, key, value)
	{
		const struct member *member = find(key);

		if (!member)
			return ration__error_set(err, RATION_EINVAL, "unknown key \"%.100s\"", key);
		if (json_is_null(value) || kind_of(value) & member->kinds)
			continue;
		return ration__error_set(
			err, RATION_EINVAL, "%s: expected %s", member->name, member->expected);
	}
	return 0;
}

/* NUL cannot be part of any of these; false: it is. */
static bool text_of(const json_t *root, const char *name, const char **out)
{
	const json_t *value = json_object_get(root, name);

	*out = json_string_value(value);
	return !*out || strlen(*out) == json_string_length(value);
}

static int read_texts(struct ration__job_line *job, ration_error **err)
{
	const struct {
		const char *name;
		const char **out;
	} texts[] = {{"id", &job->id}, {"service", &job->service}, {"method", &job->method},
		{"url", &job->url}, {"path", &job->path}};

	for (size_t i = 0; i < RATION__COUNT(texts); i++)
		if (!text_of(job->root, texts[i].name, texts[i].out))
			return ration__error_set(
				err, RATION_EINVAL, "%s: a NUL character", texts[i].name);
	if (!job->url == !job->path)
		return ration__error_set(err, RATION_EINVAL,
			"expected one of \"url\" and \"path\"%s", job->url ? ", not both" : "");
	if (job->path && job->path[0] != '/')
		return ration__error_set(
			err, RATION_EURL, "path: expected a path such as \"/v1/users\"");
	return 0;
}

static int read_deadline(struct ration__job_line *job, ration_error **err)
{
	const char *text;
	int64_t ns;

	if (!text_of(job->root, "deadline", &text) ||
		(text && ration__parse_duration(text, &ns) < 0))
		return ration__error_set(err, RATION_EINVAL,
			"deadline: \"%.40s\": expected a duration such as 30s", text);
	if (text)
		job->deadline_ms = ns / 1000000;
	return 0;
}

/* A second parse, with integers as reals, is for what only passes through ("json", "meta"): there
 * the line's own text counts, not the number. */
static json_t *parse_json(const char *text, size_t length, json_error_t *why)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
	json_t *root = json_loadb(text, length, flags, why);

	if (!root && json_error_code(why) == json_error_numeric_overflow)
		root = json_loadb(text, length, flags | JSON_DECODE_INT_AS_REAL, why);
	return root;
}

static int parse_object(struct ration__job_line *job, size_t length, ration_error **err)
{
	json_error_t why;
	int rc;

	job->root = parse_json(job->text, length, &why);
	if (!job->root && json_error_code(&why) == json_error_out_of_memory)
		return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	if (!job->root)
		return ration__error_set(
			err, RATION_EJSON, "invalid JSON: column %d: %s", why.column, why.text);
	/* first, so that the result of a bad job names it */
	if (!text_of(job->root, "id", &job->id))
		job->id = NULL;
	rc = check_members(job->root, err);
	if (rc == 0)
		rc = read_texts(job, err);
	if (rc == 0)
		rc = read_deadline(job, err);
	if (rc == 0)
		ration__job_members_find(job);
	return rc;
}

int ration__job_line_parse(
	struct ration__job_line *job, char *text, size_t length, ration_error **err)
{
	size_t blanks = strspn(text, " \t");

	*job = (struct ration__job_line){.text = text, .deadline_ms = -1};
	if (text[blanks] == '{')
		return parse_object(job, length, err);
	if (strlen(text) != length)
		return ration__error_set(err, RATION_EURL, "invalid URL: a NUL character");
	while (length > blanks && strchr(" \t", text[length - 1]))
		text[--length] = '\0';
	text += blanks;
	if (text[0] == '/')
		job->path = text;
	else
		job->url = text;
	return 0;
}

void ration__job_line_fini(struct ration__job_line *job)
{
	json_decref(job->root);
	*job = (struct ration__job_line){.deadline_ms = -1};
}
