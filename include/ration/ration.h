/* libration: HTTP jobs and other calls under limits that all processes of a host share. */
#ifndef RATION_RATION_H
#define RATION_RATION_H

#include <ration/client.h>
#include <ration/config.h>
#include <ration/context.h>
#include <ration/error.h>
#include <ration/guard.h>
#include <ration/retry.h>
#include <ration/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0"; static. [any] */
RATION_EXPORT const char *ration_version(void);
/* Raised when a released function or value changes its meaning. [any] */
RATION_EXPORT int ration_abi(void);

#ifdef __cplusplus
}
#endif
#endif
