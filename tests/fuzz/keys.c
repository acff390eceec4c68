/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a file of keys: either a fault with its line, or keys that let in nobody whose token
 * is not one of them, and that survive being reloaded with requests in flight.
 */
#include <string.h>

#include "gateway/keys.h"

#include "fuzz.h"

static unsigned lines_of(const uint8_t *data, size_t size)
{
    unsigned n = 1;
    for (size_t i = 0; i < size; i++)
        n += data[i] == '\n';
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct moa_bytes text = {size ? data : NULL, size};
    struct keys *keys = NULL, *again = NULL;
    struct config_error error = {.line = 0};
    if (keys_parse(text, &keys, &error)) {
        FUZZ_ASSERT(error.line <= lines_of(data, size));
        FUZZ_ASSERT(error.message[0] && strlen(error.message) < sizeof(error.message));
        return 0;
    }
    struct http_error refused;
    FUZZ_ASSERT(!keys_find(keys, "Bearer a token that is in no file", NULL, &refused));
    FUZZ_ASSERT(refused.status == 401);
    struct key *key =
        keys_find(keys, "Bearer 0123456789abcdef", NULL, &refused); /* of the corpus */
    unsigned retry_after_s;
    bool entered = key && key_enter(key, 1, &refused, &retry_after_s) == 0;
    FUZZ_ASSERT(keys_parse(text, &again, &error) == 0);
    keys = keys_replace(keys, again);
    FUZZ_ASSERT(key == keys_find(keys, "Bearer 0123456789abcdef", NULL, &refused));
    keys_free(keys);
    if (entered)
        key_leave(key);
    return 0;
}
