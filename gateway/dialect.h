/* SPDX-License-Identifier: Apache-2.0
 *
 * The dialects in which clients ask. Everything between a request and its answer works on one form,
 * the chat completion: its body is what is read, decided on and sent, and a completion is what
 * engines answer. A dialect says how its own bodies become chat completion bodies, and how answers
 * and errors are said in it; it knows neither tiers nor plans. The first one is the form itself, of
 * which nothing is translated: its bodies are edited in place and its answers passed on as they
 * came.
 *
 * Where an engine speaks the dialect itself, it is asked in it: the body is edited in place as chat
 * completions are, and its answer passed on as it came.
 *
 * A dialect is one file that ends with its struct dialect, and a row in dialect.c. Pure.
 */
#ifndef MOA_GATEWAY_DIALECT_H
#define MOA_GATEWAY_DIALECT_H

#include <stdbool.h>

#include "chat.h"
#include "json_out.h"
#include "skim.h"
#include "speaks.h"
#include "sse.h"
#include "usage.h"

struct dialect;

/* ---- requests ---- */

/** A body of a dialect, as a chat completion. Zeroed at first. */
struct dialect_body {
    struct json_out chat;
    size_t n_origins, origins_room;
    struct chat_origin *origins; /* of the parts of `chat` that are no text, in its order */
    char *echo;                  /* what answers repeat of the request; the dialect's, or NULL */
    struct moa_bytes came;       /* the body as it came, without a byte order mark; borrowed */
    size_t n_cuts;
    struct skim_cut *cuts; /* of the chat: the bulk of its parts, which stands in `came`; at most
                              SKIM_CUTS_MAX */
    size_t cut_bytes;
    struct span model; /* of it: the value of "model", quotes included; empty if absent */
};

/** Notes where the next part of the chat that is no text stands in the body. -1 if out of memory.
 */
int dialect_note_origin(struct dialect_body *body, struct chat_origin origin);
void dialect_body_done(struct dialect_body *body);

/**
 * Reads a body of a dialect. Returns 0, or -1 with `ret_error`, which names what is at fault as the
 * client wrote it, or 1 as chat_parse() does. On success `ret_chat` is to be given to chat_done();
 * it stands on the bytes of `ret_body`'s chat if the dialect has `read`, and in any case on `body`.
 * Whatever it returns, `ret_body` is to be given to dialect_body_done().
 */
int dialect_read(const struct dialect *dialect, struct moa_bytes body,
                 const struct chat_limits *limits, struct dialect_body *ret_body,
                 struct chat *ret_chat, struct http_error *ret_error);

/* ---- answers ---- */

enum dialect_said {
    SAID_THOUGHT, /* aloud, before the answer */
    SAID_TEXT,
    SAID_REFUSAL,
    SAID_CALL,      /* of a tool: its name, and its id; arguments may follow */
    SAID_ARGUMENTS, /* of the call that was said last; JSON, of which this may be a piece */
};

/** A piece of an answer. */
struct dialect_piece {
    enum dialect_said kind;
    struct moa_bytes text; /* of a call: the name of its tool */
    struct moa_bytes id;   /* of a call */
};

enum dialect_stop {
    STOP_END, /* all is said */
    STOP_LENGTH,
    STOP_CALLS, /* tools are to be called */
    STOP_FILTER,
};

/** An answer on its way to a client of a dialect that is translated. */
struct dialect_answer {
    const struct dialect *dialect;
    const char *echo;       /* of the request; NULL: none; borrowed */
    bool is_stream;         /* said piece by piece; else in one whole body, written by end() */
    bool has_begun;         /* begin() was called */
    bool has_failed;        /* an error was said in its place: no end() follows */
    char id[96];            /* the completion's, else as given; */
    char model[128];        /* and its model, "" if it names none, */
    int64_t created_s;      /* and when it was made, 0 if that is not told: from begin() on */
    size_t n_events;        /* said so far, by dialects that number them */
    enum dialect_stop stop; /* known at end(), */
    char stop_sequence[96]; /* as the engine tells it; "" if it does not, */
    struct usage usage;     /* and the tokens, as far as they were told */
    struct json_out out;    /* for the client, not taken yet */
    void *own;              /* the dialect's, set by begin(); done() frees it */
};

/** `id` is for an answer that has none. Borrows `echo`, which may be NULL. */
void dialect_answer_init(struct dialect_answer *answer, const struct dialect *dialect,
                         bool is_stream, const char *id, const char *echo);
void dialect_answer_done(struct dialect_answer *answer);

/** What an event of a chat completion's stream says (the data of it), or a whole completion. -1 if
 * out of memory. Then, unless it has failed, the end; `usage` is what was told by then. */
int dialect_answer_event(struct dialect_answer *answer, struct moa_bytes data);
int dialect_answer_whole(struct dialect_answer *answer, struct moa_bytes completion);
int dialect_answer_end(struct dialect_answer *answer, const struct usage *usage);

/** What a tool is to be given, as an object; an engine may have written what is none. */
void dialect_put_arguments(struct json_out *to, struct moa_bytes arguments);

/* ---- the table ---- */

struct dialect {
    const char *name;
    const char *const *paths; /* of the gateway, and all below; NULL behind the last */
    const char *stream_type;  /* the content type of a stream */
    const char *keep_alive;   /* what says nothing in a stream */
    const char *id_header;    /* where its clients look for the request's id; NULL: nowhere */

    /* Of a dialect that engines speak too, in which they can be asked: */
    unsigned speaks;                      /* its bit in speaks.h; 0: none of what follows */
    const struct answer_form *form;       /* of their answers */
    const struct chat_spelling *spelling; /* of edits of bodies in it */
    const char *const *headers; /* of clients, that go along; NULL: none; NULL behind the last */

    /** The body as a chat completion: `ret_body` is zeroed but for its buffer. NULL: it is one, and
     * all that follows but the errors is NULL too. What json_text_read() returns, or -1 with
     * `ret_error`. */
    int (*read)(struct moa_bytes body, size_t max_json_bytes, struct dialect_body *ret_body,
                struct http_error *ret_error);

    /** Said into answer->out. An answer that is no stream is gathered in answer->own. -1 if out of
     * memory; what fails in `out` need not be looked for. */
    int (*begin)(struct dialect_answer *answer);
    int (*say)(struct dialect_answer *answer, const struct dialect_piece *piece);
    int (*end)(struct dialect_answer *answer);
    void (*done)(struct dialect_answer *answer); /* also if begin() was not called: own is NULL */

    /** The text of an error, whole; and in a stream that has begun, of which `n_events` were said.
     * To be freed with free(); NULL if out of memory. */
    char *(*error)(const struct http_error *error, size_t *ret_n);
    char *(*error_event)(const struct http_error *error, size_t n_events, size_t *ret_n);
};

extern const struct dialect dialect_chat;
extern const struct dialect dialect_messages;  /* Anthropic's */
extern const struct dialect dialect_responses; /* OpenAI's, the other one */
extern const struct dialect dialect_ollama_chat, dialect_ollama_generate;

/** That of a path of the gateway, chat completions if it is no other's. */
const struct dialect *dialect_of_path(const char *path);

#endif
