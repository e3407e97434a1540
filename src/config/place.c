/* Where a service is, as whom it is called, by which certificates: contradictions and files. See
 * service.h. */
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "config/file.h"
#include "config/preset.h"
#include "config/service.h"
#include "config/value.h"

struct place {
	const ration_config *config;
	const char *service;
	ration_error **err;
};

static const struct ration__entry *entry_of(const struct place *place, const char *pattern)
{
	return ration__bind_entry(place->config, pattern, place->service, NULL);
}

static int fail(const struct place *place, const struct ration__entry *entry, const char *what)
{
	return ration__bind_fail(entry, NULL, NULL, NULL, place->err, what);
}

/* An error of one of the readers below, as one about the setting. */
static int fail_by(
	const struct place *place, const struct ration__entry *entry, int rc, ration_error *why)
{
	if (rc == RATION_ENOMEM || !why) {
		ration_error_free(why);
		return ration__error_set(
			place->err, RATION_ENOMEM, "%s", ration_strerror(RATION_ENOMEM));
	}
	fail(place, entry, ration_error_text(why));
	ration_error_free(why);
	return RATION_ECONFIG;
}

bool ration__place_exists(const ration_config *config, const char *service)
{
	return ration__bind_entry(config, "services.*.uri_file", service, NULL) ||
	       ration__service_uris(config, service);
}

/* ---- nodes ---- */

int ration__place_nodes(const ration_config *config, const char *service,
	struct ration__uri_list *out, ration_error **err)
{
	const struct place place = {config, service, err};
	const struct ration__entry *entry = entry_of(&place, "services.*.uri_file");
	struct ration__uri_list list = {0};
	ration_error *why = NULL;
	const char *uris;
	int rc = 0;

	if (entry) {
		rc = ration__uri_list_read(entry->text, &list, &why);
	} else {
		uris = ration__service_uris(config, service);
		entry = entry_of(&place, "services.*.uris");
		if (uris) /* a preset's is one, and cannot be there twice */
			rc = ration__uri_list_parse(uris, &list, &why);
	}
	if (rc < 0)
		return fail_by(&place, entry, rc, why);
	*out = list;
	return 0;
}

/* A guard takes nothing that speaks of HTTP. */
static int check_guard(const struct place *place)
{
	size_t count, at = ration__bind_below_pattern(
			      place->config, "services.*", place->service, NULL, &count);

	for (size_t i = at; i < at + count; i++)
		if (place->config->entries[i]->setting->http)
			return fail(place, place->config->entries[i],
				"the service has no place to send to: it needs uris, uri_file or a "
				"preset with a uri");
	return 0;
}

/* ---- files ---- */

static int check_file(
	const struct place *place, const struct ration__entry *entry, const char *path)
{
	int code = ration__file_probe(path);
	char text[RATION__PATH_MAX];

	if (!code)
		return 0;
	snprintf(text, sizeof(text), "%.500s: %s", path, strerror(code));
	return fail(place, entry, text);
}

/* "/run/secrets/notion/{tenant}": the folder in which the first name stands. */
static int check_token_file(const struct place *place)
{
	const struct ration__entry *entry = entry_of(place, "services.*.auth.bearer_file");
	char folder[RATION__TEXT_MAX + 1];
	const char *at, *end, *first;
	char name[RATION__KEYNAME_MAX];

	if (!entry)
		return 0;
	first = strchr(entry->text, '{');
	for (at = first; at; at = strchr(end, '{')) {
		end = at + 1 + strcspn(at + 1, "{}");
		snprintf(name, sizeof(name), "%.*s", (int)(end - at - 1), at + 1);
		if (*end != '}' || (size_t)(end - at - 1) >= sizeof(name) ||
			!ration__name_ok(name, sizeof(name)))
			return fail(place, entry,
				"expected a key's name in braces, such as {tenant}, or no braces");
	}
	if (!first)
		return check_file(place, entry, entry->text);
	memcpy(folder, entry->text, (size_t)(first - entry->text));
	folder[first - entry->text] = '\0';
	if (!strrchr(folder, '/'))
		strcpy(folder, "./");
	strrchr(folder, '/')[1] = '\0';
	return check_file(place, entry, folder);
}

