/*
 * libcurl's results in our words: what may be concluded about the request, and the error's name.
 *
 * The table says what a result means once the request was being written. Before that, whatever
 * broke, nothing reached the server: AMBIGUOUS becomes NOT_SENT. And the other way round: a failure
 * to connect after a first send can only come from libcurl's silent second try, so the first may
 * have arrived: NOT_SENT becomes AMBIGUOUS.
 */
#include <curl/curl.h>
#include <ration/error.h>
#include "base/util.h"
#include "http/curlcode.h"

#define NOT_SENT RATION__END_NOT_SENT
#define AMBIGUOUS RATION__END_AMBIGUOUS
#define PERMANENT RATION__END_PERMANENT
#define LOCAL RATION__END_LOCAL

static const struct ration__curl_meaning meanings[] = {
	[CURLE_UNSUPPORTED_PROTOCOL] = {PERMANENT, RATION_EURL},
	[CURLE_FAILED_INIT] = {PERMANENT, RATION_ELOCAL},
	[CURLE_URL_MALFORMAT] = {PERMANENT, RATION_EURL},
	[CURLE_NOT_BUILT_IN] = {PERMANENT, RATION_ELOCAL},
	[CURLE_COULDNT_RESOLVE_PROXY] = {NOT_SENT, RATION_EDNS},
	[CURLE_COULDNT_RESOLVE_HOST] = {NOT_SENT, RATION_EDNS},
	[CURLE_COULDNT_CONNECT] = {NOT_SENT, RATION_ECONNECT},
	[CURLE_WEIRD_SERVER_REPLY] = {AMBIGUOUS, RATION_EPROTOCOL},
	[CURLE_HTTP2] = {AMBIGUOUS, RATION_EPROTOCOL},
	[CURLE_PARTIAL_FILE] = {AMBIGUOUS, RATION_ERESET},
	[CURLE_WRITE_ERROR] = {LOCAL, RATION_ELOCAL},
	[CURLE_READ_ERROR] = {LOCAL, RATION_ELOCAL},
	[CURLE_OUT_OF_MEMORY] = {LOCAL, RATION_ENOMEM},
	[CURLE_OPERATION_TIMEDOUT] = {AMBIGUOUS, RATION_EATTEMPTTIMEOUT},
	[CURLE_SSL_CONNECT_ERROR] = {NOT_SENT, RATION_ETLS},
	[CURLE_ABORTED_BY_CALLBACK] = {AMBIGUOUS,
		RATION_ERESET}, /* our guard against a second send */
	[CURLE_BAD_FUNCTION_ARGUMENT] = {PERMANENT, RATION_ELOCAL},
	[CURLE_TOO_MANY_REDIRECTS] = {PERMANENT, RATION_EREDIRECT},
	[CURLE_UNKNOWN_OPTION] = {PERMANENT, RATION_ELOCAL},
	[CURLE_GOT_NOTHING] = {AMBIGUOUS, RATION_ERESET},
	[CURLE_SEND_ERROR] = {AMBIGUOUS, RATION_ERESET},
	[CURLE_RECV_ERROR] = {AMBIGUOUS, RATION_ERESET},
	[CURLE_SSL_CERTPROBLEM] = {PERMANENT, RATION_ETLS},
	[CURLE_SSL_CIPHER] = {PERMANENT, RATION_ETLS},
	[CURLE_PEER_FAILED_VERIFICATION] = {PERMANENT, RATION_ETLS},
	[CURLE_BAD_CONTENT_ENCODING] = {PERMANENT, RATION_EPROTOCOL},
	[CURLE_FILESIZE_EXCEEDED] = {PERMANENT, RATION_EBODY},
	[CURLE_SEND_FAIL_REWIND] = {LOCAL, RATION_ELOCAL},
	[CURLE_LOGIN_DENIED] = {PERMANENT, RATION_EAUTH},
	[CURLE_SSL_CACERT_BADFILE] = {PERMANENT, RATION_ETLS},
	[CURLE_SSL_ISSUER_ERROR] = {PERMANENT, RATION_ETLS},
	[CURLE_NO_CONNECTION_AVAILABLE] = {LOCAL, RATION_ELOCAL},
	[CURLE_SSL_PINNEDPUBKEYNOTMATCH] = {PERMANENT, RATION_ETLS},
	[CURLE_SSL_INVALIDCERTSTATUS] = {PERMANENT, RATION_ETLS},
	[CURLE_HTTP2_STREAM] = {AMBIGUOUS, RATION_ERESET},
	[CURLE_AUTH_ERROR] = {PERMANENT, RATION_EAUTH},
	[CURLE_HTTP3] = {AMBIGUOUS, RATION_EPROTOCOL},
	[CURLE_QUIC_CONNECT_ERROR] = {NOT_SENT, RATION_ECONNECT},
	[CURLE_PROXY] = {NOT_SENT, RATION_ECONNECT},
	[CURLE_SSL_CLIENTCERT] = {PERMANENT, RATION_ETLS},
	[CURLE_UNRECOVERABLE_POLL] = {LOCAL, RATION_ELOCAL},
};

struct ration__curl_meaning ration__curl_meaning(int result, bool sent)
{
	/* A code that is not listed, newer libcurl's perhaps, must not be read as "safe to repeat".
	 */
	struct ration__curl_meaning meaning = {AMBIGUOUS, RATION_EPROTOCOL};

	if (result > 0 && (size_t)result < RATION__COUNT(meanings) && meanings[result].code)
		meaning = meanings[result];
	if (!sent && meaning.end == AMBIGUOUS)
		meaning.end = NOT_SENT;
	if (!sent && meaning.code == RATION_EATTEMPTTIMEOUT)
		meaning.code = RATION_ECONNECTTIMEOUT;
	/* Also what libcurl says of an answer that is no HTTP it knows. */
	if (sent && result == CURLE_UNSUPPORTED_PROTOCOL)
		meaning = (struct ration__curl_meaning){AMBIGUOUS, RATION_EPROTOCOL};
	if (sent && meaning.end == NOT_SENT)
		meaning = (struct ration__curl_meaning){AMBIGUOUS, RATION_ERESET};
	return meaning;
}
