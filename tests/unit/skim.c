/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies without the bulk of their files: what is left, where it was, and how much.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/skim.h"

#include "chat_bodies.h"

#define BULK 10000

/* `before`, a string of "data:" and BULK letters, and `after`, in JSON; `bulk` may be spoilt. */
static struct moa_bytes body_of(const char *before, const char *after, char spoilt)
{
    const size_t n = strlen(before) + 6 + BULK + 1 + strlen(after);
    char *body = malloc(n + 1);
    assert_non_null(body);
    char *at = stpcpy(stpcpy(body, before), "\"data:");
    memset(at, 'A', BULK);
    if (spoilt)
        at[BULK / 2] = spoilt;
    stpcpy(stpcpy(at + BULK, "\""), after);
    return (struct moa_bytes){body, n};
}

static void check(struct moa_bytes body, size_t n_left)
{
    struct skim skim;
    assert_int_equal(skim_init(&skim, body, (struct skim_way){.kind = SKIM_URIS}, 0), 0);
    assert_int_equal(skim.json.n, n_left);
    for (size_t i = 0; i < skim.json.n; i++) {
        const size_t origin = skim_origin(&skim, i);
        assert_int_equal(((const char *)skim.json.p)[i], ((const char *)body.p)[origin]);
    }
    skim_done(&skim);
    free((void *)(uintptr_t)body.p);
}

static void test_bulk_is_left_out(void **state)
{
    (void)state;
    /* 32 bytes of the string stay, its quotes and scheme among them. */
    check(body_of("{\"url\":", "}", 0), strlen("{\"url\":") + 32 + 1 + 1);
}

static void test_what_is_no_uri_stays(void **state)
{
    (void)state;
    const size_t whole = strlen("[") + 6 + BULK + 1 + strlen("]");
    check(body_of("[", "]", '\\'), whole);
    check(body_of("[", "]", '\x80'), whole);
    check(body_of("[", "]", '\n'), whole);
    check(body_of("\\", "", 0), whole - 1); /* its quote is a character of a string */
}

static void test_short_and_none(void **state)
{
    (void)state;
    static const char text[] = "{\"url\": \"data:image/png;base64,AAAA\"}";
    struct skim skim;
    assert_int_equal(skim_init(&skim, (struct moa_bytes){text, strlen(text)},
                               (struct skim_way){.kind = SKIM_URIS}, 0),
                     0);
    assert_int_equal(skim.json.n, strlen(text));
    skim_done(&skim);
    assert_int_equal(
        skim_init(&skim, (struct moa_bytes){NULL, 0}, (struct skim_way){.kind = SKIM_URIS}, 0), 0);
    assert_int_equal(skim.json.n, 0);
    skim_done(&skim);
}

/* Wherever in a long string it stands, and whatever letters are around it. */
static void test_a_fault_is_found_anywhere(void **state)
{
    (void)state;
    static const char faults[] = "\\\n\x1f\x80\xff", others[] = "!#*+/09AZaz[]^~ \x7f";
    char text[2 + 6 + BULK + 1];
    struct skim skim;
    for (const char *other = others; *other; other++) {
        for (size_t at = 6; at < BULK; at += 13) {
            const struct moa_bytes body = {text, sizeof(text) - 1};
            memset(text, *other, sizeof(text));
            memcpy(text, "\"data:", 6);
            text[sizeof(text) - 2] = '"';
            text[at] = at % 2 ? 'A' : faults[at % (sizeof(faults) - 1)];
            assert_int_equal(skim_init(&skim, body, (struct skim_way){.kind = SKIM_URIS}, 0), 0);
            assert_int_equal(skim.json.n, at % 2 ? 33 : body.n);
            skim_done(&skim);
        }
    }
}

static void test_more_than_is_parsed(void **state)
{
    (void)state;
    const struct moa_bytes body = body_of("{\"url\":", "}", 0);
    const size_t left = strlen("{\"url\":") + 32 + 1 + 1;
    struct skim skim;
    assert_int_equal(skim_init(&skim, body, (struct skim_way){.kind = SKIM_URIS}, left - 1), 1);
    assert_int_equal(skim.json.n, 0);
    skim_done(&skim);
    assert_int_equal(skim_init(&skim, body, (struct skim_way){.kind = SKIM_URIS}, left), 0);
    assert_int_equal(skim.json.n, left);
    skim_done(&skim);
    free((void *)(uintptr_t)body.p);
}

