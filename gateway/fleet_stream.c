/* SPDX-License-Identifier: Apache-2.0
 *
 * JetStream's API, as far as a fleet needs it; see fleet_stream.h. Its requests and answers are
 * described by the JSON schemas io.nats.jetstream.api.v1.
 */
#include "fleet_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <yyjson.h>

#define ASK_MS 5000
#define PULL_ROWS 256
#define PULL_MS 5000
#define ANSWER_MS 8000 /* a pull ends after PULL_MS */
#define NO_STREAM 10059

void fleet_names_make(const char *group, const char *box, struct fleet_names *ret_names)
{
    struct fleet_names *r = ret_names;
    snprintf(r->stream, sizeof(r->stream), "moaoff-%.64s", group);
    snprintf(r->bucket, sizeof(r->bucket), "KV_moaoff-%.64s", group);
    snprintf(r->rows, sizeof(r->rows), "moaoff.%.64s.%.64s.journal", group, box);
    snprintf(r->words, sizeof(r->words), "$KV.moaoff-%.64s.%.64s", group, box);
}

void fleet_names_box(const char *subject, char *ret_box, size_t n)
{
    const char *at = strchr(subject, '.');
    at = at ? strchr(at + 1, '.') : NULL;
    const size_t length = at ? strcspn(at + 1, ".") : 0;
    snprintf(ret_box, n, "%.*s", length < n ? (int)length : 0, at ? at + 1 : "");
}

/* ---- asking ---- */

/* The answer, to be freed with yyjson_doc_free(); NULL with `why`. */
static yyjson_doc *ask(struct fleet_wire *wire, const char *subject, const char *question,
                       char *why, size_t n)
{
    struct moa_bytes answer;
    if (fleet_wire_ask(wire, subject, question, ASK_MS, &answer, why, n))
        return NULL;
    yyjson_doc *doc = yyjson_read(answer.p, answer.n, YYJSON_READ_NOFLAG);
    if (!yyjson_is_obj(yyjson_doc_get_root(doc))) {
        snprintf(why, n, "its answer to %.60s is not understood", subject);
        yyjson_doc_free(doc);
        doc = NULL;
    }
    return doc;
}

/* The error of an answer; 0: it has none. */
static int64_t fault_of(yyjson_doc *doc, char *why, size_t n)
{
    yyjson_val *error = yyjson_obj_get(yyjson_doc_get_root(doc), "error");
    const char *words = yyjson_get_str(yyjson_obj_get(error, "description"));
    if (!error)
        return 0;
    snprintf(why, n, "%.120s", words ? words : "refused");
    const int64_t code = yyjson_get_sint(yyjson_obj_get(error, "err_code"));
    return code ? code : -1;
}

int fleet_stream_account(struct fleet_wire *wire, char *why, size_t n)
{
    yyjson_doc *doc = ask(wire, "$JS.API.INFO", "", why, n);
    const bool has = doc && fault_of(doc, why, n) == 0;
    yyjson_doc_free(doc);
    return has ? 0 : -1;
}

int fleet_stream_look(struct fleet_wire *wire, const char *stream,
                      struct fleet_stream_facts *ret_facts, char *why, size_t n)
{
    char subject[FLEET_SUBJECT_BYTES];
    snprintf(subject, sizeof(subject), "$JS.API.STREAM.INFO.%s", stream);
    yyjson_doc *doc = ask(wire, subject, "", why, n);
    if (!doc)
        return -1;
    const int64_t fault = fault_of(doc, why, n);
    yyjson_val *state = yyjson_obj_get(yyjson_doc_get_root(doc), "state");
    if (!fault || fault == NO_STREAM)
        *ret_facts = (struct fleet_stream_facts){
            .is_there = !fault,
            .messages = yyjson_get_uint(yyjson_obj_get(state, "messages")),
            .bytes = yyjson_get_uint(yyjson_obj_get(state, "bytes")),
            .first = yyjson_get_uint(yyjson_obj_get(state, "first_seq")),
            .last = yyjson_get_uint(yyjson_obj_get(state, "last_seq")),
        };
    yyjson_doc_free(doc);
    return !fault || fault == NO_STREAM ? 0 : -1;
}

/* ---- making ---- */

