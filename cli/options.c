/* SPDX-License-Identifier: Apache-2.0
 *
 * Options by their rows; see options.h. getopt_long() takes the command line apart.
 */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/base.h>

#define LINE_COLUMNS 80
#define HELP_COLUMN_MAX 26
#define ROWS_MAX 60
/* Values for getopt: a row's index comes behind these. */
enum { ROW_OPERAND = 1, ROW_HELP = 256, ROW_VERSION, ROW_FIRST };

int options_usage(const struct command *command, const char *what, ...)
{
    fprintf(stderr, "moaoff %s: ", command->name);
    va_list args;
    va_start(args, what);
    vfprintf(stderr, what, args);
    va_end(args);
    fprintf(stderr, "\nSee `moaoff %s --help`.\n", command->name);
    return EXIT_USAGE;
}

/* ---- one value ---- */

/* "--limit", or "FILE" for an operand. */
static const char *name_of(const struct option_row *row, char *buffer, size_t n)
{
    snprintf(buffer, n, "%s%s", row->name ? "--" : "", row->name ? row->name : row->argument);
    return buffer;
}

static int read_number(const struct command *command, const struct option_row *row,
                       const char *value)
{
    char *end, name[64];
    errno = 0;
    const double number = strtod(value, &end);
    const bool whole = row->integer != NULL;
    if (end == value || *end || errno || !(number >= row->min && number <= row->max) ||
        (whole && number != floor(number)))
        return options_usage(command, "%s must be a %snumber from %.15g to %.15g, not \"%s\"",
                             name_of(row, name, sizeof(name)), whole ? "whole " : "", row->min,
                             row->max, value);
    if (whole)
        *row->integer = (int64_t)number;
    else
        *row->number = number;
    return EXIT_FINE;
}

/* "edge, cloud or both" */
static void list_choices(const char *const *choices, char *ret_text, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; choices[i]; i++) {
        const char *gap = i == 0 ? "" : choices[i + 1] ? ", " : " or ";
        int more = snprintf(ret_text + at, n - at, "%s%s", gap, choices[i]);
        at += more > 0 && (size_t)more < n - at ? (size_t)more : 0;
    }
}

static int read_choice(const struct command *command, const struct option_row *row,
                       const char *value)
{
    for (int i = 0; row->choices[i]; i++) {
        if (strcmp(row->choices[i], value) == 0) {
            *row->choice = i;
            return EXIT_FINE;
        }
    }
    char all[256] = "", name[64];
    list_choices(row->choices, all, sizeof(all));
    return options_usage(command, "%s must be %s, not \"%s\"", name_of(row, name, sizeof(name)),
                         all, value);
}

static int add_to_list(struct option_list *list, char *value, int most)
{
    if (!list->items)
        list->items = calloc((size_t)most + 1, sizeof(*list->items));
    if (!list->items) {
        fputs("moaoff: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    list->items[list->n++] = value;
    return EXIT_FINE;
}

static int read_value(const struct command *command, const struct option_row *row, char *value,
                      int argc)
{
    char name[64];
    if (row->flag)
        *row->flag = true;
    else if (row->text)
        *row->text = value;
    else if (row->integer || row->number)
        return read_number(command, row, value);
    else if (row->choice)
        return read_choice(command, row, value);
    else if (row->list)
        return add_to_list(row->list, value, argc);
    if (!row->read)
        return EXIT_FINE;
    const char *wrong = row->read(value);
    return wrong
               ? options_usage(command, "%s %s: %s", name_of(row, name, sizeof(name)), value, wrong)
               : EXIT_FINE;
}

/* ---- the command line ---- */

struct parser {
    const struct command *command;
    struct option longs[ROWS_MAX + 3];
    char shorts[2 * ROWS_MAX + 4];
    const struct option_row *operand; /* NULL: it takes none */
    bool operand_given;
};

static void prepare(struct parser *p, const struct command *command)
{
    *p = (struct parser){.command = command};
    size_t n = 0, at = 0;
    p->shorts[at++] = '-'; /* operands come in their place among the options */
    p->shorts[at++] = ':'; /* an option without its value is told from an unknown one */
    assert(command->n_options <= ROWS_MAX);
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option_row *row = &command->options[i];
        if (!row->name) {
            p->operand = row;
            continue;
        }
        const int takes = row->argument ? required_argument : no_argument;
        p->longs[n++] = (struct option){row->name, takes, NULL, ROW_FIRST + (int)i};
        if (row->letter) {
            p->shorts[at++] = row->letter;
            if (row->argument)
                p->shorts[at++] = ':';
        }
    }
    p->longs[n++] = (struct option){"help", no_argument, NULL, ROW_HELP};
    p->longs[n] = (struct option){"version", no_argument, NULL, ROW_VERSION};
    p->shorts[at++] = 'h';
}

static const struct option_row *row_of(const struct command *command, int option)
{
    if (option >= ROW_FIRST)
        return &command->options[option - ROW_FIRST];
    for (size_t i = 0; i < command->n_options; i++) {
        if (command->options[i].letter == option)
            return &command->options[i];
    }
    return NULL;
}

static int read_operand(struct parser *p, char *value, int argc)
{
    const struct option_row *row = p->operand;
    const bool once = row && !row->list && !row->read;
    if (!row || (once && p->operand_given))
        return options_usage(p->command, "unexpected argument \"%s\"", value);
    p->operand_given = true;
    return read_value(p->command, row, value, argc);
}

static int fail_option(const struct parser *p, int option, char **argv)
{
    char letter[3] = {'-', (char)optopt, '\0'};
    const bool is_short = optopt > 0 && optopt < ROW_HELP;
    const char *what = is_short ? letter : argv[optind - 1];
    return options_usage(p->command, option == ':' ? "%s needs a value" : "no option %s", what);
}

/* EXIT_FINE with `ret_done` if there is nothing left to do. */
static int parse(const struct command *command, int argc, char **argv, bool *ret_done)
{
    struct parser p;
    prepare(&p, command);
    opterr = 0;
    int option, status = EXIT_FINE;
    while (!status && (option = getopt_long(argc, argv, p.shorts, p.longs, NULL)) != -1) {
        if (option == 'h' || option == ROW_HELP || option == ROW_VERSION) {
            *ret_done = true;
            if (option == ROW_VERSION)
                printf("moaoff %s\n", moa_version());
            else
                options_print_help(command, stdout);
            return EXIT_FINE;
        }
        if (option == ROW_OPERAND)
            status = read_operand(&p, optarg, argc);
        else if (option == '?' || option == ':')
            status = fail_option(&p, option, argv);
        else
            status = read_value(command, row_of(command, option), optarg, argc);
    }
    for (; !status && optind < argc; optind++) /* behind "--" */
        status = read_operand(&p, argv[optind], argc);
    return status;
}

int options_run(const struct command *command, int argc, char **argv)
{
    bool done = false;
    const int status = parse(command, argc, argv, &done);
    return status || done ? status : command->run();
}

/* ---- help ---- */

void options_print_wrapped(const char *text, size_t indent, FILE *out)
{
    size_t column = indent;
    while (*text) {
        const size_t n = strcspn(text, " \n");
        if (column > indent && column + 1 + n > LINE_COLUMNS) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        if (n > 0 && column > indent) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)n, text);
        column += n;
        text += n;
        if (*text == '\n') {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        text += *text != '\0';
    }
    fputc('\n', out);
}

