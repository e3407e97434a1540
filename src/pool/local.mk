# src/pool
src_libcore_la_SOURCES += \
	src/pool/attempt.c \
	src/pool/batch.c \
	src/pool/completion.c src/pool/completion.h \
	src/pool/dispatch.c \
	src/pool/finish.c \
	src/pool/group.c \
	src/pool/inbox.c src/pool/inbox.h \
	src/pool/job.c src/pool/job.h \
	src/pool/launch.c \
	src/pool/lane.c \
	src/pool/lanes.c src/pool/lanes.h \
	src/pool/line.c src/pool/line.h \
	src/pool/node_fleet.c src/pool/node_state.h \
	src/pool/node_lanes.c \
	src/pool/nodes.c src/pool/nodes.h \
	src/pool/order.c src/pool/order.h \
	src/pool/pool.c src/pool/pool.h \
	src/pool/ready.c \
	src/pool/results.c \
	src/pool/service.c src/pool/service.h \
	src/pool/table.c src/pool/table.h \
	src/pool/token.c src/pool/token.h src/pool/token_source.h \
	src/pool/token_file.c src/pool/token_provider.c \
	src/pool/turns.c \
	src/pool/worker.c src/pool/worker.h