/* 30 days of rows; a message's id is known for two minutes. */
#define ROWS_STREAM                                                                                \
    "{\"name\":\"%s\",\"subjects\":[\"%s\"],\"retention\":\"limits\",\"storage\":\"file\","        \
    "\"discard\":\"old\",\"max_age\":2592000000000000,\"max_msgs\":-1,\"max_bytes\":-1,"           \
    "\"max_consumers\":-1,\"max_msgs_per_subject\":-1,\"max_msg_size\":-1,\"num_replicas\":1,"     \
    "\"duplicate_window\":120000000000,\"allow_direct\":true}"
/* A bucket as NATS' own clients make it. */
#define WORDS_STREAM                                                                               \
    "{\"name\":\"%s\",\"subjects\":[\"%s\"],\"retention\":\"limits\",\"storage\":\"file\","        \
    "\"discard\":\"new\",\"max_age\":2592000000000000,\"max_msgs\":-1,\"max_bytes\":-1,"           \
    "\"max_consumers\":-1,\"max_msgs_per_subject\":1,\"max_msg_size\":-1,\"num_replicas\":1,"      \
    "\"duplicate_window\":120000000000,\"allow_rollup_hdrs\":true,\"deny_delete\":true,"           \
    "\"allow_direct\":true}"

static int make_one(struct fleet_wire *wire, const char *stream, const char *config, char *why,
                    size_t n)
{
    char subject[FLEET_SUBJECT_BYTES];
    struct fleet_stream_facts facts;
    if (fleet_stream_look(wire, stream, &facts, why, n))
        return -1;
    if (facts.is_there)
        return 0;
    snprintf(subject, sizeof(subject), "$JS.API.STREAM.CREATE.%s", stream);
    yyjson_doc *doc = ask(wire, subject, config, why, n);
    int64_t fault = doc ? fault_of(doc, why, n) : -1;
    yyjson_doc_free(doc);
    /* Another box may have made it meanwhile. */
    if (fault && !fleet_stream_look(wire, stream, &facts, why, n) && facts.is_there)
        fault = 0;
    return fault ? -1 : 0;
}

int fleet_stream_make(struct fleet_wire *wire, const struct fleet_names *names, char *why, size_t n)
{
    char config[1024], all[FLEET_SUBJECT_BYTES];
    struct fleet_names of_all;
    fleet_names_make(names->stream + strlen("moaoff-"), "*", &of_all);
    snprintf(config, sizeof(config), ROWS_STREAM, names->stream, of_all.rows);
    if (make_one(wire, names->stream, config, why, n))
        return -1;
    snprintf(all, sizeof(all), "%s", of_all.words);
    all[strlen(all) - 1] = '>';
    snprintf(config, sizeof(config), WORDS_STREAM, names->bucket, all);
    return make_one(wire, names->bucket, config, why, n);
}

/* ---- acknowledgements ---- */

void fleet_ack_read(const struct fleet_heard *heard, struct fleet_ack *ret_ack)
{
    struct fleet_ack ack = {.words = "its answer is not understood"};
    yyjson_doc *doc = NULL;
    if (heard->status)
        snprintf(ack.words, sizeof(ack.words), "%s",
                 heard->status == 503 ? "no stream takes it" : "refused");
    else if ((doc = yyjson_read(heard->data.p, heard->data.n, YYJSON_READ_NOFLAG)) &&
             !fault_of(doc, ack.words, sizeof(ack.words))) {
        yyjson_val *root = yyjson_doc_get_root(doc), *seq = yyjson_obj_get(root, "seq");
        ack.is_stored = yyjson_is_uint(seq) && yyjson_get_uint(seq) > 0;
        ack.is_duplicate = yyjson_is_true(yyjson_obj_get(root, "duplicate"));
    }
    yyjson_doc_free(doc);
    *ret_ack = ack;
}

/* ---- reading ---- */

static void write_from(const struct fleet_query *query, char *ret_text, size_t n)
{
    char when[32];
    struct tm utc;
    const time_t seconds = (time_t)(query->value / 1000);
    if (query->from == FLEET_FROM_TIME) {
        gmtime_r(&seconds, &utc);
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
        snprintf(ret_text, n, "\"by_start_time\",\"opt_start_time\":\"%s\"", when);
    } else if (query->from == FLEET_FROM_SEQUENCE) {
        snprintf(ret_text, n, "\"by_start_sequence\",\"opt_start_seq\":%lld",
                 (long long)query->value);
    } else {
        snprintf(ret_text, n, "%s",
                 query->from == FLEET_LAST_OF_EACH ? "\"last_per_subject\"" : "\"all\"");
    }
}

