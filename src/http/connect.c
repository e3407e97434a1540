/* How a connection is made: see http/connect.h. */
#include "http/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"

/* libcurl keeps a parsed bundle of authorities; a file that was replaced counts after this. */
#define CA_CACHE_S 300L
#define SECRET_MAX 1024
#define PATH_SHOWN 64
/* Before 8.4 a response of HTTP/2 that was cut off may be told as complete (8.0), and refused
 * streams are mishandled. */
#define HTTP_2_SINCE 0x080400u
/* Before 8.0 a connection in the clear that was HTTP/2 without asking breaks at its second request.
 */
#define PRIOR_REUSE_SINCE 0x080000u

#define HTTPS "https:"
#define ENVIRONMENT "environment"

/* ---- what the connection depends on ---- */

static bool is_tls(const struct ration__transfer *t)
{
	return t->origin.length > strlen(HTTPS) &&
	       strncasecmp(t->origin.data, HTTPS, strlen(HTTPS)) == 0;
}

static long http_version(const struct ration__service_conf *service, bool tls)
{
	const curl_version_info_data *info;

	switch ((enum ration__http_version)service->http) {
	case RATION__HTTP_1_1:
		return CURL_HTTP_VERSION_1_1;
	case RATION__HTTP_2:
		return tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
	case RATION__HTTP_2_PRIOR: /* over TLS it is asked for all the same */
		return tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
	case RATION__HTTP_AUTO:
		break;
	}
	if (!tls)
		return CURL_HTTP_VERSION_1_1;
	info = curl_version_info(CURLVERSION_NOW);
	return info->version_num >= HTTP_2_SINCE && info->features & CURL_VERSION_HTTP2
		       ? CURL_HTTP_VERSION_2TLS
		       : CURL_HTTP_VERSION_1_1;
}

/* Whom another origin asks for a certificate does not learn who we are. */
static struct ration__tls_conf tls_of(const struct ration__transfer *t)
{
	struct ration__tls_conf tls = t->service->tls;

	if (ration__transfer_is_foreign(t))
		tls.cert = tls.key = tls.key_password_file = NULL;
	return tls;
}

#define KEY_BYTES 4
#define KEY_STRINGS 4

struct key {
	char bytes[KEY_BYTES]; /* none is what a cleared buffer would have */
	const char *strings[KEY_STRINGS];
};

static void get_key(const struct ration__transfer *t, struct key *key)
{
	const struct ration__service_conf *service = t->service;
	struct ration__tls_conf tls = tls_of(t);

	*key = (struct key){.bytes = {is_tls(t) ? 's' : 'c', (char)service->http, (char)tls.verify,
				    (char)tls.min_version},
		.strings = {service->proxy, tls.ca, tls.cert, tls.key}};
	for (int i = 0; i < KEY_STRINGS; i++)
		if (!key->strings[i])
			key->strings[i] = "";
}

static bool is_set(const struct ration__transfer *t, const struct key *key)
{
	const char *at = t->connection.data;

	if (!t->connection.length || memcmp(at, key->bytes, KEY_BYTES) != 0)
		return false;
	at += KEY_BYTES;
	for (int i = 0; i < KEY_STRINGS; i++) {
		if (strcmp(at, key->strings[i]) != 0)
			return false;
		at += strlen(at) + 1;
	}
	return true;
}

static int keep_key(struct ration__transfer *t, const struct key *key)
{
	ration__buffer_clear(&t->connection);
	ration__buffer_append(&t->connection, key->bytes, KEY_BYTES);
	for (int i = 0; i < KEY_STRINGS; i++)
		ration__buffer_append(&t->connection, key->strings[i], strlen(key->strings[i]) + 1);
	return t->connection.failed ? RATION_ENOMEM : 0;
}

/* ---- options ---- */

