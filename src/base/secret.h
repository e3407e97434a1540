/*
 * Secrets in files: the first line of a small regular file, fit for a header. What is read is the
 * caller's to wipe (explicit_bzero); nothing of it appears in what is said of a file that is wrong.
 *
 * Not here: when a file is read again.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define RATION__SECRET_MAX (16u << 10) /* bytes of the file */

struct ration__secret {
	size_t length;	 /* of text; at least 1 */
	bool exposed;	 /* others than its owner may write to the file */
	const char *why; /* what is wrong with it; static, or strerror's */
	char text[RATION__SECRET_MAX + 1];
};

/* Blanks at both ends of the line do not belong to it. Follows symbolic links; does not wait on
 * pipes. 0; with why: RATION_ENOFILE (it cannot be opened), RATION_ECONFIG (it is not what it
 * should be). [B] on the file */
int ration__secret_read(const char *path, struct ration__secret *secret);

#endif
