/*
 * The loop's side of libcurl's multi interface. doc/internals/multi.md has the whole picture.
 *
 * Invariants: a transfer is in exactly one of: active (libcurl has it), ended (libcurl is done with
 * it or a timeout struck; its handle is still added), free. Handles are added and removed only in
 * functions that the caller calls, never inside a callback of libcurl.
 *
 * Not thread safe: one thread per multi.
 */
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "http/connect.h"
#include "http/kept.h"
#include "http/resolve.h"
#include "http/sockets.h"
#include "http/transfer.h"

/* 7.88.1 may drop timers due in under a millisecond: its timers are run at least this often. */
#define CURL_TICK_NS RATION__NS_PER_S
#define FREE_MAX 1024 /* handles kept for reuse; some 6 KiB each */

struct ration__multi {
	CURLM *curl;
	struct ration__kept kept;
	struct ration__sockets sockets;
	struct ration__heap heap;
	struct ration__transport transport;
	struct ration__resolve resolve;
	struct ration__link active, ended, touched;
	struct ration__transfer *free_list;
	uint32_t free_count, active_count; /* active and ended */
	int64_t now_ns;			   /* of the last call that told */
	int64_t curl_due_ns;		   /* what libcurl's timer callback asked for */
	int64_t curl_latest_ns;		   /* run its timers then at the latest */
};

/* Only notes: acting here would be libcurl calling itself. */
static int on_timer(CURLM *curl, long timeout_ms, void *arg)
{
	struct ration__multi *m = arg;

	/* now_ns may be a little old, so this may be early: then libcurl asks again. */
	m->curl_due_ns =
		timeout_ms < 0 ? RATION__NEVER : m->now_ns + timeout_ms * RATION__NS_PER_MS;
	return 0;
}

static CURLMcode setup(struct ration__multi *m)
{
	CURLMcode rc = ration__sockets_multi_setopt(&m->sockets, m->curl);

	if (!rc)
		rc = curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_timer);
	if (!rc)
		rc = curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
	return rc;
}

int ration__multi_new(const struct ration__multi_options *options, struct ration__multi **multi)
{
	struct ration__multi *m = calloc(1, sizeof(*m));

	if (!m)
		return RATION_ENOMEM;
	/* Counted by libcurl, and safe between threads since 7.84. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		goto global_init;
	m->sockets.epoll_fd = options->epoll_fd;
	m->transport = options->transport;
	m->curl_due_ns = m->curl_latest_ns = RATION__NEVER;
	ration__heap_init(&m->heap);
	ration__resolve_init(&m->resolve);
	ration__link_init(&m->active);
	ration__link_init(&m->ended);
	ration__link_init(&m->touched);
	m->curl = curl_multi_init();
	if (!m->curl || setup(m) != CURLM_OK ||
		ration__kept_init(&m->kept, m->curl, options->connections_idle,
			options->connection_age_ns) != 0)
		goto multi_init;
	*multi = m;
	return 0;
multi_init:
	curl_multi_cleanup(m->curl);
	curl_global_cleanup();
global_init:
	free(m);
	return RATION_ENOMEM;
}

/* ---- transfers ---- */

static struct ration__transfer *transfer_of(struct ration__link *link)
{
	return RATION__CONTAINER(link, struct ration__transfer, link);
}

/* A stream of a connection that is there may begin to send without being given the socket. */
static bool is_resolved(const struct ration__transfer *t)
{
	return t->has_socket || t->sends;
}

static void release(struct ration__multi *m, struct ration__transfer *t)
{
	ration__exchange_free(t->exchange);
	t->exchange = NULL;
	ration__transfer_close(t);
	ration__connect_release(t);
	ration__resolve_leave(&m->resolve, t, is_resolved(t), m->now_ns);
	ration__heap_remove(&m->heap, &t->timer);
	ration__link_remove(&t->touched);
	ration__link_remove(&t->link);
	m->active_count--;
	if (m->free_count >= FREE_MAX) {
		ration__transfer_free(t);
		return;
	}
	t->free_next = m->free_list;
	m->free_list = t;
	m->free_count++;
}

static struct ration__transfer *acquire(struct ration__multi *m)
{
	struct ration__transfer *t = m->free_list;

	if (t) {
		m->free_list = t->free_next;
		m->free_count--;
		return t;
	}
	t = ration__transfer_new(&m->sockets, &m->touched);
	if (t && ration__kept_setopt(&m->kept, t->easy) != CURLE_OK) {
		ration__transfer_free(t);
		return NULL;
	}
	return t;
}

static void end(struct ration__multi *m, struct ration__transfer *t)
{
	/* One that was held must not start any more. */
	ration__resolve_leave(&m->resolve, t, is_resolved(t), m->now_ns);
	ration__link_remove(&t->link);
	ration__link_append(&m->ended, &t->link);
}

/* To libcurl, at once or when its name is resolved. */
static int hand_over(struct ration__multi *m, struct ration__transfer *t)
{
	if (m->transport.fn) /* the next tick takes the first step: it is touched */
		return ration__exchange_open(t);
	if (ration__kept_enter(&m->kept, t) != CURLM_OK ||
		(ration__resolve_enter(&m->resolve, t, m->now_ns) &&
			curl_multi_add_handle(m->curl, t->easy) != CURLM_OK))
		return RATION_ENOMEM;
	return 0;
}

int ration__multi_start(struct ration__multi *m, const struct ration__send *send, int64_t now_ns,
	void *user, struct ration__transfer **transfer)
{
	struct ration__transfer *t;
	int code;

	m->now_ns = ration__max64(m->now_ns, now_ns);
	if (ration__heap_reserve(&m->heap, 1 + m->active_count))
		return RATION_ENOMEM;
	t = acquire(m);
	if (!t)
		return RATION_ENOMEM;
	m->active_count++;
	t->user = user;
	t->start_ns = t->progress_ns = now_ns;
	ration__link_append(&m->active, &t->link);
	ration__transfer_touch(t); /* the next tick sets its timer */
	code = ration__transfer_prepare(t, send);
	if (!code && t->refused) /* as _done will tell */
		end(m, t);
	else if (!code)
		code = hand_over(m, t);
	if (code) {
		release(m, t);
		return code;
	}
	ration__kept_follow(&m->kept, m->active_count, m->now_ns);
	m->curl_latest_ns = ration__min64(m->curl_latest_ns, m->now_ns + CURL_TICK_NS);
	*transfer = t;
	return 0;
}

void ration__multi_cancel(struct ration__multi *m, struct ration__transfer *t)
{
	ration__kept_count(&m->kept, t);
	curl_multi_remove_handle(m->curl, t->easy);
	release(m, t);
}

void ration__multi_resume(struct ration__transfer *t)
{
	t->resumed = true;
	ration__transfer_touch(t);
}

uint32_t ration__multi_active(const struct ration__multi *m)
{
	return m->active_count;
}

/* ---- the loop ---- */

/* After an error of the multi handle its transfers are in no known state: all of them end. */
static void check(struct ration__multi *m, CURLMcode rc)
{
	if (rc == CURLM_OK)
		return;
	while (ration__link_in_list(&m->active)) {
		struct ration__transfer *t = transfer_of(m->active.next);

		t->broken = true;
		end(m, t);
	}
}

static void collect(struct ration__multi *m)
{
	struct CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(m->curl, &left)) != NULL) {
		char *owner = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
		struct ration__transfer *t = (struct ration__transfer *)(void *)owner;

		t->result = message->data.result;
		end(m, t);
	}
}

