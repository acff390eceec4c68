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
    &score_command, &decide_command,     &serve_command,
    &log_command,   &policies_command,   &calibrate_command,
    &eval_command,  &report_command,     &engine_command,
    &cpu_command,   &completion_command, &man_command,
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

static int run_command(int argc, char **argv)
{
    for (size_t i = 0; commands[i]; i++) {
        if (strcmp(argv[0], commands[i]->name) == 0)
            return options_run(commands[i], argc, argv);
    }
    fprintf(stderr, "moaoff: no command \"%s\"; see `moaoff --help`\n", argv[0]);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    int status;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        status = EXIT_FINE;
    } else if (strcmp(argv[1], "--version") == 0) {
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
