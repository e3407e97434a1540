/* Small files, whole. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stddef.h>
#include <ration/error.h>

/* Reads at most max + 1 bytes, for which out has room, so that the caller can tell what is too
 * large. 0, RATION_ENOFILE. */
int ration__file_read(const char *path, char *out, size_t max, size_t *length, ration_error **err);
/* 0, or the errno with which the file cannot be read. Directories can be. */
int ration__file_probe(const char *path);

#endif