/* "PATH: why"; of a long path the end, lest the why be lost. */
static void say(char *text, size_t size, const char *path, const char *why)
{
	size_t length = strlen(path);
	bool cut = length > PATH_SHOWN;

	snprintf(text, size, "%s%s: %s", cut ? "..." : "", path + (cut ? length - PATH_SHOWN : 0),
		why);
}

static void refuse(struct ration__transfer *t, int code, const char *path, const char *why)
{
	if (t->refused)
		return;
	t->refused = code;
	say(t->refusal, sizeof(t->refusal), path, why);
}

#define SET(option, value)                                             \
	do {                                                           \
		if (!rc)                                               \
			rc = curl_easy_setopt(t->easy, option, value); \
	} while (0)

/* What is given replaces the system's authorities, both kinds of them. */
static CURLcode set_authorities(struct ration__transfer *t, const char *ca)
{
	char *file = NULL, *folder = NULL;
	struct stat status = {.st_mode = 0};
	CURLcode rc = CURLE_OK;

	if (ca) {
		if (stat(ca, &status) != 0)
			refuse(t, RATION_ETLS, ca, strerror(errno));
		SET(CURLOPT_CAINFO, S_ISDIR(status.st_mode) ? NULL : ca);
		SET(CURLOPT_CAPATH, S_ISDIR(status.st_mode) ? ca : NULL);
		return rc;
	}
	curl_easy_getinfo(t->easy, CURLINFO_CAINFO, &file);
	curl_easy_getinfo(t->easy, CURLINFO_CAPATH, &folder);
	SET(CURLOPT_CAINFO, file);
	SET(CURLOPT_CAPATH, folder);
	return rc;
}

