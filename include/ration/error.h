/*
 * Error codes and denials of libration.
 *
 * Every function that can fail returns int: 0 is yes, a positive number is a denial (an answer:
 * "not now", with a reason), a negative number is one of RATION_E* (no decision could be made).
 * A value, once released, never changes and is never used again for something else.
 *
 * One list makes the enumeration, the names, the texts and the manual page.
 */
#ifndef RATION_ERROR_H
#define RATION_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RATION_EXPORT __attribute__((visibility("default")))
#else
#define RATION_EXPORT
#endif

/*
 * X(name, value, class, retryable, text)
 *
 * class     what kind of thing went wrong: usage, resource, store, config, transport, timeout,
 *           status (the server answered, but not with what was asked for), cancelled
 * retryable 1 when the same call may succeed later without a change
 */
#define RATION_ERROR_LIST(X)                                                                    \
	/* usage */                                                                             \
	X(EINVAL, -1, USAGE, 0, "invalid argument")                                             \
	X(EFORK, -2, USAGE, 0, "used in a forked child; open it again there")                   \
	X(EWORKER, -3, USAGE, 0, "may wait, so it cannot be called on a worker thread")         \
	X(ECLOSED, -4, USAGE, 0, "already closed")                                              \
	X(EBUSY, -5, USAGE, 0, "in use elsewhere")                                              \
	X(EHEADER, -6, USAGE, 0, "invalid header: control character, or not settable")          \
	X(EURL, -7, USAGE, 0, "invalid URL")                                                    \
	X(EJSON, -8, USAGE, 0, "invalid JSON")                                                  \
	X(ESERVICE, -9, USAGE, 0, "no such service")                                            \
	X(ETOOBIG, -10, USAGE, 0, "larger than its limit")                                      \
	X(EKEY, -11, USAGE, 0, "a required key is missing")                                     \
	/* resources */                                                                         \
	X(ENOMEM, -20, RESOURCE, 1, "out of memory")                                            \
	X(EFULL, -21, RESOURCE, 1, "queue full")                                                \
	X(EEMPTY, -22, RESOURCE, 0, "nothing pending")                                          \
	X(EAGAIN, -23, RESOURCE, 1, "not yet; ask again")                                       \
	X(ESYSTEM, -24, RESOURCE, 1, "system call failed")                                      \
	X(EIO, -25, RESOURCE, 0, "input or output failed")                                      \
	/* store */                                                                             \
	X(ESTORE, -40, STORE, 1, "the store cannot answer")                                     \
	X(ESCHEMA, -41, STORE, 0, "the store has another layout version")                       \
	X(EABI, -42, STORE, 0, "the store was made by a program with another binary interface") \
	X(ECLOCK, -43, STORE, 0, "the store runs on another clock or time namespace")           \
	X(EPERM, -44, STORE, 0, "the store's owner or permissions are not safe")                \
	X(ENETFS, -45, STORE, 0, "the store is on a network file system")                       \
	X(ENOSPC, -46, STORE, 1, "no space left for the store")                                 \
	X(EACCESS, -47, STORE, 0, "no permission for the store")                                \
	X(ENOSTORE, -48, STORE, 0, "no such store")                                             \
	X(EMEMBERS, -49, STORE, 1, "the store has no free member slot")                         \
	X(EKERNEL, -50, STORE, 0, "the store is in use under another kernel")                   \
	/* configuration */                                                                     \
	X(ECONFIG, -60, CONFIG, 0, "invalid configuration")                                     \
	X(ENOFILE, -61, CONFIG, 0, "cannot read file")                                          \
	/* transport: the request did not come to an answer */                                  \
	X(EDNS, -80, TRANSPORT, 1, "host name not resolved")                                    \
	X(ECONNECT, -81, TRANSPORT, 1, "connection failed")                                     \
	X(ETLS, -82, TRANSPORT, 1, "TLS handshake or verification failed")                      \
	X(ERESET, -83, TRANSPORT, 1, "connection lost before the answer was complete")          \
	X(EPROTOCOL, -84, TRANSPORT, 0, "the server's answer is not valid HTTP")                \
	X(ELOCAL, -85, TRANSPORT, 1, "local fault while sending")                               \
	X(EBODY, -86, TRANSPORT, 0, "response larger than its limit")                           \
	X(EUNKNOWN, -87, TRANSPORT, 0, "sent, not answered, and not safe to repeat")            \
	X(EREDIRECT, -88, TRANSPORT, 0, "redirect refused")                                     \
	X(ETOKEN, -89, TRANSPORT, 1, "no token to be had")                                      \
	X(EADDRESS, -90, TRANSPORT, 0, "address not allowed")                                   \
	/* time */                                                                              \
	X(ETIMEOUT, -100, TIMEOUT, 1, "timed out")                                              \
	X(ECONNECTTIMEOUT, -101, TIMEOUT, 1, "connect timed out")                               \
	X(EREADTIMEOUT, -102, TIMEOUT, 1, "no byte received within the read timeout")           \
	X(EWRITETIMEOUT, -103, TIMEOUT, 1, "no byte sent within the write timeout")             \
	X(EATTEMPTTIMEOUT, -104, TIMEOUT, 1, "attempt timed out")                               \
	X(EDEADLINE, -105, TIMEOUT, 0, "deadline passed")                                       \
	X(EEXHAUSTED, -106, TIMEOUT, 0, "retries exhausted")                                    \
	/* the server answered with an error */                                                 \
	X(ESTATUS, -120, STATUS, 0, "the server refused the request")                           \
	X(EAUTH, -121, STATUS, 0, "authentication failed")                                      \
	X(ENOTFOUND, -122, STATUS, 0, "not found")                                              \
	X(EREQUEST, -123, STATUS, 0, "the server calls the request invalid")                    \
	X(ETHROTTLED, -124, STATUS, 1, "the server asks to slow down")                          \
	X(EUNAVAILABLE, -125, STATUS, 1, "service unavailable")                                 \
	X(ESERVER, -126, STATUS, 1, "the server failed")                                        \
	X(ESERVERTIMEOUT, -127, STATUS, 1, "the server timed out waiting for the request")      \
	/* ended by the caller */                                                               \
	X(ECANCELLED, -140, CANCELLED, 0, "cancelled")

