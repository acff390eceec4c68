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
#include "pins.h"
#include "skim.h"
#include "span.h"

/** The most parts that are no text, of all messages together. */
#define CHAT_PARTS_MAX (MOA_MODALITIES_MAX - 1)

/** A content part that is no text. Part `i` of a chat is modality `i` + 1 of its request. */
struct chat_part {
    enum moa_kind kind;
    struct span span;     /* the whole of it, braces included */
    struct span data;     /* between the quotes of its URL or base64, still JSON-escaped */
    bool has_data;        /* else it is known to the engine by a name, say */
    const char *type;     /* "image_url"; static */
    const char *question; /* what the user asked with it, the chat's; "" if nothing */
    unsigned message;     /* messages[message].content[index], for error messages */
    unsigned index;
    bool is_low_detail;  /* an image of which the client wants no more than an overview, */
    bool is_high_detail; /* or all there is to see */
    bool is_placed;      /* in chat.places, with the other parts of its message */
};

/** A place among the parts of a message that has an image behind another part. */
struct chat_place {
    struct span span;
    unsigned message;
    bool is_part; /* one of chat.parts: */
    size_t part;
};

/** `text` has to stand before the byte `at` of the body, for engines that do not take what came. */
struct chat_fix {
    size_t at;
    const char *text; /* static */
};

/** Where a part stood in the body that the client sent, if that was no chat completion's. */
struct chat_origin {
    char name[64];    /* "messages[0].content[1].source" */
    struct span span; /* the whole of it, braces included, */
    struct span data; /* and what is to be replaced for another URL */
};

/** How a dialect writes what comes into the place of a part. */
struct chat_spelling {
    const char *text; /* a part that is text, up to its words: "{\"type\":\"text\",\"text\":" */
    bool has_sources; /* a picture is no URL but an object with its type and its base64 */
};

struct chat {
    struct moa_bytes body; /* borrowed, without a byte order mark; must outlive the chat */
    size_t n_cuts;
    const struct skim_cut *cuts; /* bytes of it that stand elsewhere; spans count them; borrowed */
    struct span model;           /* the value of "model", quotes included, or null */
    char *model_name;            /* the same, unescaped; "" if absent */
    bool stream;
    struct span stream_options; /* an object or null; empty if absent */
    char *usage_options;        /* the same with include_usage: true, if the client does not ask */
    struct span logprobs;       /* false or null; empty if absent */
    bool asks_logprobs;         /* the client does: it gets them, and as many as it asked for */
    bool has_top_logprobs;
    bool wants_json; /* response_format says so */
    bool is_sampled; /* at another temperature than 0; an engine's default is none */
    bool has_temperature;
    bool is_repeatable; /* the same answer would do again: one of text, drawn without being told to
                           vary, with nothing beside it */
    struct span temperature;                 /* a number or null; empty if it is neither */
    struct moa_text_features text_all;       /* every text part of every message */
    struct moa_text_features text_last_turn; /* the text of the last user message */
    char *last_turn;                         /* that text, unescaped, NUL-terminated */
    uint64_t asked[2]; /* hash of all that a model gets to read: every turn, tools, formats */
    size_t n_parts, parts_room;
    struct chat_part *parts;
    size_t n_of[MOA_KINDS]; /* how many of them are of a kind */
    bool is_opaque;         /* something in it may be of any kind */
    unsigned pins;          /* kinds that stay on the edge; see chat_pin() */
    size_t n_fixes, fixes_room;
    struct chat_fix *fixes; /* in the order of the body */
    size_t n_questions, questions_room;
    char **questions; /* of user turns before the last, where there are parts */
    size_t n_places, places_room;
    struct chat_place *places; /* of the messages whose images do not come first */
    size_t n_origins;
    const struct chat_origin *origins;    /* those of the limits */
    const struct chat_spelling *spelling; /* NULL: a chat completion's */
};

struct chat_limits {
    size_t max_text_bytes;
    size_t max_images;     /* that are new: after the last message of the assistant */
    size_t max_json_bytes; /* what the parser reads, which is little of a picture; 0: any number */
    size_t n_origins;
    const struct chat_origin *origins; /* of the parts, in their order; must outlive the chat */
    bool is_translated; /* then the bulk of its parts is not looked for, but known: */
    size_t n_cuts;
    const struct skim_cut *cuts; /* each of a part's data, up to its end */
};

/**
 * Reads `body`. Returns 0, or -1 with `ret_error` naming the part at fault (malformed JSON with its
 * byte offset), or 1 if it has more JSON than `limits` allow and was not parsed. On success
 * `ret_chat` must be given to chat_done().
 */