static CURLcode set_tls(struct ration__transfer *t)
{
	struct ration__tls_conf tls = tls_of(t);
	CURLcode rc = set_authorities(t, tls.ca && *tls.ca ? tls.ca : NULL);
	long version = tls.min_version == RATION__TLS_1_3 ? CURL_SSLVERSION_TLSv1_3
							  : CURL_SSLVERSION_TLSv1_2;

	SET(CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
	SET(CURLOPT_SSLCERT, tls.cert);
	SET(CURLOPT_SSLKEY, tls.key);
	SET(CURLOPT_SSL_VERIFYPEER, tls.verify ? 1L : 0L);
	SET(CURLOPT_SSL_VERIFYHOST, tls.verify ? 2L : 0L);
	SET(CURLOPT_SSLVERSION, version);
	return rc;
}

/* Always through a tunnel: the request is the server's, the proxy learns the host alone. */
static CURLcode set_proxy(struct ration__transfer *t, const char *proxy)
{
	bool asked = proxy && *proxy;
	bool environment = asked && strcmp(proxy, ENVIRONMENT) == 0;
	CURLcode rc = CURLE_OK;

	SET(CURLOPT_PROXY, environment ? NULL : asked ? proxy : "");
	SET(CURLOPT_NOPROXY, environment ? NULL : asked ? "" : "*");
	SET(CURLOPT_HTTPPROXYTUNNEL, asked ? 1L : 0L);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	return rc;
}

static CURLcode set_all(struct ration__transfer *t)
{
	const struct ration__service_conf *service = t->service;
	long version = http_version(service, is_tls(t));
	CURLcode rc = set_proxy(t, service->proxy);

	bool alone = version == CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE &&
		     curl_version_info(CURLVERSION_NOW)->version_num < PRIOR_REUSE_SINCE;

	t->multiplexed = version != CURL_HTTP_VERSION_1_1 && !alone;
	t->alone = alone; /* http/transfer.c makes a connection for each of them */
	SET(CURLOPT_HTTP_VERSION, version);
	SET(CURLOPT_FORBID_REUSE, alone ? 1L : 0L);
	/* Those that come while the first one connects are its connection's next streams. */
	SET(CURLOPT_PIPEWAIT, t->multiplexed ? 1L : 0L);
	if (!rc && is_tls(t))
		rc = set_tls(t);
	return rc;
}

/* ---- secrets ---- */

/* The file's first line. False: refused. */
static bool read_secret(
	struct ration__transfer *t, int code, const char *path, char secret[SECRET_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t length = fd < 0 ? -1 : read(fd, secret, SECRET_MAX - 1);
	const char *why = length < 0 ? strerror(errno) : NULL;

	if (fd >= 0)
		close(fd);
	secret[length < 0 ? 0 : length] = '\0';
	if (!why && length == SECRET_MAX - 1 && !strpbrk(secret, "\r\n"))
		why = "too long";
	secret[strcspn(secret, "\r\n")] = '\0';
	if (!why && !*secret)
		why = "empty";
	if (why)
		refuse(t, code, path, why);
	return !why;
}

/* code: of a file that is no good. */
static CURLcode set_secret(
	struct ration__transfer *t, int code, const char *path, CURLoption option)
{
	char secret[SECRET_MAX];
	CURLcode rc = CURLE_OK;

	if (!path || !*path)
		return CURLE_OK;
	if (read_secret(t, code, path, secret)) {
		t->has_secret = true;
		rc = curl_easy_setopt(t->easy, option, secret);
	}
	explicit_bzero(secret, sizeof(secret));
	return rc;
}

static CURLcode set_secrets(struct ration__transfer *t)
{
	const struct ration__service_conf *service = t->service;
	CURLcode rc = CURLE_OK;

	if (is_tls(t))
		rc = set_secret(t, RATION_ETLS, tls_of(t).key_password_file, CURLOPT_KEYPASSWD);
	if (!rc && service->proxy)
		rc = set_secret(t, RATION_EIO, service->proxy_auth_file, CURLOPT_PROXYUSERPWD);
	return rc;
}

void ration__connect_release(struct ration__transfer *t)
{
	if (!t->has_secret)
		return;
	t->has_secret = false;
	curl_easy_setopt(t->easy, CURLOPT_KEYPASSWD, NULL);
	curl_easy_setopt(t->easy, CURLOPT_PROXYUSERPWD, NULL);
}

int ration__connect_prepare(struct ration__transfer *t)
{
	struct key key;

	t->refused = 0;
	t->address_seen = false;
	t->uploaded = 0;
	get_key(t, &key);
	if (t->service->public_only && *key.strings[0]) {
		/* Whom a proxy connects to is not seen here. */
		t->refused = RATION_EADDRESS;
		snprintf(t->refusal, sizeof(t->refusal), "a proxy hides whom it connects to");
		return 0;
	}
	if (!is_set(t, &key)) {
		ration__buffer_clear(&t->connection); /* unless all goes well, set anew next time */
		if (set_all(t) != CURLE_OK)
			return RATION_ENOMEM;
		if (!t->refused && keep_key(t, &key) != 0)
			return RATION_ENOMEM;
	}
	return set_secrets(t) == CURLE_OK ? 0 : RATION_ENOMEM;
}

/* ---- errors ---- */

static bool cannot_read(const char *path, char *text, size_t size)
{
	if (!path || access(path, R_OK) == 0)
		return false;
	say(text, size, path, strerror(errno));
	return true;
}

bool ration__connect_blame(const struct ration__transfer *t, char *text, size_t size)
{
	const struct ration__tls_conf own = tls_of(t), *tls = &own;

	switch ((int)t->result) {
	case CURLE_SSL_CACERT_BADFILE:
		if (!tls->ca)
			return false;
		if (!cannot_read(tls->ca, text, size))
			say(text, size, tls->ca, "no authorities in it");
		return true;
	case CURLE_SSL_CERTPROBLEM:
		if (!tls->cert)
			return false;
		if (!cannot_read(tls->cert, text, size) && !cannot_read(tls->key, text, size))
			say(text, size, tls->cert, "does not go with its key and password");
		return true;
	default:
		return false;
	}
}