const char *options_default(const struct option_row *row, char *buffer, size_t n)
{
    buffer[0] = '\0';
    if (row->integer && *row->integer >= 0)
        snprintf(buffer, n, "%lld", (long long)*row->integer);
    if (row->number && !isnan(*row->number))
        snprintf(buffer, n, "%.15g", *row->number);
    if (row->text && *row->text && (*row->text)[0])
        snprintf(buffer, n, "%s", *row->text);
    if (row->choice && *row->choice >= 0)
        snprintf(buffer, n, "%s", row->choices[*row->choice]);
    return buffer;
}

/* "  -c, --config FILE"; returns its width. */
static size_t print_name(const struct option_row *row, FILE *out)
{
    char text[80];
    int n = row->name
                ? snprintf(text, sizeof(text), "  %c%c%c --%s%s%s", row->letter ? '-' : ' ',
                           row->letter ? row->letter : ' ', row->letter ? ',' : ' ', row->name,
                           row->argument ? " " : "", row->argument ? row->argument : "")
                : snprintf(text, sizeof(text), "  %s", row->argument);
    if (out)
        fputs(text, out);
    return n > 0 ? (size_t)n : 0;
}

static void print_row(const struct option_row *row, size_t column, FILE *out)
{
    const size_t n = print_name(row, out);
    if (n + 2 > column)
        fprintf(out, "\n%*s", (int)column, "");
    else
        fprintf(out, "%*s", (int)(column - n), "");
    char text[600], fallback[128];
    options_default(row, fallback, sizeof(fallback));
    snprintf(text, sizeof(text), "%s%s%s%s", row->help, fallback[0] ? " (default: " : "", fallback,
             fallback[0] ? ")" : "");
    options_print_wrapped(text, column, out);
}

void options_print_help(const struct command *command, FILE *out)
{
    static const struct option_row common[] = {
        {.letter = 'h', .name = "help", .help = "print this and exit"},
        {.name = "version", .help = "print the version and exit"},
    };
    fprintf(out, "Usage: moaoff %s%s%s\n", command->name, command->synopsis[0] ? " " : "",
            command->synopsis);
    options_print_wrapped(command->description, 0, out);
    fputc('\n', out);
    size_t column = 0;
    for (size_t i = 0; i < command->n_options; i++) {
        const size_t n = print_name(&command->options[i], NULL) + 2;
        column = n > column && n <= HELP_COLUMN_MAX ? n : column;
    }
    const size_t least = print_name(&common[1], NULL) + 2;
    column = column > least ? column : least;
    for (size_t i = 0; i < command->n_options; i++)
        print_row(&command->options[i], column, out);
    for (size_t i = 0; i < N_OPTIONS(common); i++)
        print_row(&common[i], column, out);
    if (command->notes) {
        fputc('\n', out);
        options_print_wrapped(command->notes, 0, out);
    }
}
