/* Connections of a multi handle: see http/kept.h. */
#include "http/kept.h"

#include "base/util.h"

/* How long a peak of active transfers keeps its connections open (once to twice this). */
#define PEAK_PERIOD_NS (INT64_C(15) * RATION__NS_PER_S)

int ration__kept_init(struct ration__kept *kept, CURLM *curl, uint32_t idle, int64_t age_ns)
{
	*kept = (struct ration__kept){.curl = curl, .idle = idle, .max = idle ? (long)idle : 1};
	/* Seconds are libcurl's unit here: rounded down, so that none is used that is too old. */
	kept->age_s = (long)ration__min64(age_ns / RATION__NS_PER_S, INT32_MAX);
	kept->share = curl_share_init();
	if (!kept->share)
		return RATION_ENOMEM;
	/* Until somebody asks for HTTP/2: no search for what could be shared. */
	if (curl_share_setopt(kept->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) ==
			CURLSHE_OK &&
		curl_multi_setopt(curl, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK &&
		curl_multi_setopt(curl, CURLMOPT_MAXCONNECTS, kept->max) == CURLM_OK)
		return 0;
	ration__kept_fini(kept);
	return RATION_ENOMEM;
}

void ration__kept_fini(struct ration__kept *kept)
{
	curl_share_cleanup(kept->share);
	kept->share = NULL;
}

CURLcode ration__kept_setopt(const struct ration__kept *kept, CURL *easy)
{
	CURLcode rc = curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, kept->age_s);

	return rc ? rc : curl_easy_setopt(easy, CURLOPT_SHARE, kept->share);
}

CURLMcode ration__kept_enter(struct ration__kept *kept, const struct ration__transfer *t)
{
	CURLMcode rc;

	if (!t->multiplexed || kept->multiplexes)
		return CURLM_OK;
	rc = curl_multi_setopt(kept->curl, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	kept->multiplexes = rc == CURLM_OK;
	return rc;
}

/* libcurl's limit counts connections in use: at less than those, each request would close one. */
void ration__kept_follow(struct ration__kept *kept, uint32_t active, int64_t now_ns)
{
	long want;

	kept->peak = active > kept->peak ? active : kept->peak;
	if (now_ns >= kept->peak_until_ns) {
		kept->peak_before = kept->peak;
		kept->peak = active;
		kept->peak_until_ns = now_ns + PEAK_PERIOD_NS;
	}
	want = kept->peak > kept->peak_before ? kept->peak : kept->peak_before;
	if (want < (long)kept->idle)
		want = kept->idle;
	if (want == kept->max || want == 0)
		return;
	if (curl_multi_setopt(kept->curl, CURLMOPT_MAXCONNECTS, want) == CURLM_OK)
		kept->max = want;
}

static void add(_Atomic uint64_t *counter, long n)
{
	atomic_store_explicit(counter,
		atomic_load_explicit(counter, memory_order_relaxed) + (uint64_t)n,
		memory_order_relaxed);
}

void ration__kept_count(struct ration__kept *kept, const struct ration__transfer *t)
{
	curl_off_t handshake_us = 0;
	long connects = 0;

	/* Until it has come so far the handle still tells of its last transfer. */
	if (!t->has_socket && !t->sends)
		return;
	curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
	if (connects <= 0) {
		if (t->sends)
			add(&kept->reused, 1);
		return;
	}
	add(&kept->connects, connects);
	curl_easy_getinfo(t->easy, CURLINFO_APPCONNECT_TIME_T, &handshake_us);
	if (handshake_us > 0)
		add(&kept->handshakes, 1);
}
