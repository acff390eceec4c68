/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/address.h: addresses that only look public, and lists of ranges.
 */
#include <stdbool.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "gateway/address.h"

#include "test.h"

static const struct address_list nothing = {.n = 0};

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(&storage, &v4, sizeof(v4));
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(&storage, &v6, sizeof(v6));
    else
        fail_msg("%s is no address", text);
    return storage;
}

static bool allowed(const char *text, const struct address_list *list)
{
    const struct sockaddr_storage storage = address_of(text);
    return address_allowed((const struct sockaddr *)&storage, list);
}

static void public_addresses_are_allowed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1.1.1.1",         "8.8.8.8",         "9.255.255.255",
        "11.0.0.0",        "100.63.255.255",  "100.128.0.0",
        "126.255.255.255", "128.0.0.0",       "169.253.255.255",
        "169.255.0.0",     "172.15.255.255",  "172.32.0.0",
        "192.0.1.0",       "192.0.3.0",       "192.88.98.255",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255",
        "198.20.0.0",      "198.51.99.255",   "203.0.112.255",
        "203.0.114.0",     "223.255.255.255", "2606:4700::1111",
        "2a00:1450::1",    "2001:200::1",     "2001:4860:4860::8888",
        "2003::1",         "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8",
        "3ffe::1",
    };
    for (size_t i = 0; i < N_TESTS(texts); i++) {
        if (!allowed(texts[i], &nothing))
            fail_msg("%s is refused", texts[i]);
    }
}

static void others_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254", /* metadata of clouds */
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1", /* IPv4-compatible, deprecated */
        "::8.8.8.8",
        "::ffff:127.0.0.1", /* IPv4-mapped */
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1", /* SIIT */
        "64:ff9b::127.0.0.1", /* NAT64 */
        "64:ff9b::10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::8.8.8.8", /* NAT64 for local use */
        "100::1",             /* discard only */
        "2001::1",            /* Teredo */
        "2001:0:7f00:1::",
        "2001:10::1", /* ORCHID */
        "2001:20::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2002:7f00:1::", /* 6to4 to 127.0.0.1 */
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "febf::1",
        "fec0::1", /* site-local, deprecated */
        "ff02::1",
        "ff0e::1",
    };
    for (size_t i = 0; i < N_TESTS(texts); i++) {
        if (allowed(texts[i], &nothing))
            fail_msg("%s is allowed", texts[i]);
    }
}

static void other_families_are_refused(void **state)
{
    (void)state;
    const struct sockaddr unix_address = {.sa_family = AF_UNIX};
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    struct address_list all;
    char why[128];
    assert_int_equal(address_list_parse("::/0", &all, why, sizeof(why)), 0);
    assert_false(address_allowed(&unix_address, &all));
    assert_false(address_allowed(&none, &all));
}

static void listed_ranges_are_allowed_too(void **state)
{
    (void)state;
    struct address_list list;
    char why[128];
    assert_int_equal(address_list_parse(" 10.1.0.0/16,192.168.1.7 fd00::/9,, 127.0.0.1/32", &list,
                                        why, sizeof(why)),
                     0);
    assert_int_equal(list.n, 4);
    static const struct {
        const char *address;
        bool allowed;
    } cases[] = {
        {"10.1.255.255", true},    {"10.2.0.0", false},       {"10.0.255.255", false},
        {"192.168.1.7", true},     {"192.168.1.6", false},    {"fd7f::1", true},
        {"fd80::1", false},        {"::ffff:10.1.0.1", true}, {"127.0.0.1", true},
        {"127.0.0.2", false},      {"8.8.8.8", true},         {"169.254.169.254", false},
        {"64:ff9b::a01:1", false},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        if (allowed(cases[i].address, &list) != cases[i].allowed)
            fail_msg("%s", cases[i].address);
    }
    assert_int_equal(address_list_parse("0.0.0.0/0", &list, why, sizeof(why)), 0);
    assert_true(allowed("10.0.0.1", &list));
    assert_false(allowed("fd00::1", &list));
}

static void wrong_lists_are_named(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "10.0.0.0/33",
        "fd00::/129",
        "10.0.0/8",
        "localhost",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8x",
        "10.0.0.0/ 8",
        "010.0.0.1.5",
        "[::1]/128",
        "fe80::1%eth0",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111:2222:3333",
    };
    for (size_t i = 0; i < N_TESTS(wrong); i++) {
        struct address_list list;
        char why[128] = "";
        if (!address_list_parse(wrong[i], &list, why, sizeof(why)))
            fail_msg("\"%s\" is accepted", wrong[i]);
        assert_non_null(strstr(why, "no address"));
    }
    char many[65 * 8 + 1] = "";
    for (size_t i = 0; i < 65; i++)
        memcpy(many + 8 * i, "1.1.1.1,", 9);
    struct address_list list;
    char why[128];
    assert_int_equal(address_list_parse(many, &list, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "more than 64"));
}

static void neighbours_are_in_the_same_network(void **state)
{
    (void)state;
    static const struct {
        const char *address, *own, *mask;
        bool same;
    } cases[] = {
        {"5.6.7.99", "5.6.7.8", "255.255.255.0", true},
        {"5.6.8.99", "5.6.7.8", "255.255.255.0", false},
        {"::ffff:5.6.7.99", "5.6.7.8", "255.255.255.0", true},
        {"5.6.7.8", "5.6.7.8", "255.255.255.255", true},
        {"5.6.7.9", "5.6.7.8", "255.255.255.255", false},
        {"9.9.9.9", "5.6.7.8", "0.0.0.0", false},
        {"2a00:1:2:3::9", "2a00:1:2:3::1", "ffff:ffff:ffff:ffff::", true},
        {"2a00:1:2:4::9", "2a00:1:2:3::1", "ffff:ffff:ffff:ffff::", false},
        {"2a00:1:2:4::9", "2a00:1:2:3::1", "::", false},
        {"5.6.7.8", "2a00:1:2:3::1", "ffff:ffff:ffff:ffff::", false},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        const struct sockaddr_storage address = address_of(cases[i].address);
        const struct sockaddr_storage own = address_of(cases[i].own);
        const struct sockaddr_storage mask = address_of(cases[i].mask);
        if (address_same_network((const struct sockaddr *)&address, (const struct sockaddr *)&own,
                                 (const struct sockaddr *)&mask) != cases[i].same)
            fail_msg("%s and %s", cases[i].address, cases[i].own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_addresses_are_allowed),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(other_families_are_refused),
        cmocka_unit_test(listed_ranges_are_allowed_too),
        cmocka_unit_test(wrong_lists_are_named),
        cmocka_unit_test(neighbours_are_in_the_same_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
