/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a configuration: either a fault with its line, or values within their ranges.
 */
#include <string.h>

#include "gateway/config.h"

#include "fuzz.h"

static unsigned lines_of(const uint8_t *data, size_t size)
{
    unsigned n = 1;
    for (size_t i = 0; i < size; i++)
        n += data[i] == '\n' || data[i] == '\r';
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct moa_bytes text = {size ? data : NULL, size};
    struct config *config = NULL;
    struct config_error error = {.line = 0};
    if (config_parse(text, CONFIG_TO_SERVE, &config, &error)) {
        /* libyaml also ends lines at U+0085, U+2028 and U+2029, and names the one after the last.
         */
        FUZZ_ASSERT(error.line <= lines_of(data, size) + size);
        FUZZ_ASSERT(error.message[0] && strlen(error.message) < sizeof(error.message));
        return 0;
    }
    FUZZ_ASSERT(config->listen_port >= 0 && config->listen_port <= 65535);
    FUZZ_ASSERT(config->max_body_bytes >= 1024 && config->max_images <= MOA_MODALITIES_MAX - 1);
    struct moa_policy *policy = NULL;
    FUZZ_ASSERT(moa_policy_new("paper", config->policy_settings, &policy) == MOA_OK);
    moa_policy_free(policy);
    FUZZ_ASSERT(config->journal_max_bytes >= 1 << 20);
    FUZZ_ASSERT(config_is_guarded(config));
    FUZZ_ASSERT(!config_pins_model(config, "") || config->pin_models[0]);
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        FUZZ_ASSERT(config->tier[tier].urls.n > 0 && config->tier[tier].api_key);
    config_free(config);
    return 0;
}
