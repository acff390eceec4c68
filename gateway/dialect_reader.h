/* SPDX-License-Identifier: Apache-2.0
 *
 * What readers of dialects have in common: the members of objects, each known by its name or
 * refused; strings, numbers and objects copied into the chat as they stand in the body; lists;
 * errors that name what the client wrote. Pure.
 */
#ifndef MOA_GATEWAY_DIALECT_READER_H
#define MOA_GATEWAY_DIALECT_READER_H

#include "dialect.h"
#include "json_text.h"

struct reader {
    struct json_text text;
    struct dialect_body *to;
    struct json_out *out; /* the chat */
    struct http_error *error;
};

/* ---- errors: each returns -1 ---- */

/** "PLACE WHAT." */
int reader_fail(const struct reader *r, const char *place, const char *what);
int reader_fail_memory(const struct reader *r);
/** What stands at `place` cannot be said in a chat completion; `what` it is, or "". */
int reader_fail_foreign(const struct reader *r, const char *place, const char *what);

/** A place in the body, as errors name it: "messages[0].content[1]". */
struct place {
    char name[96];
};

struct place place_below(const char *place, const char *member);
struct place place_entry(const char *place, size_t i);

/** The next part of the chat that is no text is `part` of the body; `data`, a string or an object
 * in it, has its bytes or says where they are, and `place` names it. */
int reader_note_part(struct reader *r, const char *place, struct yyjson_val *part,
                     struct yyjson_val *data);

/* ---- members ---- */

#define MEMBERS_MAX 40

/** The members of an object by the names that it may have; values that are null are not there. */
struct members {
    struct yyjson_val *keys[MEMBERS_MAX], *values[MEMBERS_MAX];
};

/** Reads `object`. A member that has none of the `names` (at most MEMBERS_MAX, NULL behind the
 * last) or that appears twice is refused. */
int reader_members(const struct reader *r, struct yyjson_val *object, const char *place,
                   const char *const *names, struct members *ret_members);

/* ---- writing what was read ---- */

/** `,"model":...` and where that stands; `model` is a string. */
void reader_put_model(struct reader *r, struct yyjson_val *key, struct yyjson_val *model);
/** A string as it stands in the body, with and without its quotes. */
struct moa_bytes reader_inside(const struct reader *r, struct yyjson_val *string);
void reader_put_string(struct reader *r, struct yyjson_val *string);
void reader_put_inside(struct reader *r, struct yyjson_val *string);
/** The data of a part, inside of a string that ends with it: its bulk is not copied. Not after
 * anything that goes elsewhere than into the chat. */
void reader_put_data(struct reader *r, struct yyjson_val *string);
/** The text of an object. */
struct moa_bytes reader_object_text(const struct reader *r, struct yyjson_val *object);
/** `,"name":value` of a member that is no list. */
void reader_put_member(struct reader *r, const char *name, struct yyjson_val *key,
                       struct yyjson_val *value);

/** A list, which begins with the first of its entries. */
struct list {
    size_t n;
    const char *before; /* the first */
};

void reader_put_next(struct reader *r, struct list *list);

/** 0 if `value`, the `member` of what stands at `place`, is a string; else -1 with the error. */
int reader_need_string(const struct reader *r, struct yyjson_val *value, const char *place,
                       const char *member);

/* ---- what dialects say in nearly the same words ---- */

/** What of content may go into which list: texts into one, everything else into the other, if they
 * are two. A list that is NULL takes nothing: what would go there goes into another one later. */
struct part_lists {
    struct list *texts, *others;
};

/** A part of content; 0, or -1 with the error. */
typedef int reader_part_fn(struct reader *r, const struct part_lists *lists,
                           struct yyjson_val *part, const char *place);
/** Every entry of `content`, if that is a list. */
int reader_put_parts(struct reader *r, const struct part_lists *lists, struct yyjson_val *content,
                     const char *place, reader_part_fn *put);

/** The end of a message of the assistant, of which these lists were put. */
void reader_end_assistant(struct reader *r, const struct list *texts, const struct list *calls);

/** An entry of a list of tools; 0, or -1 with the error. */
typedef int reader_tool_fn(struct reader *r, struct list *list, struct yyjson_val *tool,
                           const char *place);
/** `,"tools":[...]` of `tools`, which may be NULL, if there is one. */
int reader_put_tools(struct reader *r, struct yyjson_val *tools, reader_tool_fn *put);

/** Where the members of a function stand in the names of a tool. */
enum { FUNCTION_NAME, FUNCTION_DESCRIPTION, FUNCTION_SCHEMA, FUNCTION_STRICT };
/** A tool that is a function, by a reader_tool_fn that knows its other members. */
int reader_put_function(struct reader *r, struct list *list, struct yyjson_val *tool,
                        const char *place, const char *const *names);

/** `,"stop":` of a string or strings, if there are any; `key` and `stop` may be NULL. */
int reader_put_stop(struct reader *r, struct yyjson_val *key, struct yyjson_val *stop,
                    const char *place);

#endif