/*
 * The same codes by what a program does about them: X(name, kind). Several codes share a kind, each
 * code has exactly one; kinds are as stable as codes, and are what serialised errors hold.
 *
 *   INVALID_INPUT INVALID_STATE NOT_READY   the call itself, or the object it was made on
 *   RESOURCE_EXHAUSTED INTERNAL_ERROR       this host
 *   STORAGE_*                               the store
 *   CONFIGURATION_ERROR                     settings and the files that they name
 *   CONNECTION_ERROR                        no answer: network, TLS, broken HTTP
 *   TIMEOUT                                 no answer in time, on our clock
 *   SERVICE_UNAVAILABLE SERVER_ERROR REQUEST_TIMEOUT    502, 503, 504; other 5xx; 408
 *   RATE_LIMITED                            429
 *   UNAUTHORIZED FORBIDDEN NOT_FOUND INVALID_INPUT REQUEST_REFUSED   401; 403; 404; 400, 422;
 *                                           other statuses
 *   OUTCOME_UNKNOWN                         sent, unanswered, not safe to repeat
 *   RETRIES_EXHAUSTED CANCELLED RESPONSE_TOO_LARGE REDIRECT_REFUSED TOKEN_UNAVAILABLE
 *   ADDRESS_REFUSED                         as they say
 *
 * A code alone cannot tell 401 from 403: RATION_EAUTH is UNAUTHORIZED, ration_response_kind looks
 * at the status.
 */
