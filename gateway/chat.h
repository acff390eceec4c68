/* SPDX-License-Identifier: Apache-2.0
 *
 * An OpenAI chat completion body: read into modalities, and written out again with edits.
 *
 * The body stays one buffer. Text is measured while it is read; images stay spans of the buffer;
 * what goes to an engine is the same buffer with a few spans replaced, so unknown fields, number
 * formats and key order reach the engine as the client sent them. Pure: no input or output.
 */
#ifndef MOA_GATEWAY_CHAT_H
#define MOA_GATEWAY_CHAT_H

#include <stdbool.h>

#include <moaoff/moaoff.h>

#include "error.h"

/** [begin, end) in the body; empty (0, 0) if absent. */
struct span {
    size_t begin, end;
};

struct chat_image {
    struct span part; /* the whole content part, braces included */
    struct span url;  /* what stands between the quotes of its URL, still JSON-escaped */
    unsigned message; /* messages[message].content[index], for error messages */
    unsigned index;
    bool is_listed; /* in chat.parts, with the other parts of its message */
};

/** A content part of a message that has an image behind another part. */
struct chat_part {
    struct span span;
    unsigned message;
    bool is_image;
    size_t image; /* its number, if it is one */
};

struct chat {
    struct moa_bytes body; /* borrowed; must outlive the chat */
    struct span model;     /* the value of "model", quotes included */
    char *model_name;      /* the same, unescaped; "" if absent */
    bool stream;
    struct moa_text_features text_all;       /* every text part of every message */
    struct moa_text_features text_last_turn; /* the text of the last user message */
    char *last_turn;                         /* that text, unescaped, NUL-terminated */
    size_t n_images;
    struct chat_image images[MOA_IMAGES_MAX];
    struct chat_part *parts; /* all parts of the messages whose images do not come first */
    size_t n_parts;
};

struct chat_limits {
    size_t max_text_bytes;
    size_t max_images;
};

/**
 * Reads `body`. Returns 0, or -1 with `ret_error` naming the part at fault (malformed JSON with its
 * byte offset). On success `ret_chat` must be given to chat_done().
 */
int chat_parse(struct moa_bytes body, const struct chat_limits *limits, struct chat *ret_chat,
               struct http_error *ret_error);
void chat_done(struct chat *chat);

/** The URL of image `i` without JSON's escapes, to be freed with free(); NULL if out of memory. */
char *chat_image_url(const struct chat *chat, size_t i);

/** The name of image `i` in error messages: "messages[0].content[1].image_url". */
void chat_image_name(const struct chat *chat, size_t i, char *ret_name, size_t n);

/**
 * A body to send: segments that alternate between spans of the chat's body, borrowed URLs and new
 * text. Borrows the chat's body and the URLs, owns the new text.
 */
struct chat_body {
    struct moa_bytes *segments;
    size_t n_segments;
    uint64_t total_bytes;
    char **owned;
    size_t n_owned;
};

/** What is to be different in a rendered chat. All zero: nothing but `model`, which must be set. */
struct chat_edits {
    const char *model;            /* in the place of its model; "" leaves it */
    char *const *evidence;        /* per image: a text part in its place; NULL leaves it */
    const struct moa_bytes *urls; /* per image: in the place of its URL; p == NULL leaves it */
    bool images_first;            /* the images of a message before its other parts */
};

/** The chat with `edits`. Returns 0, or -1 if out of memory. */
int chat_render(const struct chat *chat, const struct chat_edits *edits,
                struct chat_body *ret_body);

/**
 * A new body that asks for image `i` alone: one user turn with the image part as it came, but for
 * its URL if `url` has one, and `prompt` behind it. Nothing else of the conversation is in it.
 */
int chat_render_perception(const struct chat *chat, size_t i, struct moa_bytes url,
                           const char *model, const char *prompt, unsigned max_tokens,
                           struct chat_body *ret_body);
void chat_body_done(struct chat_body *body);

/**
 * `pattern` with every {name} of `names` replaced by the value beside it; other braces stay.
 * `names` and `values` have `n` entries. NULL if out of memory.
 */
char *chat_fill(const char *pattern, const char *const *names, const char *const *values, size_t n);

/**
 * The answer text choices[0].message.content of a chat completion, to be freed with free(); NULL if
 * `completion` is none or the text is empty.
 */
char *chat_completion_text(struct moa_bytes completion);

#endif
