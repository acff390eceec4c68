/* SPDX-License-Identifier: Apache-2.0
 *
 * Which network addresses the gateway may fetch from on behalf of a client. Pure.
 */
#ifndef MOA_GATEWAY_ADDRESS_H
#define MOA_GATEWAY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

#define ADDRESS_RANGES_MAX 64

/** IPv6 prefixes; an IPv4 one stands in ::ffff:0:0/96. */
struct address_range {
    uint8_t prefix[16];
    unsigned n_bits;
};

struct address_list {
    struct address_range ranges[ADDRESS_RANGES_MAX];
    size_t n;
};

/**
 * Reads "10.0.0.0/8, fd00::/8 192.168.1.7": addresses and CIDR prefixes between commas or spaces.
 * 0, or -1 with `why` filled.
 */
int address_list_parse(const char *text, struct address_list *ret_list, char *why, size_t n);

/**
 * Whether `address` may be connected to: it is in `allowed`, or it is a global unicast address of
 * the public internet. Never public: what IANA's special-purpose registries reserve (private,
 * loopback, link-local, shared, documentation, benchmarking, multicast, ...), and addresses that
 * lead to such an IPv4 address (mapped, NAT64); 6to4 and Teredo.
 */
bool address_allowed(const struct sockaddr *address, const struct address_list *allowed);

/** Whether `address` is in the network of `own`, an interface's address with its mask. */
bool address_same_network(const struct sockaddr *address, const struct sockaddr *own,
                          const struct sockaddr *mask);

/**
 * Whether `address` is this machine's or in one of its own networks, which are behind its firewall
 * also where their addresses are public. True if that cannot be found out.
 */
bool address_is_near(const struct sockaddr *address);

/** Whether `allowed` has `address`. */
bool address_listed(const struct sockaddr *address, const struct address_list *allowed);

#endif
