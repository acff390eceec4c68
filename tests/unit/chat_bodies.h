/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of chats, read, for tests of chat.h and of what it stands on.
 */
#ifndef MOA_TESTS_UNIT_CHAT_BODIES_H
#define MOA_TESTS_UNIT_CHAT_BODIES_H

#include <string.h>

#include "gateway/chat.h"

#include "test.h"

static const struct chat_limits limits = {.max_text_bytes = 10000, .max_images = 3};

static inline struct moa_bytes bytes_of(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

static inline struct chat parse(const char *body)
{
    struct chat chat;
    struct http_error error;
    if (chat_parse(bytes_of(body), &limits, &chat, &error))
        fail_msg("refused: %s", error.message);
    return chat;
}

#define IMAGE(url) "{ \"type\" : \"image_url\", \"image_url\": {\"url\":\"" url "\", \"x\":[{}]} }"

#endif
