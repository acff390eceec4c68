/* SPDX-License-Identifier: Apache-2.0
 *
 * One logfmt line per event on stderr. Any file of the gateway may log; none logs prompt text,
 * image bytes or keys. Values that come from outside go through log_quote().
 */
#ifndef MOA_GATEWAY_LOG_H
#define MOA_GATEWAY_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "print.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/** How lines look: `key=value` pairs, or one JSON object. */
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

/** The default is LOG_FORMAT_LOGFMT. Call before threads start. */
void log_set_format(enum log_format format);

/** Lines below `level` are dropped. The default is LOG_LEVEL_INFO. Call before threads start. */
void log_set_level(enum log_level level);

/** Writes `ts=... level=... msg=EVENT` and the formatted `key=value` pairs as one line. */
__attribute__((format(printf, 3, 4))) void log_event(enum log_level level, const char *event,
                                                     const char *pairs, ...);

/** The same piece by piece, for the lines that every request writes:
 *
 *     if (log_begin(&line, LOG_LEVEL_INFO, "chat")) {
 *         log_word(&line, "id", id);
 *         log_end(&line);
 *     }
 */
struct log_line {
    struct print text;
    char s[2048];
};

/** False if lines of this level are dropped. */
bool log_begin(struct log_line *line, enum log_level level, const char *event);
/** A value of ours, without spaces. */
void log_word(struct log_line *line, const char *key, const char *value);
void log_number(struct log_line *line, const char *key, int64_t value);
/** As log_quote() has it. */
void log_quoted(struct log_line *line, const char *key, const char *value);
void log_end(struct log_line *line);

/** Room for a quoted value; longer values are cut. */
struct log_text {
    char s[256];
};

/** `value` in double quotes with control characters, quotes and backslashes escaped. */
struct log_text log_quote(const char *value);

#endif
