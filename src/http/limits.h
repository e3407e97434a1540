/* Limits of what a caller may hand in and of what is read back; each has a name here. */
#ifndef HTTP_LIMITS_H
#define HTTP_LIMITS_H

#define RATION__URL_MAX (64u << 10) /* bytes of a target, and of the URL made of it */
#define RATION__METHOD_MAX 32u
#define RATION__HEADERS_MAX (256u << 10) /* bytes of a request's own headers */
#define RATION__HEADER_COUNT_MAX 1000u
#define RATION__BODY_MAX (1u << 30)
#define RATION__FILES_MAX 64u	     /* of one body; each is open while it is sent */
#define RATION__CREDENTIAL_MAX 1024u /* of a user's name, of a password */
#define RATION__PATH_MAX 4000u	     /* of a file to be sent or written */
#define RATION__META_MAX (64u << 10)
#define RATION__ID_MAX 256u
#define RATION__IDEMPOTENCY_KEY_MAX 256u
#define RATION__KEY_NAME_MAX 63u
#define RATION__KEY_VALUE_MAX 256u
#define RATION__KEY_COUNT_MAX 32u
#define RATION__COST_COUNT_MAX 32u
#define RATION__OPTION_COUNT_MAX 64u
#define RATION__PRIORITY_MAX 100

/* A JSON body larger than this stands in the result line as text. */
#define RATION__LINE_JSON_MAX (1u << 20)
/* Room made at once for a body that announces its length; more grows as it comes. */
#define RATION__BODY_RESERVE_MAX (1u << 20)
/* Larger bodies are handed over as they are, smaller ones share a block with the headers. */
#define RATION__BODY_SHARED_MAX (16u << 10)

#endif
