/* Configuration from files and texts in memory. */
#include "config/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config/settings.h"

int ration_config_load_text(
	ration_config *config, const char *text, const char *name, ration_error **err)
{
	if (!config || !text)
		return ration__error_set(err, RATION_EINVAL, "%s", ration_strerror(RATION_EINVAL));
	return ration__settings_load(config, text, strlen(text), name ? name : "(text)", err);
}

int ration__file_read(const char *path, char *out, size_t max, size_t *length, ration_error **err)
{
	size_t used = 0;
	ssize_t n = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	while (fd >= 0 && n > 0 && used <= max) {
		n = read(fd, out + used, max + 1 - used);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			used += (size_t)n;
	}
	if (fd < 0 || n < 0) {
		int code = errno;

		if (fd >= 0)
			close(fd);
		return ration__error_set(err, RATION_ENOFILE, "%s: %s", path, strerror(code));
	}
	close(fd);
	*length = used;
	return 0;
}

int ration__file_probe(const char *path)
{
	/* not to wait for a fifo's other end */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

int ration_config_load(ration_config *config, const char *path, ration_error **err)
{
	size_t length = 0;
	char *text;
	int rc;

	if (!config || !path)
		return ration__error_set(err, RATION_EINVAL, "%s", ration_strerror(RATION_EINVAL));
	text = malloc(RATION__FILE_MAX + 1);
	if (!text)
		return ration__error_set(err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	rc = ration__file_read(path, text, RATION__FILE_MAX, &length, err);
	if (rc == 0)
		rc = ration__settings_load(config, text, length, path, err);
	free(text);
	return rc;
}
