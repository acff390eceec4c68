/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff`: finds the command and calls it. A command is one file and one line
 * of the table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/base.h>
#include <moaoff/cpu.h>

#include "command.h"

const struct command *const commands[] = {
    &score_command,
    &decide_command,
    &serve_command,
    &doctor_command,
    &log_command,
    &top_command,
    &guarantee_command,
    &fleet_command,
    &replay_command,
    &policies_command,
    &calibrate_command,
    &eval_command,
    &report_command,
    &engine_command,
    &simulate_command,
    &cpu_command,
    &completion_command,
    &man_command,
    NULL,
};

static void print_help(FILE *out)
{
    fputs("Usage: moaoff COMMAND [OPTION]... [ARGUMENT]...\n"
          "Modality-aware edge gateway for multimodal LLM inference.\n\nCommands:\n",
          out);
    for (size_t i = 0; commands[i]; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs(
        "\n`moaoff COMMAND --help` explains a command. Exit status: 0 fine, 1 some input failed,\n"
        "2 wrong usage. MOA_CPU=LEVEL forces an instruction set (see `moaoff cpu`).\n",
        out);
}

/* The library reads no environment; this is where MOA_CPU becomes a call. */
static int force_cpu(void)
{
    const char *level = getenv("MOA_CPU");
    if (!level || !level[0])
        return EXIT_FINE;
    const enum moa_err err = moa_cpu_force(level);
    if (err == MOA_OK)
        return EXIT_FINE;
    fprintf(stderr, "moaoff: MOA_CPU=%s: %s\n", level,
            err == MOA_ERR_UNSUPPORTED ? "this CPU cannot run it" : "no such level");
    return EXIT_USAGE;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; commands[i]; i++) {
        if (strcmp(name, commands[i]->name) == 0)
            return commands[i];
    }
    return NULL;
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be changed, added, left out or swapped with their neighbour to make one
 * word of the other. */
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 32 };
    const size_t n_a = strlen(a), n_b = strlen(b);
    size_t d[MOST + 1][MOST + 1];
    if (n_a > MOST || n_b > MOST)
        return MOST;
    for (size_t i = 0; i <= n_a; i++) {
        for (size_t k = 0; k <= n_b; k++) {
            if (i == 0 || k == 0) {
                d[i][k] = i + k;
                continue;
            }
            const size_t changed = d[i - 1][k - 1] + (a[i - 1] != b[k - 1]);
            d[i][k] = least_of(changed, 1 + least_of(d[i - 1][k], d[i][k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                d[i][k] = least_of(d[i][k], d[i - 2][k - 2] + 1);
        }
    }
    return d[n_a][n_b];
}

static int fail_command(const char *name)
{
    const char *nearest = NULL;
    size_t least = 3; /* further off is another word */
    for (size_t i = 0; commands[i]; i++) {
        const size_t d = distance(name, commands[i]->name);
        if (d < least && d < strlen(commands[i]->name)) {
            least = d;
            nearest = commands[i]->name;
        }
    }
    fprintf(stderr, "moaoff: no command \"%s\"", name);
    if (nearest)
        fprintf(stderr, "; did you mean `moaoff %s`?", nearest);
    fprintf(stderr, "%s\n", nearest ? "" : "; see `moaoff --help`");
    return EXIT_USAGE;
}

static int run_command(int argc, char **argv)
{
    const struct command *command = find_command(argv[0]);
    return command ? options_run(command, argc, argv) : fail_command(argv[0]);
}

/* `moaoff help COMMAND` */
static int help(const char *name)
{
    const struct command *command = name ? find_command(name) : NULL;
    if (name && !command)
        return fail_command(name);
    if (command)
        options_print_help(command, stdout);
    else
        print_help(stdout);
    return EXIT_FINE;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    int status;
    if (is_one_of(argv[1], "help", "--help", "-h")) {
        status = help(argc > 2 ? argv[2] : NULL);
    } else if (is_one_of(argv[1], "version", "--version", "-V")) {
        printf("moaoff %s\n", moa_version());
        status = EXIT_FINE;
    } else {
        status = force_cpu();
        if (status == EXIT_FINE)
            status = run_command(argc - 1, argv + 1);
    }
    /* A full disk or a closed pipe must not look like success. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("moaoff: standard output");
        return EXIT_FAILED;
    }
    return status;
}
