/* SPDX-License-Identifier: Apache-2.0
 *
 * One logfmt line per event on stderr. Any file of the gateway may log; none logs prompt text,
 * image bytes or keys. Values that come from outside go through log_quote().
 */
#ifndef MOA_GATEWAY_LOG_H
#define MOA_GATEWAY_LOG_H

#include <stddef.h>

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

/** Room for a quoted value; longer values are cut. */
struct log_text {
    char s[256];
};

/** `value` in double quotes with control characters, quotes and backslashes escaped. */
struct log_text log_quote(const char *value);

#endif