#define RATION_KIND_LIST(X)                  \
	X(EINVAL, INVALID_INPUT)             \
	X(EFORK, INVALID_STATE)              \
	X(EWORKER, INVALID_STATE)            \
	X(ECLOSED, INVALID_STATE)            \
	X(EBUSY, INVALID_STATE)              \
	X(EHEADER, INVALID_INPUT)            \
	X(EURL, INVALID_INPUT)               \
	X(EJSON, INVALID_INPUT)              \
	X(ESERVICE, INVALID_INPUT)           \
	X(ETOOBIG, INVALID_INPUT)            \
	X(EKEY, INVALID_INPUT)               \
	X(ENOMEM, RESOURCE_EXHAUSTED)        \
	X(EFULL, RESOURCE_EXHAUSTED)         \
	X(EEMPTY, NOT_READY)                 \
	X(EAGAIN, NOT_READY)                 \
	X(ESYSTEM, INTERNAL_ERROR)           \
	X(EIO, INTERNAL_ERROR)               \
	X(ESTORE, STORAGE_UNAVAILABLE)       \
	X(ESCHEMA, STORAGE_INCOMPATIBLE)     \
	X(EABI, STORAGE_INCOMPATIBLE)        \
	X(ECLOCK, STORAGE_INCOMPATIBLE)      \
	X(EPERM, STORAGE_DENIED)             \
	X(ENETFS, STORAGE_INCOMPATIBLE)      \
	X(ENOSPC, STORAGE_FULL)              \
	X(EACCESS, STORAGE_DENIED)           \
	X(ENOSTORE, STORAGE_NOT_FOUND)       \
	X(EMEMBERS, STORAGE_FULL)            \
	X(EKERNEL, STORAGE_INCOMPATIBLE)     \
	X(ECONFIG, CONFIGURATION_ERROR)      \
	X(ENOFILE, CONFIGURATION_ERROR)      \
	X(EDNS, CONNECTION_ERROR)            \
	X(ECONNECT, CONNECTION_ERROR)        \
	X(ETLS, CONNECTION_ERROR)            \
	X(ERESET, CONNECTION_ERROR)          \
	X(EPROTOCOL, CONNECTION_ERROR)       \
	X(ELOCAL, INTERNAL_ERROR)            \
	X(EBODY, RESPONSE_TOO_LARGE)         \
	X(EUNKNOWN, OUTCOME_UNKNOWN)         \
	X(EREDIRECT, REDIRECT_REFUSED)       \
	X(ETOKEN, TOKEN_UNAVAILABLE)         \
	X(EADDRESS, ADDRESS_REFUSED)         \
	X(ETIMEOUT, TIMEOUT)                 \
	X(ECONNECTTIMEOUT, TIMEOUT)          \
	X(EREADTIMEOUT, TIMEOUT)             \
	X(EWRITETIMEOUT, TIMEOUT)            \
	X(EATTEMPTTIMEOUT, TIMEOUT)          \
	X(EDEADLINE, TIMEOUT)                \
	X(EEXHAUSTED, RETRIES_EXHAUSTED)     \
	X(ESTATUS, REQUEST_REFUSED)          \
	X(EAUTH, UNAUTHORIZED)               \
	X(ENOTFOUND, NOT_FOUND)              \
	X(EREQUEST, INVALID_INPUT)           \
	X(ETHROTTLED, RATE_LIMITED)          \
	X(EUNAVAILABLE, SERVICE_UNAVAILABLE) \
	X(ESERVER, SERVER_ERROR)             \
	X(ESERVERTIMEOUT, REQUEST_TIMEOUT)   \
	X(ECANCELLED, CANCELLED)

/* The kinds of denials, likewise. POOL_TIMEOUT: no free place in time, nothing was sent. */
#define RATION_DENIAL_KIND_LIST(X)    \
	X(RATE, RATE_LIMITED)         \
	X(QUOTA, QUOTA_EXCEEDED)      \
	X(BREAKER, CIRCUIT_OPEN)      \
	X(CONCURRENCY, POOL_TIMEOUT)  \
	X(IMPOSSIBLE, INVALID_INPUT)  \
	X(DEADLINE, TIMEOUT)          \
	X(STORE, STORAGE_UNAVAILABLE) \
	X(COOLDOWN, RATE_LIMITED)     \
	X(QUEUE, POOL_TIMEOUT)