void ration__multi_event(struct ration__multi *m, uint64_t data, uint32_t events)
{
	struct ration__transfer *t = NULL;
	int mask, running;
	int fd = ration__sockets_event(&m->sockets, data, events, &mask, &t);

	if (fd < 0)
		return;
	if (t) /* bytes came, or there is room for more: also inside TLS or half a header line */
		ration__transfer_touch(t);
	check(m, curl_multi_socket_action(m->curl, fd, mask, &running));
}

static void run_curl_timers(struct ration__multi *m)
{
	int running;

	m->curl_due_ns = RATION__NEVER;
	m->curl_latest_ns = m->active_count ? m->now_ns + CURL_TICK_NS : RATION__NEVER;
	check(m, curl_multi_socket_action(m->curl, CURL_SOCKET_TIMEOUT, 0, &running));
}

/* What fails while libcurl hands over what it held back does not end the transfer by itself. */
static bool resume(struct ration__multi *m, struct ration__transfer *t)
{
	CURLcode rc = ration__transfer_resume(t);

	if (rc == CURLE_OK)
		return true;
	t->result = rc;
	end(m, t);
	return false;
}

/* One that libcurl does not know. */
static void step(struct ration__multi *m, struct ration__transfer *t)
{
	int code;

	if (ration__exchange_step(t, &m->transport, m->now_ns)) {
		ration__heap_remove(&m->heap, &t->timer);
		end(m, t);
	} else { /* room was reserved */
		ration__heap_set(&m->heap, &t->timer, ration__exchange_deadline(t, &code));
	}
	ration__link_remove(&t->touched); /* what it took itself is no event */
}

/* Idle times count from now for whatever moved. A timer is only brought forward here; one that is
 * early finds out when it strikes. */
static void stamp_touched(struct ration__multi *m)
{
	while (ration__link_in_list(&m->touched)) {
		struct ration__transfer *t =
			RATION__CONTAINER(m->touched.next, struct ration__transfer, touched);
		int code;

		ration__link_remove(&t->touched);
		if (t->exchange) {
			step(m, t);
			continue;
		}
		if (t->broken) {
			end(m, t);
			continue;
		}
		if (t->resumed && !resume(m, t))
			continue;
		if (t->door && is_resolved(t))
			ration__resolve_leave(&m->resolve, t, true, m->now_ns);
		t->progress_ns = m->now_ns;
		/* Later is found out when it strikes; earlier only by a new phase. */
		if (t->timer.index && t->timed_sends == t->sends && !ration__transfer_uploads(t))
			continue;
		t->timed_sends = t->sends;
		int64_t at = ration__transfer_deadline(t, &code);

		if (!t->timer.index || at < t->timer.at_ns)
			ration__heap_set(&m->heap, &t->timer, at); /* room was reserved */
	}
}

