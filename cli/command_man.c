/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff man`: the manual pages, from the tables of the commands and of the configuration:
 * moaoff(1), moaoff-COMMAND(1) and moaoff.yaml(5).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <moaoff/base.h>

#include "command.h"

#define CONFIG_PAGE "moaoff.yaml"

static const char *page;

static const struct option_row rows[] = {
    {.argument = "PAGE",
     .help = "a command, or " CONFIG_PAGE " for the configuration; without it moaoff(1)",
     .text = &page},
};

/* Text as roff takes it: hyphens that can be copied, no line that is a request by accident. */
static void print_text(const char *text)
{
    const char *const first = text;
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
        else if (text[0] == '\n' && text > first && text[-1] != '\n')
            fputs("\n.br\n", stdout);
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

static void print_head(const char *title, int section, const char *summary)
{
    printf(".TH \"%s\" %d \"\" \"moaoff %s\" \"%s\"\n.SH NAME\n", title, section, moa_version(),
           section == 5 ? "File Formats" : "User Commands");
    print_text(title);
    fputs(" \\- ", stdout);
    print_paragraph(summary);
}

static void print_exits(void)
{
    fputs(".SH EXIT STATUS\n"
          "0: fine. 1: some input failed, or the gateway could not start. 2: wrong usage.\n",
          stdout);
}

/* ---- moaoff-COMMAND(1) ---- */

static void print_command(const struct command *command)
{
    char title[64];
    snprintf(title, sizeof(title), "moaoff-%s", command->name);
    print_head(title, 1, command->summary);
    printf(".SH SYNOPSIS\n.B moaoff %s\n", command->name);
    if (command->synopsis[0])
        print_paragraph(command->synopsis);
    fputs(".SH DESCRIPTION\n", stdout);
    print_paragraph(command->description);
    fputs(".SH OPTIONS\n", stdout);
    for (size_t i = 0; i < command->n_options; i++)
        print_row(&command->options[i]);
    fputs(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint the options and exit\n"
          ".TP\n\\fB\\-\\-version\\fR\nprint the version and exit\n",
          stdout);
    if (command->notes) {
        fputs(".SH NOTES\n", stdout);
        print_paragraph(command->notes);
    }
    if (!command->notes || !strstr(command->notes, "Exit status"))
        print_exits();
    fputs(".SH SEE ALSO\n.BR moaoff (1),\n.BR moaoff.yaml (5)\n", stdout);
}

/* ---- moaoff.yaml(5) ---- */

static void print_key(const struct config_fact *fact, void *arg)
{
    (void)arg;
    fputs(".TP\n.B ", stdout);
    print_paragraph(fact->path);
    print_text(fact->help);
    if (fact->unit[0]) {
        fputs(", ", stdout);
        print_text(fact->unit);
    }
    fputs(".\n", stdout);
    if (fact->choices) {
        fputs("One of:", stdout);
        for (size_t i = 0; fact->choices[i]; i++) {
            fputs(i ? ", " : " ", stdout);
            print_text(fact->choices[i]);
        }
        fputs(".\n", stdout);
    }
    if (!isnan(fact->min))
        printf("From %.15g to %.15g.\n", fact->min, fact->max);
    fputs("Default: ", stdout);
    print_text(fact->fallback[0] ? fact->fallback : "none");
    fputs(fact->needs_restart ? ".\nA change needs a restart.\n" : ".\n", stdout);
}

static void print_config(void)
{
    print_head(CONFIG_PAGE, 5, "configuration of the gateway moaoff");
    fputs(".SH SYNOPSIS\n.B moaoff serve \\-\\-config \\fIFILE\\fR\n.SH DESCRIPTION\n", stdout);
    print_paragraph(
        "A YAML file. Keys of a section are written below it, indented: edge.url is the key url "
        "in the section edge. Every key has a default; an unknown key, a duplicate key and a value "
        "out of range are errors. In values, ${NAME} stands for a variable of the environment, "
        "${NAME:-OTHERWISE} for one that may be missing.");
    fputs(".PP\n", stdout);
    print_paragraph(
        "SIGHUP makes a running gateway read the file again. `moaoff serve --check` says what is "
        "wrong with it, `moaoff serve --defaults` prints all keys as a file to start from.");
    fputs(".SH KEYS\n", stdout);
    config_explain(print_key, NULL);
    fputs(".SH FILES\n.TP\n.I /etc/moaoff/moaoff.yaml\nread by the systemd service\n"
          ".SH SEE ALSO\n.BR moaoff (1),\n.BR moaoff\\-serve (1),\n.BR moaoff\\-doctor (1)\n",
          stdout);
}

/* ---- moaoff(1) ---- */

static void print_overview(void)
{
    print_head("moaoff", 1, "modality-aware edge gateway for multimodal LLM inference");
    fputs(".SH SYNOPSIS\n.B moaoff\n\\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n"
          ".SH DESCRIPTION\n",
          stdout);
    print_paragraph("A gateway between clients of the OpenAI API and two tiers of engines, one on "
                    "this device and one beyond the uplink. For every request, and for each of its "
                    "modalities, it decides which tier processes it.");
    fputs(".SH COMMANDS\nEvery command also takes \\fB\\-h\\fR, \\fB\\-\\-help\\fR and "
          "\\fB\\-\\-version\\fR.\n",
          stdout);
    for (size_t i = 0; commands[i]; i++) {
        printf(".TP\n.BR moaoff\\-%s (1)\n", commands[i]->name);
        print_paragraph(commands[i]->summary);
    }
    print_exits();
    fputs(".SH ENVIRONMENT\n.TP\n.B MOA_CPU\n"
          "forces an instruction set of the image kernels; see \\fBmoaoff\\-cpu\\fR(1).\n"
          ".SH FILES\n.TP\n.I /etc/moaoff/moaoff.yaml\n"
          "the configuration of the systemd service; see \\fBmoaoff.yaml\\fR(5).\n"
          ".SH SEE ALSO\n.BR moaoff.yaml (5)\n",
          stdout);
}

static int run(void)
{
    if (!page) {
        print_overview();
        return EXIT_FINE;
    }
    if (strcmp(page, CONFIG_PAGE) == 0) {
        print_config();
        return EXIT_FINE;
    }
    for (size_t i = 0; commands[i]; i++) {
        if (strcmp(page, commands[i]->name) == 0) {
            print_command(commands[i]);
            return EXIT_FINE;
        }
    }
    return options_usage(&man_command, "no page \"%s\"", page);
}

const struct command man_command = {
    .name = "man",
    .summary = "print a manual page",
    .synopsis = "[PAGE]",
    .description = "Prints a manual page in roff: `moaoff man serve | man -l -`. `make install` "
                   "puts moaoff(1), a page for each command and moaoff.yaml(5) in place.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
