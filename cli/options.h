/* SPDX-License-Identifier: Apache-2.0
 *
 * A command and its options, as rows: parsing, usage errors, --help, the completion of shells and
 * the manual page come from them. --help and --version are every command's and stand in no table.
 */
#ifndef MOAOFF_CLI_OPTIONS_H
#define MOAOFF_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** Of the program; each command returns one. */
enum {
    EXIT_FINE = 0,
    EXIT_FAILED = 1, /**< some input failed; the others were still done */
    EXIT_USAGE = 2,
};

/** Values of an argument that may be repeated; `items` ends with a NULL. */
struct option_list {
    char **items;
    size_t n;
};

/**
 * An option, or, if `name` is NULL, what the command's other arguments are. Exactly one of the
 * pointers says where a value goes; what stands there before is the default. One without
 * `argument` is a flag.
 */
struct option_row {
    char letter; /**< 0: none */
    const char *name;
    const char
        *argument;    /**< what --help calls its value; FILE, DIR and the like complete as such */
    const char *help; /**< without the default, which is added */

    bool *flag;
    const char **text;
    int64_t *integer; /**< below 0: not given */
    double *number;   /**< NaN: not given */
    int *choice;      /**< an index of `choices`; below 0: not given */
    struct option_list *list;
    /** Anything else: takes the value, or returns what is wrong with it. */
    const char *(*read)(const char *value);

    double min, max;            /**< of `integer` and `number` */
    const char *const *choices; /**< of `choice`; NULL at the end */
};

struct command {
    const char *name;
    const char *summary;     /**< one line for `moaoff --help` */
    const char *synopsis;    /**< behind the name: "[OPTION]... FILE" */
    const char *description; /**< paragraphs between empty lines; lines are broken for the page */
    const char *notes;       /**< the same, behind the options; NULL: none */
    const struct option_row *options;
    size_t n_options;
    int (*run)(void); /**< once the options are read; returns the program's exit status */
};

#define N_OPTIONS(rows) (sizeof(rows) / sizeof((rows)[0]))

/** Reads argv, whose first is the command's name, and runs the command. */
int options_run(const struct command *command, int argc, char **argv);

/** Says on standard error what is wrong with how a command was called; returns EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int options_usage(const struct command *command,
                                                        const char *what, ...);

/** The page of --help. */
void options_print_help(const struct command *command, FILE *out);

/** Prints paragraphs with lines of at most 80 columns. */
void options_print_wrapped(const char *text, size_t indent, FILE *out);

/** The default of a row as text, "" if it has none. */
const char *options_default(const struct option_row *row, char *buffer, size_t n);

#endif
