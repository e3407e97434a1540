/* The one converter of libcurl's results. */
#ifndef HTTP_CURLCODE_H
#define HTTP_CURLCODE_H

#include "policy/retry.h"

struct ration__curl_meaning {
	enum ration__end end;
	int code; /* RATION_E* */
};

/* result: a CURLcode other than CURLE_OK. sent: the request had begun to be written. */
struct ration__curl_meaning ration__curl_meaning(int result, bool sent);
/* The table has a line for it; others, newer libcurls' perhaps, are read as ambiguous. */
bool ration__curl_listed(int result);

#endif