/* Those whose name is resolved by now. Their connect timeout has run all the while. */
static void start_ready(struct ration__multi *m)
{
	while (ration__link_in_list(&m->resolve.ready)) {
		struct ration__transfer *t =
			RATION__CONTAINER(m->resolve.ready.next, struct ration__transfer, held);

		ration__link_remove(&t->held);
		if (curl_multi_add_handle(m->curl, t->easy) != CURLM_OK) {
			t->broken = true;
			end(m, t);
		}
	}
}

/* What goes over a shared connection is seen only by looking: up to one more timeout late. */
static void look_at_upload(const struct ration__multi *m, struct ration__transfer *t)
{
	curl_off_t uploaded = 0;

	if (!t->multiplexed || !t->sends ||
		curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded) != CURLE_OK ||
		uploaded == t->uploaded)
		return;
	t->uploaded = uploaded;
	t->progress_ns = m->now_ns;
}

static void expire(struct ration__multi *m)
{
	struct ration__timer *timer;

	while ((timer = ration__heap_first(&m->heap)) != NULL && timer->at_ns <= m->now_ns) {
		struct ration__transfer *t =
			RATION__CONTAINER(timer, struct ration__transfer, timer);
		int64_t at;
		int code;

		look_at_upload(m, t);
		at = t->exchange ? ration__exchange_deadline(t, &code)
				 : ration__transfer_deadline(t, &code);
		if (at > m->now_ns) {
			ration__heap_set(&m->heap, timer, at);
			continue;
		}
		ration__heap_remove(&m->heap, timer);
		if (t->exchange && !code) {
			step(m, t);
			continue;
		}
		t->forced = code;
		end(m, t);
	}
}

void ration__multi_tick(struct ration__multi *m, int64_t now_ns)
{
	m->now_ns = ration__max64(m->now_ns, now_ns);
	if (m->now_ns >= m->curl_due_ns || m->now_ns >= m->curl_latest_ns)
		run_curl_timers(m);
	collect(m);
	/* What has ended by itself is not timed out. */
	for (struct ration__link *link = m->ended.next; link != &m->ended; link = link->next) {
		ration__heap_remove(&m->heap, &transfer_of(link)->timer);
		ration__link_remove(&transfer_of(link)->touched);
	}
	stamp_touched(m);
	expire(m);
	start_ready(m);
}

int64_t ration__multi_next_ns(const struct ration__multi *m)
{
	struct ration__timer *first = ration__heap_first(&m->heap);
	int64_t at = ration__min64(m->curl_due_ns, m->curl_latest_ns);

	if (ration__link_in_list(&m->ended) || ration__link_in_list(&m->touched) ||
		ration__link_in_list(&m->resolve.ready))
		return m->now_ns;
	return first ? ration__min64(at, first->at_ns) : at;
}

void *ration__multi_done(struct ration__multi *m, struct ration__attempt *attempt)
{
	struct ration__transfer *t;
	void *user;

	if (!ration__link_in_list(&m->ended))
		return NULL;
	t = transfer_of(m->ended.next);
	user = t->user;
	ration__kept_count(&m->kept, t);
	/* The result first: removal may free what libcurl knows about the request. */
	ration__transfer_result(t, m->now_ns, attempt);
	if (t->exchange)
		ration__exchange_result(t, attempt);
	curl_multi_remove_handle(m->curl, t->easy);
	release(m, t);
	return user;
}

void ration__multi_free(struct ration__multi *m)
{
	if (!m)
		return;
	while (ration__link_in_list(&m->active))
		ration__multi_cancel(m, transfer_of(m->active.next));
	while (ration__link_in_list(&m->ended))
		ration__multi_cancel(m, transfer_of(m->ended.next));
	while (m->free_list) {
		struct ration__transfer *t = m->free_list;

		m->free_list = t->free_next;
		ration__transfer_free(t);
	}
	/* Closes the idle connections, and calls back for each. */
	curl_multi_cleanup(m->curl);
	ration__kept_fini(&m->kept);
	ration__sockets_fini(&m->sockets);
	ration__heap_fini(&m->heap);
	free(m);
	curl_global_cleanup();
}

void ration__multi_stats(const struct ration__multi *m, struct ration__multi_stats *stats)
{
	stats->connects = atomic_load_explicit(&m->kept.connects, memory_order_relaxed);
	stats->handshakes = atomic_load_explicit(&m->kept.handshakes, memory_order_relaxed);
	stats->reused = atomic_load_explicit(&m->kept.reused, memory_order_relaxed);
}
