/*
 * Tokens from files: one, or one for each value of a key ("/run/secrets/{tenant}").
 *
 * Files are read again when they are used and a second has passed, and at once after a 401: their
 * content is what is compared, so a file that was written in place, renamed over, or reached
 * through a link that was swapped are one and the same, and no thread is needed. A read of so small
 * a file costs less than a send; it happens under the mutex, so that a thousand jobs make one of
 * it.
 *
 * A file that is there and says nothing right (it is just being written) leaves the last good token
 * in use; one that is gone takes its token with it.
 */
#include "pool/token_source.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/secret.h"
#include "base/util.h"
#include "pool/table.h"

#define FRESH_NS RATION__NS_PER_S
#define VALUE_MAX 200 /* of a key in a file's name */

struct file {
	struct ration__entry entry; /* by path */
	struct file *newer, *older;
	struct ration__token *token; /* NULL: none to be had */
	int64_t read_ns;
	const char *why; /* what was wrong when it was last read; NULL */
	bool told;	 /* that others may write to it */
	char path[];
};

/* What there is to say once the mutex is left. */
struct news {
	enum ration_log_level level;
	const char *text; /* NULL: nothing */
	const char *why;
};

struct ration__token_files {
	struct ration__tokens *tokens;
	const char *name;  /* the configuration's, with {key} */
	bool basic, keyed; /* keyed: the name has one in it */

	pthread_mutex_t mutex; /* what follows */
	struct ration__table table;
	struct file *newest, *oldest;
	struct ration__secret secret; /* scratch; wiped after use */
};

/* ---- names ---- */

static bool check_name(const char *name)
{
	const char *end;

	for (; *name; name++) {
		if (*name == '}')
			return false;
		if (*name != '{')
			continue;
		end = strpbrk(name + 1, "{}/");
		if (!end || *end != '}' || end == name + 1)
			return false;
		name = end;
	}
	return true;
}

/* A value must stay the part of one file's name that it stands for. */
static bool value_ok(const char *value)
{
	size_t length = strnlen(value, VALUE_MAX + 1);

	if (length == 0 || length > VALUE_MAX || *value == '.' || strstr(value, ".."))
		return false;
	for (; *value; value++)
		if (*value == '/' || (unsigned char)*value < ' ' || *value == 0x7f)
			return false;
	return true;
}

static int make_path(const struct ration__token_files *files, const char *keys, uint8_t key_count,
	char path[PATH_MAX])
{
	const char *name = files->name;
	size_t at = 0;

	while (*name) {
		const char *part = name;
		size_t length = strcspn(name, "{");

		if (length) {
			name += length;
		} else {
			size_t span = strcspn(name + 1, "}");

			part = ration__token_key(keys, key_count, name + 1, span);
			if (!part || !value_ok(part))
				return RATION_EKEY;
			length = strlen(part);
			name += span + 2;
		}
		if (at + length >= PATH_MAX)
			return RATION_EKEY;
		memcpy(path + at, part, length);
		at += length;
	}
	path[at] = '\0';
	return 0;
}

/* ---- reading ---- */

/* "user:password" as basic authentication sends it. */
static struct ration__token *make_basic(struct ration__token_files *files, const char *path)
{
	const struct ration__secret *secret = &files->secret;
	size_t length = ration__base64_length(secret->length);
	char *text = malloc(length + 1);
	struct ration__token *token;

	if (!text)
		return NULL;
	ration__base64(secret->text, secret->length, text);
	token = ration__token_new(files->tokens, text, length, path);
	explicit_bzero(text, length);
	free(text);
	return token;
}

/* What the file says now: 0, RATION_ENOFILE, RATION_ECONFIG, both with *why, or RATION_ENOMEM. */
static int read_token(struct ration__token_files *files, const char *path,
	struct ration__token **token, const char **why)
{
	struct ration__secret *secret = &files->secret;
	int rc = ration__secret_read(path, secret);

	if (rc == 0 && files->basic && !strchr(secret->text, ':')) {
		secret->why = "its first line is not user:password";
		rc = RATION_ECONFIG;
	}
	*why = secret->why;
	if (rc == 0) {
		*token = files->basic ? make_basic(files, path)
				      : ration__token_new(
						files->tokens, secret->text, secret->length, path);
		*why = NULL;
		rc = *token ? 0 : RATION_ENOMEM;
	}
	explicit_bzero(secret->text, sizeof(secret->text));
	return rc;
}

static void take_read(struct file *file, struct ration__token *token, struct news *news)
{
	if (file->token && !ration__token_equal(file->token, token))
		*news = (struct news){RATION_LOG_INFO, "has another token now", NULL};
	else if (file->why)
		*news = (struct news){RATION_LOG_INFO, "is right again", NULL};
	file->why = NULL;
	if (ration__token_equal(file->token, token)) {
		ration__token_unref(token);
		return;
	}
	ration__token_unref(file->token);
	file->token = token;
}

static void take_trouble(struct file *file, int rc, const char *why, bool keyed, struct news *news)
{
	if (rc == RATION_ENOFILE) {
		ration__token_unref(file->token);
		file->token = NULL;
	}
	if (file->why != why) /* of files that keys name, missing ones are the callers' matter */
		*news = (struct news){keyed ? RATION_LOG_INFO : RATION_LOG_WARNING,
			file->token ? "is wrong, its last token stays in use" : "gives no token",
			why};
	file->why = why;
}