/* A body whose bulk stands elsewhere is its own skim; places in it count what is missing. */
static void test_cuts_that_are_known(void **state)
{
    (void)state;
    const char json[] = "{\"a\":\"xy\",\"b\":\"zw\"}";
    const struct moa_bytes body = {json, strlen(json)};
    const struct skim_cut cuts[] = {{.begin = 7, .n = 1000}, {.begin = 1015, .n = 50}};
    const struct skim_way way = {SKIM_KNOWN, 2, cuts}, none = {SKIM_KNOWN, 0, NULL};
    struct skim skim;
    assert_int_equal(skim_init(&skim, body, way, body.n), 0);
    assert_ptr_equal(skim.json.p, json);
    assert_int_equal(skim.json.n, body.n);
    assert_int_equal(skim_origin(&skim, 6), 6);
    assert_int_equal(skim_origin(&skim, 7), 1007);
    assert_int_equal(skim_origin(&skim, 14), 1014);
    assert_int_equal(skim_origin(&skim, 15), 1065);
    assert_int_equal(skim_cut_at(&skim, 1).begin, 1015);
    assert_int_equal(skim_cut_at(&skim, 1).n, 50);
    skim_done(&skim);
    assert_int_equal(skim_init(&skim, body, way, body.n - 1), 1);
    assert_int_equal(skim_init(&skim, body, none, 0), 0);
    assert_int_equal(skim_origin(&skim, body.n - 1), body.n - 1);
    skim_done(&skim);
}

static void check_base64(char *body, size_t n_left)
{
    struct skim skim;
    const struct moa_bytes bytes = {body, strlen(body)};
    assert_int_equal(skim_init(&skim, bytes, (struct skim_way){.kind = SKIM_BASE64}, 0), 0);
    assert_int_equal(skim.json.n, n_left);
    for (size_t i = 0; i < skim.json.n; i++)
        assert_int_equal(((const char *)skim.json.p)[i], body[skim_origin(&skim, i)]);
    skim_done(&skim);
    free(body);
}

static char *with_bulk(const char *format, size_t n);

/* Wherever it begins, a string of base64 that is worth it is found, and nothing else is. */
static void test_bulk_of_base64(void **state)
{
    (void)state;
    for (int before = 0; before < 5000; before += 7) {
        char format[64];
        snprintf(format, sizeof(format), "%%%ds[\"%%s\"]", before + 1);
        char *body;
        char bulk[4129 + 1];
        memset(bulk, 'b', sizeof(bulk) - 1);
        bulk[sizeof(bulk) - 1] = '\0';
        assert_true(asprintf(&body, format, " ", bulk) > 0);
        check_base64(body, (size_t)before + 1 + 1 + 32 + 2);
    }
    char *two = with_bulk("{\"images\":[\"%s\",\"%s\"]}", 9000);
    check_base64(two, strlen("{\"images\":[,]}") + 2 * 33);
    static const char *const others[] = {"[\"data:,%s\"]", "[\"%s\\n\"]", "\"\\\"%s\"", "%s",
                                         "[\"%s",          "[\"a %s\"]"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char *body = with_bulk(others[i], 9000);
        check_base64(body, strlen(body));
    }
    check_base64(with_bulk("\"%s\"", 4000), 4002);
    check_base64(strdup(""), 0);
}

/* ---- a chat that is read by its skim ---- */

/* A body of a format with %s in the place of `n` base64 characters; to be freed. */
static char *with_bulk(const char *format, size_t n)
{
    char *bulk = malloc(n + 1), *body;
    memset(bulk, 'A', n);
    bulk[n] = '\0';
    assert_true(asprintf(&body, format, bulk, bulk) > 0);
    free(bulk);
    return body;
}

