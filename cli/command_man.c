/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff man`: the manual page, moaoff(1), from the tables of the commands.
 */
#include <stdio.h>
#include <string.h>

#include <moaoff/base.h>

#include "command.h"

/* Text as roff takes it: hyphens that can be copied, no line that is a request by accident. */
static void print_text(const char *text)
{
    bool at_start = true;
    for (; *text; text++) {
        if (at_start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        at_start = *text == '\n';
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else if (text[0] == '\n' && text[1] == '\n')
            fputs("\n.PP", stdout);
        else
            fputc(*text, stdout);
    }
}

static void print_paragraph(const char *text)
{
    print_text(text);
    fputc('\n', stdout);
}

static void print_row(const struct option_row *row)
{
    char fallback[128];
    fputs(".TP\n", stdout);
    if (row->letter) {
        printf("\\fB\\-%c\\fR, ", row->letter);
    }
    if (row->name) {
        fputs("\\fB\\-\\-", stdout);
        print_text(row->name);
        fputs("\\fR", stdout);
    }
    if (row->argument)
        printf("%s\\fI%s\\fR", row->name ? " " : "", row->argument);
    fputc('\n', stdout);
    print_text(row->help);
    if (options_default(row, fallback, sizeof(fallback))[0]) {
        fputs(" (default: ", stdout);
        print_text(fallback);
        fputc(')', stdout);
    }
    fputc('\n', stdout);
}

static void print_command(const struct command *command)
{
    printf(".SS \"moaoff %s", command->name);
    if (command->synopsis[0])
        fputc(' ', stdout);
    print_text(command->synopsis);
    fputs("\"\n", stdout);
    print_paragraph(command->description);
    for (size_t i = 0; i < command->n_options; i++)
        print_row(&command->options[i]);
    if (command->notes) {
        fputs(".PP\n", stdout);
        print_paragraph(command->notes);
    }
}

static int run(void)
{
    printf(".TH MOAOFF 1 \"\" \"moaoff %s\" \"User Commands\"\n.SH NAME\n", moa_version());
    fputs("moaoff \\- modality\\-aware edge gateway for multimodal LLM inference\n"
          ".SH SYNOPSIS\n.B moaoff\n\\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n"
          ".SH DESCRIPTION\n",
          stdout);
    print_paragraph("A gateway between clients of the OpenAI API and two tiers of engines, one on "
                    "this device and one beyond the uplink. For every request, and for each of its "
                    "modalities, it decides which tier processes it.");
    fputs(".SH COMMANDS\nEvery command also takes \\fB\\-h\\fR, \\fB\\-\\-help\\fR and "
          "\\fB\\-\\-version\\fR.\n",
          stdout);
    for (size_t i = 0; commands[i]; i++)
        print_command(commands[i]);
    fputs(".SH EXIT STATUS\n"
          "0: fine. 1: some input failed, or the gateway could not start. 2: wrong usage.\n"
          ".SH ENVIRONMENT\n.TP\n.B MOA_CPU\n"
          "forces an instruction set of the image kernels; see \\fBmoaoff cpu\\fR.\n"
          ".SH FILES\n.TP\n.I /etc/moaoff/moaoff.yaml\n"
          "the configuration of the systemd service; \\fBmoaoff serve \\-\\-defaults\\fR explains "
          "every key.\n",
          stdout);
    return EXIT_FINE;
}

const struct command man_command = {
    .name = "man",
    .summary = "print the manual page",
    .synopsis = "",
    .description = "Prints moaoff(1) in roff: `moaoff man | man -l -`. `make install` puts it in "
                   "place.",
    .run = run,
};