static void refresh(struct ration__token_files *files, struct file *file, struct news *news)
{
	struct ration__token *token = NULL;
	const char *why = NULL;
	int rc = read_token(files, file->path, &token, &why);

	file->read_ns = ration__clock_now(&files->tokens->options.clock, RATION_CLOCK_STEADY);
	if (rc == RATION_ENOMEM) /* as it was; next time */
		return;
	if (rc < 0) {
		take_trouble(file, rc, why, files->keyed, news);
		return;
	}
	take_read(file, token, news);
	if (files->secret.exposed && !file->told) {
		file->told = true;
		*news = (struct news){RATION_LOG_WARNING, "may be written by others", NULL};
	}
}

static void tell(struct ration__token_files *files, const char *path, const struct news *news)
{
	if (news->text)
		ration__token_log(files->tokens, news->level, "service %s: %s %s%s%s",
			files->tokens->options.service, path, news->text, news->why ? ": " : "",
			news->why ? news->why : "");
}

/* ---- the table; under the mutex ---- */

static void unlink_file(struct ration__token_files *files, struct file *file)
{
	*(file->newer ? &file->newer->older : &files->newest) = file->older;
	*(file->older ? &file->older->newer : &files->oldest) = file->newer;
}

static void link_newest(struct ration__token_files *files, struct file *file)
{
	file->newer = NULL;
	file->older = files->newest;
	*(file->older ? &file->older->newer : &files->oldest) = file;
	files->newest = file;
}

static void free_file(struct ration__token_files *files, struct file *file)
{
	unlink_file(files, file);
	ration__table_remove(&files->table, &file->entry);
	ration__token_unref(file->token);
	free(file);
}

/* The file of that path, now the last used one; NULL: out of memory. */
static struct file *find_file(struct ration__token_files *files, const char *path)
{
	uint64_t hash = ration__hash64(path, strlen(path));
	struct ration__entry *entry = ration__table_find(&files->table, hash);
	struct file *file;

	for (; entry; entry = ration__table_again(entry)) {
		file = RATION__CONTAINER(entry, struct file, entry);
		if (strcmp(file->path, path) == 0) {
			unlink_file(files, file);
			link_newest(files, file);
			return file;
		}
	}
	file = calloc(1, sizeof(*file) + strlen(path) + 1);
	if (!file)
		return NULL;
	strcpy(file->path, path);
	file->read_ns = -1;
	if (files->table.count >= RATION__TOKENS_KEPT)
		free_file(files, files->oldest);
	ration__table_add(&files->table, &file->entry, hash);
	link_newest(files, file);
	return file;
}

/* again: whatever its age, unless it is another token than that one already. */
static int look_at(struct ration__token_files *files, const char *path,
	const struct ration__token *again, struct ration__token **token)
{
	struct news news = {.text = NULL};
	int64_t now_ns = ration__clock_now(&files->tokens->options.clock, RATION_CLOCK_STEADY);
	struct file *file;
	int rc = 0;

	pthread_mutex_lock(&files->mutex);
	file = find_file(files, path);
	if (!file) {
		rc = RATION_ENOMEM;
	} else {
		if (file->read_ns < 0 || now_ns - file->read_ns >= FRESH_NS ||
			(again && (!file->token || ration__token_equal(file->token, again))))
			refresh(files, file, &news);
		if (file->token)
			*token = ration__token_ref(file->token);
		else
			rc = file->why ? RATION_ETOKEN : RATION_ENOMEM;
	}
	pthread_mutex_unlock(&files->mutex);
	tell(files, path, &news);
	return rc;
}

/* ---- for token.c ---- */

int ration__token_files_new(
	struct ration__tokens *tokens, struct ration__token_files **out, ration_error **err)
{
	const struct ration__auth_conf *auth = tokens->options.auth;
	const char *setting = auth->bearer_file ? "bearer_file" : "basic_file", *why = NULL;
	struct ration__token_files *files = calloc(1, sizeof(*files));
	struct ration__token *token = NULL;
	int rc = 0;

	if (!files)
		return ration__error_set(err, RATION_ENOMEM, "out of memory");
	files->tokens = tokens;
	files->basic = !auth->bearer_file;
	files->name = files->basic ? auth->basic_file : auth->bearer_file;
	files->keyed = strchr(files->name, '{');
	pthread_mutex_init(&files->mutex, NULL);
	ration__table_init(&files->table);
	if (!check_name(files->name)) {
		rc = RATION_ECONFIG;
		why = "braces enclose the name of a key, such as {tenant}";
	} else if (!files->keyed) {
		rc = read_token(files, files->name, &token, &why);
		ration__token_unref(token);
	}
	if (rc == 0) {
		*out = files;
		return 0;
	}
	if (rc == RATION_ENOMEM)
		ration__error_set(err, rc, "out of memory");
	else
		ration__error_set(err, rc, "service %s: auth.%s: %s: %s", tokens->options.service,
			setting, files->name, why);
	ration__token_files_free(files);
	return rc;
}

void ration__token_files_free(struct ration__token_files *files)
{
	if (!files)
		return;
	while (files->oldest)
		free_file(files, files->oldest);
	ration__table_fini(&files->table);
	pthread_mutex_destroy(&files->mutex);
	free(files);
}

int ration__token_files_get(struct ration__token_files *files, const char *keys, uint8_t key_count,
	const struct ration__token *rejected, struct ration__token **token)
{
	char path[PATH_MAX];
	int rc = make_path(files, keys, key_count, path);

	return rc < 0 ? rc : look_at(files, path, rejected, token);
}

bool ration__token_files_changed(
	struct ration__token_files *files, const struct ration__token *token)
{
	struct ration__token *now = NULL;
	bool changed = look_at(files, token->text + token->path, token, &now) == 0 &&
		       !ration__token_equal(now, token);

	ration__token_unref(now);
	return changed;
}