#define URI "data:image/png;base64,"

static void bulky_images_are_found(void **state)
{
    (void)state;
    for (size_t n = 4000; n < 4300; n++) { /* around where images begin to be skimmed */
        char *body =
            with_bulk("{\"messages\":[{\"role\":\"user\",\"content\":[" IMAGE(URI "%s") "," IMAGE(
                          URI "%s") ",{\"type\":\"text\",\"text\":\"Why?\"}]}],\"model\":\"m\"}",
                      n);
        struct chat chat = parse(body);
        assert_string_equal(chat.last_turn, "Why?");
        assert_memory_equal(body + chat.model.begin, "\"m\"", 3);
        assert_int_equal(chat.n_parts, 2);
        for (size_t i = 0; i < 2; i++) {
            const struct chat_part *image = &chat.parts[i];
            assert_int_equal(image->data.end - image->data.begin, strlen(URI) + n);
            assert_memory_equal(body + image->data.begin - 1, "\"" URI "AAAA", 26);
            assert_int_equal(body[image->data.end], '"');
            assert_memory_equal(body + image->span.begin - 1, i ? ",{" : "[{", 2);
            assert_memory_equal(body + image->span.end - 1, "},", 2);
        }
        chat_done(&chat);
        free(body);
    }
}

static void a_bulky_image_in_a_text_is_text(void **state)
{
    (void)state;
    char *body = with_bulk("{\"messages\":[{\"role\":\"user\",\"content\":\"" URI "%s\"},"
                           "{\"role\":\"user\",\"content\":\"{\\\"url\\\": \\\"" URI "\\\"}\"}]}",
                           5000);
    struct chat chat = parse(body);
    assert_int_equal(chat.text_all.bytes, strlen(URI) + 5000 + strlen("{'url': '" URI "'}"));
    assert_string_equal(chat.last_turn, "{\"url\": \"" URI "\"}");
    chat_done(&chat);
    free(body);

    body = with_bulk("{\"messages\":[{\"role\":\"user\",\"content\":\"" URI "%s\"}]}", 10000);
    struct http_error error;
    assert_int_equal(chat_parse(bytes_of(body), &limits, &chat, &error), -1);
    assert_string_equal(error.code, "text_too_large");
    free(body);
}

static void faults_behind_a_bulky_image_keep_their_place(void **state)
{
    (void)state;
    static const char *const formats[] = {
        "{\"a\":\"" URI "%s\",}",          /* a comma too many */
        "{\"a\":\"" URI "%s\"\"" URI "%s", /* a string that does not end */
        "{\"a\":\"" URI "%s\n\"}",         /* a control character */
        "{\"a\":\"" URI "%s\\x\"}",        /* no such escape */
        "\"\" \"" URI "%s\"",
    };
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        unsigned long place[2];
        for (size_t k = 0; k < 2; k++) {
            const size_t n = k ? 5000 : 4000; /* skimmed, and not */
            char *body = with_bulk(formats[i], n);
            struct chat chat;
            struct http_error error;
            assert_int_equal(chat_parse(bytes_of(body), &limits, &chat, &error), -1);
            assert_string_equal(error.code, "invalid_json");
            const char *number = strstr(error.message, "at byte ");
            assert_non_null(number);
            place[k] = strtoul(number + 8, NULL, 10);
            free(body);
        }
        const unsigned long moved = place[1] - place[0];
        assert_true(moved == 0 || moved == 1000 || moved == 2000);
        assert_true(i == 4 ? moved == 0 : moved > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bulk_is_left_out),
        cmocka_unit_test(test_what_is_no_uri_stays),
        cmocka_unit_test(test_short_and_none),
        cmocka_unit_test(test_a_fault_is_found_anywhere),
        cmocka_unit_test(test_more_than_is_parsed),
        cmocka_unit_test(test_cuts_that_are_known),
        cmocka_unit_test(test_bulk_of_base64),
        cmocka_unit_test(bulky_images_are_found),
        cmocka_unit_test(a_bulky_image_in_a_text_is_text),
        cmocka_unit_test(faults_behind_a_bulky_image_keep_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
