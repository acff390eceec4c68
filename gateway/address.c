/* SPDX-License-Identifier: Apache-2.0
 *
 * Address ranges; see address.h. Every address is looked at in its IPv6 form, where an IPv4 address
 * is ::ffff:a.b.c.d, so that there is one comparison and no second way to write a forbidden one.
 */
#include "address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b}; /* 64:ff9b::/96, RFC 6052 */

/* IANA's special-purpose registries, RFC 6890 and after, and multicast. */
static const struct {
    uint8_t prefix[4];
    unsigned n_bits;
} closed_v4[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* shared by a carrier's customers */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local; metadata services of clouds */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* 6to4 relays */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarking */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 3},           /* multicast, reserved, broadcast */
};

/* Only 2000::/3 is global unicast; of it, these are not. */
static const struct {
    uint8_t prefix[4];
    unsigned n_bits;
} closed_v6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments, Teredo, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3f, 0xff}, 20},             /* documentation */
};

static bool has_prefix(const uint8_t *address, const uint8_t *prefix, unsigned n_bits)
{
    const size_t whole = n_bits / 8;
    const unsigned rest = n_bits % 8;
    return memcmp(address, prefix, whole) == 0 &&
           (rest == 0 || (address[whole] ^ prefix[whole]) >> (8 - rest) == 0);
}

/* The IPv6 form; false for families other than IPv4 and IPv6. */
static bool normal_form(const struct sockaddr *address, uint8_t ret_bytes[16])
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        memcpy(ret_bytes, mapped, 12);
        memcpy(ret_bytes + 12, &v4.sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        memcpy(ret_bytes, &v6.sin6_addr, 16);
        return true;
    }
    return false;
}

static bool public_v4(const uint8_t *address)
{
    for (size_t i = 0; i < sizeof(closed_v4) / sizeof(closed_v4[0]); i++) {
        if (has_prefix(address, closed_v4[i].prefix, closed_v4[i].n_bits))
            return false;
    }
    return true;
}

static bool public_v6(const uint8_t *address)
{
    static const uint8_t global[1] = {0x20};
    if (memcmp(address, mapped, 12) == 0 || memcmp(address, nat64, 12) == 0)
        return public_v4(address + 12);
    if (!has_prefix(address, global, 3))
        return false;
    for (size_t i = 0; i < sizeof(closed_v6) / sizeof(closed_v6[0]); i++) {
        if (has_prefix(address, closed_v6[i].prefix, closed_v6[i].n_bits))
            return false;
    }
    return true;
}

bool address_listed(const struct sockaddr *address, const struct address_list *allowed)
{
    uint8_t bytes[16];
    if (!normal_form(address, bytes))
        return false;
    for (size_t i = 0; i < allowed->n; i++) {
        if (has_prefix(bytes, allowed->ranges[i].prefix, allowed->ranges[i].n_bits))
            return true;
    }
    return false;
}

bool address_allowed(const struct sockaddr *address, const struct address_list *allowed)
{
    uint8_t bytes[16];
    if (!normal_form(address, bytes))
        return false;
    return address_listed(address, allowed) || public_v6(bytes);
}

static unsigned leading_ones(const uint8_t *p, size_t n)
{
    unsigned bits = 0;
    while (bits < 8 * n && p[bits / 8] >> (7 - bits % 8) & 1)
        bits++;
    return bits;
}

bool address_same_network(const struct sockaddr *address, const struct sockaddr *own,
                          const struct sockaddr *mask)
{
    uint8_t a[16], b[16], m[16];
    if (!normal_form(address, a) || !normal_form(own, b) || !normal_form(mask, m))
        return false;
    const bool is_v4 = own->sa_family == AF_INET;
    const unsigned n_bits = is_v4 ? 96 + leading_ones(m + 12, 4) : leading_ones(m, sizeof(m));
    /* A mask of nothing is no network: it would be everybody's. */
    return n_bits > (is_v4 ? 96 : 0) && has_prefix(a, b, n_bits);
}

/* ---- lists ---- */

static int read_range(const char *word, struct address_range *range)
{
    char address[INET6_ADDRSTRLEN];
    const size_t n = strcspn(word, "/");
    unsigned most = 128, before = 0;
    if (n >= sizeof(address))
        return -1;
    memcpy(address, word, n);
    address[n] = '\0';
    if (inet_pton(AF_INET, address, range->prefix + 12) == 1) {
        memcpy(range->prefix, mapped, 12);
        most = 32;
        before = 96;
    } else if (inet_pton(AF_INET6, address, range->prefix) != 1) {
        return -1;
    }
    range->n_bits = 128;
    if (word[n] == '\0')
        return 0;
    char *end;
    const char *digits = word + n + 1;
    const unsigned long bits = strtoul(digits, &end, 10);
    if (digits[0] < '0' || digits[0] > '9' || *end || bits > most)
        return -1;
    range->n_bits = before + (unsigned)bits;
    return 0;
}

int address_list_parse(const char *text, struct address_list *ret_list, char *why, size_t n)
{
    static const char gaps[] = ", \t\r\n";
    struct address_list list = {.n = 0};
    for (text += strspn(text, gaps); *text; text += strspn(text, gaps)) {
        char word[INET6_ADDRSTRLEN + 4];
        const size_t length = strcspn(text, gaps);
        snprintf(word, sizeof(word), "%.*s", (int)(length < 64 ? length : 64), text);
        if (list.n == ADDRESS_RANGES_MAX) {
            snprintf(why, n, "has more than %d ranges", ADDRESS_RANGES_MAX);
            return -1;
        }
        if (length >= sizeof(word) || read_range(word, &list.ranges[list.n])) {
            snprintf(why, n, "has \"%s\", which is no address or CIDR prefix", word);
            return -1;
        }
        list.n++;
        text += length;
    }
    *ret_list = list;
    return 0;
}

bool address_is_near(const struct sockaddr *address)
{
    struct ifaddrs *interfaces;
    if (getifaddrs(&interfaces))
        return true;
    bool found = false;
    for (const struct ifaddrs *i = interfaces; i && !found; i = i->ifa_next)
        found = i->ifa_addr && i->ifa_netmask &&
                address_same_network(address, i->ifa_addr, i->ifa_netmask);
    freeifaddrs(interfaces);
    return found;
}
