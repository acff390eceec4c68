/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/pins.h: lists of kinds, and that a wrong one pins everything.
 */
#include "gateway/pins.h"

#include "test.h"

static void lists_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        unsigned pins;
    } cases[] = {
        {"edge", PINS_ALL},
        {"image", 1u << MOA_IMAGE},
        {"text", 1u << MOA_TEXT},
        {" image ,audio,\tvideo", 1u << MOA_IMAGE | 1u << MOA_AUDIO | 1u << MOA_VIDEO},
        {"file,file", 1u << MOA_FILE},
        {"image, edge", PINS_ALL},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        unsigned pins = 77;
        assert_int_equal(pins_parse(cases[i].list, &pins), 0);
        assert_int_equal(pins, cases[i].pins);
    }
}

static void what_is_not_understood_pins_everything(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",      " ",           "cloud",  "images",
                                        "Image", "image,",      ",image", "image audio",
                                        "ima",   "image;audio", "none",   "edge x"};
    for (size_t i = 0; i < N_TESTS(wrong); i++) {
        unsigned pins = 0;
        assert_int_equal(pins_parse(wrong[i], &pins), -1);
        assert_int_equal(pins, PINS_ALL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(what_is_not_understood_pins_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