int chat_parse(struct moa_bytes body, const struct chat_limits *limits, struct chat *ret_chat,
               struct http_error *ret_error);
void chat_done(struct chat *chat);

/** How long the body is, with what of it stands elsewhere. */
uint64_t chat_size(const struct chat *chat);
/** What stands together of [begin, end): all of it, or so much. */
struct moa_bytes chat_piece(const struct chat *chat, size_t begin, size_t end);

/** [begin, end) in one piece, NUL-terminated, to be freed with free(); NULL if out of memory. */
char *chat_copy(const struct chat *chat, size_t begin, size_t end);

/** The data of a part, between the quotes of its URL or base64, still JSON-escaped. */
struct chat_data {
    struct moa_bytes head;  /* stands before `bytes`: "data:image/png;base64,", say; or is empty */
    struct moa_bytes bytes; /* base64 then, else all of it */
};

/** Of part `i`, which has data. */
struct chat_data chat_part_data(const struct chat *chat, size_t i);

/** Pins kinds to the edge; all of it, if something in it may be of any kind. */
void chat_pin(struct chat *chat, unsigned pins);

/** Whether there is something in it that is pinned. */
bool chat_has_pinned(const struct chat *chat);

/** The URL of part `i`, which has data, without JSON's escapes, to be freed with free(); NULL if
 * out of memory. */
char *chat_part_url(const struct chat *chat, size_t i);

/** The name of part `i` in error messages: "messages[0].content[1].image_url", or its origin's. */
void chat_part_name(const struct chat *chat, size_t i, char *ret_name, size_t n);

/**
 * A body to send: segments that alternate between spans of the chat's body, borrowed URLs and new
 * text. Borrows the chat's body and the URLs, owns the new text.
 */
struct chat_body {
    struct moa_bytes *segments;
    size_t n_segments;
    uint64_t total_bytes;
    bool has_pinned; /* something of it may not leave the device */
    char **owned;
    size_t n_owned;
};

/** What is to be different in a rendered chat. All zero: nothing but `model`, which must be set. */
struct chat_edits {
    const char *model;            /* in the place of its model; "" leaves it */
    char *const *evidence;        /* per part: a text part in its place; NULL leaves it */
    const struct moa_bytes *urls; /* per part: in the place of its URL; p == NULL leaves it */
    bool images_first;            /* the images of a message before its other parts */
    bool ask_usage;               /* stream_options.include_usage, whatever the client said */
    bool ask_logprobs;            /* log-probabilities of the tokens and of the likeliest five, */
    bool by_n_probs;              /* by the name that llama-server takes with tools in a stream */
    bool cold;                    /* temperature 0, whatever the client said */
};

/** The chat with `edits`. Returns 0, or -1 if out of memory. */
int chat_render(const struct chat *chat, const struct chat_edits *edits,
                struct chat_body *ret_body);

/**
 * The body that `chat` was translated from, with its `origins` in it, and with `edits`: of those,
 * the model, evidence and URLs. Otherwise as above; it is borrowed too.
 */
int chat_render_origin(const struct chat *chat, struct moa_bytes body, struct span model,
                       const struct chat_spelling *spelling, const struct chat_edits *edits,
                       struct chat_body *ret_body);

/**
 * A new body that asks for part `i` alone: one user turn with the part as it came, but for
 * its URL if `url` has one, and `prompt` behind it. Nothing else of the conversation is in it.
 * `extra` is a JSON object of further members, or "".
 * Whether something of it is pinned, `prompt` aside, is said in it.
 */
int chat_render_perception(const struct chat *chat, size_t i, struct moa_bytes url,
                           const char *model, const char *prompt, unsigned max_tokens,
                           const char *extra, struct chat_body *ret_body);
/** A new body that asks `prompt` alone, for as many tokens at temperature 0. `extra` as above; the
 * pins are none: what is in the prompt is the caller's to know. */
int chat_render_prompt(const char *model, const char *prompt, unsigned max_tokens,
                       const char *extra, struct chat_body *ret_body);
void chat_body_done(struct chat_body *body);

/**
 * `pattern` with every {name} of `names` replaced by the value beside it; other braces stay.
 * `names` and `values` have `n` entries. NULL if out of memory.
 */
char *chat_fill(const char *pattern, const char *const *names, const char *const *values, size_t n);

/**
 * The answer text choices[0].message.content of a chat completion, to be freed with free(); NULL if
 * `completion` is none, or the text is empty, cut off, or nothing but thinking aloud.
 */
char *chat_completion_text(struct moa_bytes completion);

#endif