/* Why a decision was "no" or "not now". X(name, value, text) */
#define RATION_DENIAL_LIST(X)                                                   \
	X(RATE, 1, "rate limit exceeded")                                       \
	X(QUOTA, 2, "quota exceeded")                                           \
	X(BREAKER, 3, "circuit breaker is open")                                \
	X(CONCURRENCY, 4, "concurrency limit reached")                          \
	X(IMPOSSIBLE, 5, "impossible: costs more than the limit can ever hold") \
	X(DEADLINE, 6, "cannot be in time")                                     \
	X(STORE, 7, "the store cannot answer, and nothing may go without it")   \
	X(COOLDOWN, 8, "the server asked to wait")                              \
	X(QUEUE, 9, "too many wait already")

enum ration_error_code {
	RATION_OK = 0,
#define RATION_X(name, value, class_, retryable, text) RATION_##name = value,
	RATION_ERROR_LIST(RATION_X)
#undef RATION_X
};

enum ration_denial {
#define RATION_X(name, value, text) RATION_DENIED_##name = value,
	RATION_DENIAL_LIST(RATION_X)
#undef RATION_X
};

/* An error with its place. Made by the library, freed by the caller. */
typedef struct ration_error ration_error;

/* Text of a code or denial; static, never NULL. [any] */
RATION_EXPORT const char *ration_strerror(int code);
/* Name without the prefix, as "EFULL" or "DENIED_RATE"; static, never NULL. [any] */
RATION_EXPORT const char *ration_code_name(int code);
/* "ok", "denied", "usage", "resource", "store", "config", "transport", "timeout", "status",
 * "cancelled"; static, never NULL. [any] */
RATION_EXPORT const char *ration_code_class(int code);
/* 1 when the same call may succeed later without a change, else 0. [any] */
RATION_EXPORT int ration_code_retryable(int code);
/* What a program does about it, as "TIMEOUT" or "CIRCUIT_OPEN" (RATION_KIND_LIST); "OK" for 0,
 * "UNKNOWN" for what is no code; static, never NULL. [any] */
RATION_EXPORT const char *ration_code_kind(int code);
/* 1 for what an upstream or the way there did and a later try may find mended: network, our
 * timeouts, 408 and 5xx, whose codes and kinds stay distinct. Not for 429, nor for what this host
 * or the request itself is to blame for. [any] */
RATION_EXPORT int ration_code_is_connection(int code);

/* All of these accept NULL: code 0, empty text, no place. Strings live as long as the error. [1] */
RATION_EXPORT int ration_error_code(const ration_error *error);
/* One line, with file, line, column and path in front where known. */
RATION_EXPORT const char *ration_error_text(const ration_error *error);
RATION_EXPORT const char *ration_error_path(const ration_error *error);
RATION_EXPORT int ration_error_line(const ration_error *error);	  /* from 1; 0: none */
RATION_EXPORT int ration_error_column(const ration_error *error); /* from 1; 0: none */
/* "[KIND] text", with the kind of its code; "[OK]" for NULL. */
RATION_EXPORT const char *ration_error_summary(const ration_error *error);
/* 8 hexadecimal digits, at random, by which this error is found again in a log; "" for NULL. */
RATION_EXPORT const char *ration_error_debug_id(const ration_error *error);
/* The form that may leave the process: {"code": KIND, "message": text, "debug_id": …}, nothing
 * else. Caller frees with ration_free. 0, RATION_EINVAL, RATION_ENOMEM. */
RATION_EXPORT int ration_error_json(const ration_error *error, char **json);
RATION_EXPORT void ration_error_free(ration_error *error);

#ifdef __cplusplus
}
#endif
#endif