static int check_files(const struct place *place)
{
	static const char *const patterns[] = {"services.*.tls.ca", "services.*.tls.cert",
		"services.*.tls.key", "services.*.tls.key_password_file",
		"services.*.auth.basic_file", "services.*.proxy_auth_file"};
	int rc = check_token_file(place);

	for (size_t i = 0; rc == 0 && i < RATION__COUNT(patterns); i++) {
		const struct ration__entry *entry = entry_of(place, patterns[i]);

		if (entry)
			rc = check_file(place, entry, entry->text);
	}
	return rc;
}

/* ---- what does not go together ---- */

static int check_auth(const struct place *place)
{
	static const char *const patterns[] = {"services.*.auth.bearer",
		"services.*.auth.bearer_file", "services.*.auth.basic_file"};
	const struct ration__entry *first = NULL;

	for (size_t i = 0; i < RATION__COUNT(patterns); i++) {
		const struct ration__entry *entry = entry_of(place, patterns[i]);

		if (entry && first)
			return fail(place, entry,
				"of bearer, bearer_file and basic_file only one may be set");
		first = entry ? entry : first;
	}
	return 0;
}

/* All of the nodes are spoken to in clear. */
static bool is_clear(const struct place *place)
{
	const char *uris = ration__service_uris(place->config, place->service);

	return uris && !strcasestr(uris, "https://");
}

/* To other origins, which are not told whose certificate it is. */
static bool is_redirected(const struct place *place)
{
	const struct ration__entry *redirects = entry_of(place, "services.*.response.redirects");

	return redirects && !strcmp(redirects->text, "any");
}

/* Each of these says nothing without the other one. */
static const struct {
	const char *pattern, *other, *what;
} pairs[] = {
	{"services.*.tls.cert", "services.*.tls.key",
		"needs key as well: the same file, where it holds both"},
	{"services.*.tls.key", "services.*.tls.cert", "needs cert as well"},
	{"services.*.tls.key_password_file", "services.*.tls.key", "needs cert and key as well"},
	{"services.*.proxy_auth_file", "services.*.proxy", "needs proxy as well"},
};

static int check_pairs(const struct place *place)
{
	for (size_t i = 0; i < RATION__COUNT(pairs); i++) {
		const struct ration__entry *entry = entry_of(place, pairs[i].pattern);
		const struct ration__entry *other = entry_of(place, pairs[i].other);

		if (entry && (!other || !strcmp(other->text, "none")))
			return fail(place, entry, pairs[i].what);
	}
	return 0;
}

/* A proxy connects where it likes. */
static int check_addresses(const struct place *place)
{
	const struct ration__entry *entry = entry_of(place, "services.*.connections.addresses");
	const struct ration__entry *proxy = entry_of(place, "services.*.proxy");

	if (entry && proxy && !strcmp(entry->text, "public") && strcmp(proxy->text, "none") != 0)
		return fail(place, entry, "cannot be public: a proxy hides whom it connects to");
	return 0;
}

static int check_tls(const struct place *place)
{
	const struct ration__entry *entry = entry_of(place, "services.*.tls.ca");

	if (!is_clear(place))
		return 0;
	if (!entry || is_redirected(place))
		entry = entry_of(place, "services.*.tls.cert");
	return entry ? fail(place, entry, "is never used: all of the service's uris are http://")
		     : 0;
}

int ration__place_check(const ration_config *config, const char *service, ration_error **err)
{
	const struct place place = {config, service, err};
	const struct ration__entry *file = entry_of(&place, "services.*.uri_file");
	struct ration__preset preset;
	const char *name;
	int rc = ration__preset_of(config, service, &preset, &name, err);

	if (rc < 0)
		return rc;
	if (file && entry_of(&place, "services.*.uris"))
		return fail(&place, file, "of uris and uri_file only one may be set");
	if (!ration__place_exists(config, service))
		return check_guard(&place);
	rc = check_auth(&place);
	if (rc == 0)
		rc = check_pairs(&place);
	if (rc == 0)
		rc = check_addresses(&place);
	if (rc == 0)
		rc = check_tls(&place);
	return rc ? rc : check_files(&place);
}
