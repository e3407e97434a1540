/*
 * One line of the input as a job: a URL (a GET), or a JSON object. The format is documented in
 * ration-jobs(5); an unknown key is refused, since a misspelt "deadline" must not be a job without
 * one. Mistakes name the key and what would be right.
 *
 * Not here: which service a job without one belongs to, and sending.
 */
#ifndef CLI_JOB_LINE_H
#define CLI_JOB_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ration/client.h>

/* A "body_file" may hold this much. */
#define RATION__BODY_FILE_MAX (UINT64_C(256) << 20)

/* The text of a member's value as it stands in the line. */
struct ration__job_span {
	size_t start, length; /* length 0: no such member */
};

struct ration__job_line {
	char *text;   /* the line; borrowed, and written to while the request is built */
	json_t *root; /* NULL: the line is a URL */
	/* borrowed from the two above; NULL when not given */
	const char *id, *service, *method, *url, *path;
	int64_t deadline_ms; /* -1: none given */
	struct ration__job_span json, meta;
};

/* Nothing but blanks, or a comment ("#"). */
bool ration__job_line_empty(const char *text);
/* text: `length` bytes and a NUL, writable, alive until _fini. The result is zeroed but for the id
 * (for the result line) on failure; _fini it in any case. 0, RATION_EJSON, RATION_EINVAL,
 * RATION_EURL, RATION_ENOMEM. */
int ration__job_line_parse(
	struct ration__job_line *job, char *text, size_t length, ration_error **err);
/* The request without deadline, for that service; *bytes is about what it holds in memory. 0 or the
 * above, and what the setters of requests answer. Blocks on a "body_file". */
int ration__job_line_request(struct ration__job_line *job, const char *service,
	ration_request **request, size_t *bytes, ration_error **err);
void ration__job_line_fini(struct ration__job_line *job);

#endif
