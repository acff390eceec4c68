/* SPDX-License-Identifier: Apache-2.0
 *
 * Text that is put together piece by piece in the caller's memory: for what every request prints,
 * some twenty values, at a tenth of what snprintf() takes. Everything else may use that.
 */
#ifndef MOA_GATEWAY_PRINT_H
#define MOA_GATEWAY_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** `s` always ends with a NUL; what has no room is cut. */
struct print {
    char *s;
    size_t room; /* bytes of `s` */
    size_t n;    /* bytes in it, without the NUL */
};

/** Empty text in `s`, which has room for at least one byte. */
static inline struct print print_into(char *s, size_t room)
{
    s[0] = '\0';
    return (struct print){.s = s, .room = room};
}

void print_bytes(struct print *p, const char *bytes, size_t n);
/** Most are constants: what fits is a store or two. */
static inline void print_text(struct print *p, const char *text)
{
    const size_t n = strlen(text);
    if (n < p->room - p->n) {
        memcpy(p->s + p->n, text, n + 1);
        p->n += n;
    } else {
        print_bytes(p, text, n);
    }
}
void print_int(struct print *p, int64_t value);
/** As printf("%.*f") does; at most 6 decimals. */
void print_fixed(struct print *p, double value, unsigned decimals);

/** `text` in `s`, as much of it as fits. */
void print_copy(char *s, size_t room, const char *text);

#endif
