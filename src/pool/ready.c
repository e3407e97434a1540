/*
 * Who is asked for next: services in turn, a service's tenants by their weights, a tenant's lanes
 * by priority and turn. See lanes.h and line.h.
 */
#include "pool/lanes.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/util.h"

static void service_add(struct ration__lanes *lanes, struct ration__pool_service *service)
{
	service->ready_next = NULL;
	service->ready_link = lanes->ready_last;
	*lanes->ready_last = service;
	lanes->ready_last = &service->ready_next;
}

static void service_remove(struct ration__lanes *lanes, struct ration__pool_service *service)
{
	*service->ready_link = service->ready_next;
	if (service->ready_next)
		service->ready_next->ready_link = service->ready_link;
	else
		lanes->ready_last = service->ready_link;
	service->ready_link = NULL;
}

void ration__lane_make_ready(struct ration__lanes *lanes, struct ration__lane *lane)
{
	struct ration__pool_service *service = ration__lane_service(lane);

	ration__line_add(&service->ready, &lane->tenant->ready, lane);
	service->ready_count++;
	lane->state = RATION__LANE_READY;
	if (service->full)
		return;
	if (!service->ready_link)
		service_add(lanes, service);
	lanes->ready_count++;
}

/* All its connections are in use. */
static void shut(struct ration__lanes *lanes, struct ration__pool_service *service)
{
	service_remove(lanes, service);
	service->full = true;
	service->full_ns = lanes->now_ns;
	lanes->ready_count -= service->ready_count;
	lanes->full_count++;
}

static void open_again(struct ration__lanes *lanes, struct ration__pool_service *service)
{
	service->full = false;
	service->full_ns = lanes->now_ns;
	lanes->ready_count += service->ready_count;
	lanes->full_count--;
	if (service->ready.queues.root)
		service_add(lanes, service);
}

void ration__lanes_open(struct ration__lanes *lanes, struct ration__pool_service *services)
{
	for (; lanes->full_count && services; services = services->next)
		if (services->full && ration__service_has_room(services))
			open_again(lanes, services);
}

void ration__lane_unready(struct ration__lanes *lanes, struct ration__lane *lane)
{
	struct ration__pool_service *service = ration__lane_service(lane);

	ration__line_remove(&service->ready, &lane->tenant->ready, lane);
	service->ready_count--;
	if (service->full)
		return;
	if (!service->ready.queues.root)
		service_remove(lanes, service);
	lanes->ready_count--;
}

struct ration__lane *ration__lanes_claim(struct ration__lanes *lanes)
{
	struct ration__pool_service *service;
	struct ration__lane *lane;

	while ((service = lanes->ready_first) != NULL && !ration__service_has_room(service))
		shut(lanes, service);
	if (!service)
		return NULL;
	lane = ration__line_first(&service->ready);
	ration__lane_unready(lanes, lane);
	ration__lanes_charge(lane);
	lane->state = RATION__LANE_CLAIMED;
	if (service->ready_link && service->ready_next) { /* the others' turn */
		service_remove(lanes, service);
		service_add(lanes, service);
	}
	return lane;
}

void ration__lanes_charge(struct ration__lane *lane)
{
	ration__line_charge(&ration__lane_service(lane)->ready, &lane->tenant->ready, 1);
}

void ration__lanes_again(struct ration__lanes *lanes, struct ration__lane *lane)
{
	lane->turn = ++lanes->turns;
	ration__lane_make_ready(lanes, lane);
}

void ration__lanes_hold(struct ration__lanes *lanes, struct ration__lane *lane, uint64_t turn)
{
	if (lane->state == RATION__LANE_READY)
		ration__lane_unready(lanes, lane);
	lane->state = RATION__LANE_CLAIMED;
	lane->turn = turn;
}

/* ---- tenants ---- */

struct ration__tenant *ration__tenant_get(
	struct ration__lanes *lanes, struct ration__pool_service *service, const char *value)
{
	uint64_t seed[2] = {(uintptr_t)service, ration__hash64(value, strlen(value))};
	uint64_t hash = ration__hash64(seed, sizeof(seed));
	struct ration__entry *entry = ration__table_find(&lanes->tenants, hash);
	struct ration__tenant *tenant;

	/* 64 bits of hash decide: two that collide have one turn together, and nothing else */
	if (entry) {
		tenant = RATION__CONTAINER(entry, struct ration__tenant, entry);
		tenant->refs++;
		return tenant;
	}
	tenant = calloc(1, sizeof(*tenant));
	if (!tenant)
		return NULL;
	tenant->service = service;
	tenant->ready.tenant = tenant;
	tenant->weight = ration__service_weight(service, value);
	tenant->refs = 1;
	ration__table_add(&lanes->tenants, &tenant->entry, hash);
	return tenant;
}

void ration__tenant_unref(struct ration__lanes *lanes, struct ration__tenant *tenant)
{
	if (--tenant->refs > 0)
		return;
	ration__table_remove(&lanes->tenants, &tenant->entry);
	free(tenant);
}
