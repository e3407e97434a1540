# src/http: requests, responses, transfers. libcurl is known to attempt, connect, curlcode, fail,
# kept, multi, receive, sockets and transfer, and to no other folder.
src_libcore_la_SOURCES += \
	src/http/address.c src/http/address.h \
	src/http/answer.c src/http/answer.h \
	src/http/attempt.c \
	src/http/body.c src/http/body.h \
	src/http/builder.h \
	src/http/call.c src/http/call.h \
	src/http/connect.c src/http/connect.h \
	src/http/context.c src/http/context.h \
	src/http/cost.c src/http/cost.h \
	src/http/curlcode.c src/http/curlcode.h \
	src/http/exchange.c src/http/exchange.h \
	src/http/fail.c src/http/fail.h \
	src/http/hints.c src/http/hints.h \
	src/http/json.c src/http/json.h \
	src/http/kept.c src/http/kept.h \
	src/http/limits.h \
	src/http/line.c \
	src/http/multi.c src/http/multi.h \
	src/http/pointer.c src/http/pointer.h \
	src/http/ratelimit.c src/http/ratelimit.h \
	src/http/receive.c \
	src/http/redirect.c src/http/redirect.h \
	src/http/request.c src/http/request.h src/http/request_body.c \
	src/http/request_job.c \
	src/http/resolve.c src/http/resolve.h \
	src/http/response.c src/http/response.h src/http/response_json.c src/http/response_error.c \
	src/http/result.h \
	src/http/send.h \
	src/http/service.h \
	src/http/sink.c src/http/sink.h \
	src/http/sockets.c src/http/sockets.h \
	src/http/structured.c src/http/structured.h src/http/structured_text.c \
	src/http/transfer.c src/http/transfer.h \
	src/http/url.c src/http/url.h