int fleet_reading_begin(struct fleet_wire *wire, const struct fleet_query *query,
                        struct fleet_reading *ret_reading, char *why, size_t n)
{
    char subject[FLEET_SUBJECT_BYTES], question[1024], from[96];
    write_from(query, from, sizeof(from));
    snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.CREATE.%s", query->stream);
    /* Nothing is acknowledged: whoever reads keeps count by himself. */
    snprintf(question, sizeof(question),
             "{\"stream_name\":\"%s\",\"config\":{\"deliver_policy\":%s,\"ack_policy\":\"none\","
             "\"filter_subject\":\"%s\",\"replay_policy\":\"instant\","
             "\"inactive_threshold\":60000000000,\"mem_storage\":true}}",
             query->stream, from, query->subject);
    yyjson_doc *doc = ask(wire, subject, question, why, n);
    const bool failed = !doc || fault_of(doc, why, n);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *name = yyjson_get_str(yyjson_obj_get(root, "name"));
    if (!failed) {
        *ret_reading = (struct fleet_reading){
            .stream = query->stream,
            .pending = yyjson_get_uint(yyjson_obj_get(root, "num_pending")),
        };
        snprintf(ret_reading->consumer, sizeof(ret_reading->consumer), "%s", name ? name : "");
    }
    yyjson_doc_free(doc);
    return failed ? -1 : 0;
}

static int pull(struct fleet_wire *wire, struct fleet_reading *r)
{
    char subject[FLEET_SUBJECT_BYTES], question[80];
    size_t n_bytes;
    snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.MSG.NEXT.%.90s.%.79s", r->stream,
             r->consumer);
    snprintf(question, sizeof(question), "{\"batch\":%d,\"expires\":%lld}", PULL_ROWS,
             PULL_MS * 1000000LL);
    r->requested = PULL_ROWS;
    return fleet_wire_publish(wire, subject, NULL, 0,
                              (struct moa_bytes){question, strlen(question)}, &n_bytes);
}

/* "$JS.ACK.STREAM.CONSUMER.TIMES.SEQUENCE.SEQUENCE.NANOSECONDS.PENDING", of newer servers with two
 * words more in front of the stream, and one behind. */
static int read_place(const char *reply, struct fleet_reading *r, struct fleet_message *message)
{
    const char *words[16];
    size_t n = 0;
    for (const char *at = reply; n < 16; at = strchr(at, '.') + 1) {
        words[n++] = at;
        if (!strchr(at, '.'))
            break;
    }
    if (strncmp(reply, "$JS.ACK.", 8) != 0 || n < 9 || n == 10)
        return -1;
    const size_t first = n > 10 ? 7 : 5;
    message->sequence = strtoull(words[first], NULL, 10);
    message->time_ms = strtoll(words[first + 2], NULL, 10) / 1000000;
    r->pending = strtoull(words[first + 3], NULL, 10);
    return 0;
}

int fleet_reading_next(struct fleet_wire *wire, struct fleet_reading *r, int64_t timeout_ms,
                       struct fleet_message *ret_message, char *why, size_t n)
{
    struct fleet_heard heard;
    snprintf(why, n, "the connection is down");
    for (;;) {
        if (timeout_ms == 0 && r->pending == 0)
            return 0;
        if (r->requested == 0 && pull(wire, r))
            return -1;
        const int result = fleet_wire_hear(wire, timeout_ms ? timeout_ms : ANSWER_MS, &heard);
        if (result < 0 || (result == 0 && timeout_ms == 0))
            return -1;
        if (result == 0)
            return 0;
        if (heard.status == 503) {
            snprintf(why, n, "the stream is gone");
            return -1;
        }
        if (heard.status) { /* nothing more of that pull; what is left is asked for anew */
            r->requested = 0;
        } else if (!read_place(heard.reply, r, ret_message)) {
            r->requested -= r->requested > 0;
            ret_message->subject = heard.subject;
            ret_message->data = heard.data;
            return 1;
        }
    }
}
