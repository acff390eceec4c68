/* SPDX-License-Identifier: Apache-2.0
 *
 * The elements of one long array inside of a JSON text, one after the other, so that a file of
 * hundreds of thousands of entries need not stand in memory as a tree. Each element is then read
 * with yyjson, which also judges whether it is valid. Pure.
 */
#ifndef MOA_STUDY_JSON_LIST_H
#define MOA_STUDY_JSON_LIST_H

#include <stdbool.h>

#include <moaoff/base.h>

struct json_list {
    const char *at, *end; /* what is left */
    bool begun;
};

/**
 * The value of member `key` (written without escapes) of the object that `text` is, as it stands
 * there; p == NULL if there is none.
 */
struct moa_bytes json_member(struct moa_bytes text, const char *key);

/**
 * Begins the array that is member `key`, without looking for its end. -1 if there is no such array,
 * with list->at where the text could not be read on.
 */
int json_list_open(struct moa_bytes text, const char *key, struct json_list *ret_list);

/** 1 and the next element; 0: there is none left; -1: malformed at list->at. */
int json_list_next(struct json_list *list, struct moa_bytes *ret_element);

#endif
