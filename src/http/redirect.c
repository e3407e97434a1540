/* See redirect.h. */
#include "http/redirect.h"

#include "base/error.h"

bool ration__status_redirects(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

int ration__redirect_next(const struct ration__service_conf *service,
	const struct ration__call *call, const char *url, const struct ration__hop *before,
	const struct ration__attempt *attempt, struct ration__hop **next, const char **why)
{
	(void)service;
	(void)call;
	(void)url;
	(void)before;
	(void)attempt;
	(void)next;
	*why = "not followed";
	return RATION_EREDIRECT;
}

bool ration__header_may_cross(const char *name, size_t length)
{
	(void)name;
	(void)length;
	return false;
}
