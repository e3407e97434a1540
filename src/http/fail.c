/* Of attempts that failed, in words: see fail.h. */
#include "http/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ration/error.h>
#include "base/util.h"
#include "http/transfer.h"

#define DEBUG_MAX 640

/* Codes of what is no answer. */
static enum ration__end end_of(int code)
{
	switch (code) {
	case RATION_EDNS:
	case RATION_ECONNECT:
	case RATION_ETLS:
	case RATION_ECONNECTTIMEOUT:
		return RATION__END_NOT_SENT;
	case RATION_ERESET:
	case RATION_EPROTOCOL:
	case RATION_EUNKNOWN:
	case RATION_ETIMEOUT:
	case RATION_EREADTIMEOUT:
	case RATION_EWRITETIMEOUT:
	case RATION_EATTEMPTTIMEOUT:
		return RATION__END_AMBIGUOUS;
	case RATION_EBODY:
	case RATION_EREDIRECT:
	case RATION_EADDRESS:
	case RATION_EDEADLINE:
	case RATION_EEXHAUSTED:
		return RATION__END_PERMANENT;
	case RATION_ECANCELLED:
		return RATION__END_CANCELLED;
	default: /* this host's own: passes, or it does not */
		return ration_code_retryable(code) ? RATION__END_LOCAL : RATION__END_PERMANENT;
	}
}

/* Codes of answers: a status that stands for all of theirs; 0: none. */
static int status_of(int code)
{
	switch (code) {
	case RATION_OK:
		return 200;
	case RATION_EREQUEST:
	case RATION_ESTATUS:
		return 400;
	case RATION_EAUTH:
		return 401;
	case RATION_ENOTFOUND:
		return 404;
	case RATION_ESERVERTIMEOUT:
		return 408;
	case RATION_ETHROTTLED:
		return 429;
	case RATION_ESERVER:
		return 500;
	case RATION_EUNAVAILABLE:
		return 503;
	default:
		return 0;
	}
}

void ration__end_of_code(int code, struct ration__attempt_end *end)
{
	*end = (struct ration__attempt_end){.status = status_of(code)};
	if (end->status) {
		end->end = RATION__END_ANSWERED;
		return;
	}
	/* a denial is this side's: nothing was done, and nothing is to be concluded */
	end->end = code > 0 ? RATION__END_PERMANENT : end_of(code);
	end->timed_out = strcmp(ration_code_kind(code), "TIMEOUT") == 0;
	end->unsent = code == RATION_ETOKEN;
}

/* ---- words ---- */

void ration__fail_reason(const struct ration__transfer *t, char *out, size_t size)
{
	long number = 0;
	const char *system = NULL;

	if (curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number) == CURLE_OK && number > 0)
		system = strerrordesc_np((int)number);
	/* "connection refused" says more than that it failed, which the code has said */
	if (t->result == CURLE_COULDNT_CONNECT)
		snprintf(out, size, "%s", system ? system : "");
	else
		snprintf(out, size, "%s", curl_easy_strerror(t->result));
}

/* libcurl quotes what servers send; a URL in it ends at its query. */
static void put_text(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 1 < size; text++) {
		unsigned char c = (unsigned char)*text;
		size_t host = strcspn(text, "/@ ?'\"");

		if (c == '?') { /* of a URL: the query goes; else only a word does */
			text += strcspn(text, " '\"") - 1;
			continue;
		}
		if (text[host] == '@') { /* user information */
			text += host;
			continue;
		}
		out[n++] = (char)(c < ' ' || c == 0x7f ? ' ' : c);
	}
	out[n] = '\0';
}

char *ration__fail_debug(const struct ration__transfer *t)
{
	char text[CURL_ERROR_SIZE] = "", *ip = NULL, *debug;
	long port = 0, verify = 0;
	size_t at = 0;

	debug = malloc(DEBUG_MAX);
	if (!debug)
		return NULL;
	put_text(text, sizeof(text), t->error);
	if (t->has_socket || t->sends) { /* before, the handle still tells of its last transfer */
		curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &ip);
		curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_PORT, &port);
		curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
	}
	if (t->result)
		at += (size_t)snprintf(debug, DEBUG_MAX, "libcurl %d (%s)%s%s", (int)t->result,
			curl_easy_strerror(t->result), text[0] ? ": " : "", text);
	else
		at += (size_t)snprintf(debug, DEBUG_MAX, "ended by us");
	if (at < DEBUG_MAX && ip && *ip)
		at += (size_t)snprintf(
			debug + at, DEBUG_MAX - at, "; address %s port %ld", ip, port);
	if (at < DEBUG_MAX && verify)
		snprintf(debug + at, DEBUG_MAX - at, "; certificate check %ld", verify);
	return debug;
}
