/* SPDX-License-Identifier: Apache-2.0
 *
 * Words between commas, as keys and headers have them: "image, audio". Pure.
 */
#ifndef MOA_GATEWAY_WORD_LIST_H
#define MOA_GATEWAY_WORD_LIST_H

#include <stdbool.h>
#include <stddef.h>

/** Adds what a word of `n` bytes stands for to a set of bits; false if it is no such word. */
typedef bool word_list_add_fn(const char *word, size_t n, unsigned *bits);

/** The bits of all words together. 0, or -1 with `ret_bits` untouched if a word is unknown or
 * missing. */
int word_list_read(const char *list, word_list_add_fn *add, unsigned *ret_bits);

#endif
