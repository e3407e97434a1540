/* Where the values of "json" and "meta" stand in a job line: they pass through byte by byte, so
 * that no number is rounded and no key reordered on the way. */
#ifndef CLI_JOB_MEMBERS_H
#define CLI_JOB_MEMBERS_H

#include "cli/job_line.h"

/* job->text is the valid JSON object that job->root was read from; fills job->json and job->meta.
 */
void ration__job_members_find(struct ration__job_line *job);

#endif
