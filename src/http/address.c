/* Public addresses: see http/address.h. Source: IANA's special-purpose address registries. */
#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/util.h"

struct range4 {
	uint32_t network;
	int bits;
};

#define NET(a, b, c) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8)

static const struct range4 special4[] = {
	{NET(0, 0, 0), 8},	 /* this host */
	{NET(10, 0, 0), 8},	 /* private */
	{NET(100, 64, 0), 10},	 /* carriers' NAT */
	{NET(127, 0, 0), 8},	 /* loopback */
	{NET(169, 254, 0), 16},	 /* link-local, and clouds' metadata */
	{NET(172, 16, 0), 12},	 /* private */
	{NET(192, 0, 0), 24},	 /* protocol assignments */
	{NET(192, 0, 2), 24},	 /* documentation */
	{NET(192, 88, 99), 24},	 /* 6to4 relays */
	{NET(192, 168, 0), 16},	 /* private */
	{NET(198, 18, 0), 15},	 /* benchmarks */
	{NET(198, 51, 100), 24}, /* documentation */
	{NET(203, 0, 113), 24},	 /* documentation */
	{NET(224, 0, 0), 3},	 /* multicast, reserved, broadcast */
};

struct range6 {
	uint8_t network[8];
	int bits;
};

/* Within 2000::/3, outside of which nothing is public. */
static const struct range6 special6[] = {
	{{0x20, 0x01}, 23},		/* protocol assignments: Teredo, ORCHID, benchmarks */
	{{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
	{{0x20, 0x02}, 16},		/* 6to4: carries any IPv4 address */
	{{0x3f, 0xff}, 20},		/* documentation */
};

static bool is_public4(uint32_t address)
{
	for (size_t i = 0; i < RATION__COUNT(special4); i++)
		if ((address ^ special4[i].network) >> (32 - special4[i].bits) == 0)
			return false;
	return true;
}

static bool has_prefix(const uint8_t *address, const uint8_t *network, int bits)
{
	int bytes = bits / 8;

	return memcmp(address, network, (size_t)bytes) == 0 &&
	       (bits % 8 == 0 || (address[bytes] ^ network[bytes]) >> (8 - bits % 8) == 0);
}

static bool is_public6(const uint8_t *address)
{
	if (address[0] >> 5 != 1)
		return false;
	for (size_t i = 0; i < RATION__COUNT(special6); i++)
		if (has_prefix(address, special6[i].network, special6[i].bits))
			return false;
	return true;
}

bool ration__address_is_public(const struct sockaddr *address)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	/* Copied: the caller's may stand at any place. */
	switch (address->sa_family) {
	case AF_INET:
		memcpy(&in, address, sizeof(in));
		return is_public4(ntohl(in.sin_addr.s_addr));
	case AF_INET6:
		memcpy(&in6, address, sizeof(in6));
		return is_public6(in6.sin6_addr.s6_addr);
	default:
		return false;
	}
}

bool ration__address_text_is_public(const char *text)
{
	struct in_addr in;
	struct in6_addr in6;

	if (inet_pton(AF_INET, text, &in) == 1)
		return is_public4(ntohl(in.s_addr));
	return inet_pton(AF_INET6, text, &in6) == 1 && is_public6(in6.s6_addr);
}
