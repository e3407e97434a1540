/* Paths of settings: components joined by dots. A component that holds a dot stands in double
 * quotes, as in services."http://127.0.0.1:8080".limits; what quotes and escapes is only here. */
#ifndef CONFIG_PATH_H
#define CONFIG_PATH_H

#include <stddef.h>
#include <stdint.h>

#define RATION__PATH_PARTS 8
#define RATION__PATH_MAX 1024 /* text, with the NUL */
#define RATION__PART_MAX 128  /* one component, with the NUL */

struct ration__path {
	unsigned count;
	uint16_t end; /* first free byte of text */
	uint16_t at[RATION__PATH_PARTS];
	char text[RATION__PATH_PARTS * RATION__PART_MAX];
};

void ration__path_init(struct ration__path *path);
/* 0; RATION_EINVAL: empty component, open quote, too long or too deep. */
int ration__path_parse(const char *text, struct ration__path *path);
/* 0; RATION_EINVAL: too long or too deep. Any text can be a component. */
int ration__path_push(struct ration__path *path, const char *part);
void ration__path_pop(struct ration__path *path);
static inline const char *ration__path_part(const struct ration__path *path, unsigned i)
{
	return path->text + path->at[i];
}
/* The one spelling of a path, which parses back. A component with control characters or quotes is
 * shown with ? for them: no name of a setting has any. */
void ration__path_format(const struct ration__path *path, char out[RATION__PATH_MAX + 16]);

#endif
