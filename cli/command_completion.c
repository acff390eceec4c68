/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff completion bash`: what bash completes behind `moaoff`, from the tables of the commands.
 * Files are left to bash itself.
 */
#include <stdio.h>

#include "command.h"

static const char *const shells[] = {"bash", NULL};
static int shell = -1;

static const struct option_row rows[] = {
    {.argument = "SHELL", .help = "bash", .choice = &shell, .choices = shells},
};

static void print_commands(void)
{
    fputs("    if [ -z \"$command\" ]; then\n        words='--help --version", stdout);
    for (size_t i = 0; commands[i]; i++)
        printf(" %s", commands[i]->name);
    fputs("'\n    fi\n", stdout);
}

static void print_options(const struct command *command)
{
    printf("    %s) [[ $current == -* ]] && words='--help --version", command->name);
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option_row *row = &command->options[i];
        if (row->name)
            printf(" --%s", row->name);
        if (row->letter)
            printf(" -%c", row->letter);
    }
    fputs("' ;;\n", stdout);
}

/* What stands behind an option that takes one of a few words. */
static void print_choices(const struct command *command)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option_row *row = &command->options[i];
        if (!row->choices)
            continue;
        if (row->name)
            printf("    '%s --%s'", command->name, row->name);
        else
            printf("    '%s %s'", command->name, command->name); /* its first argument */
        if (row->letter)
            printf("|'%s -%c'", command->name, row->letter);
        fputs(row->name ? ") words='" : ") [[ $current == -* ]] || words='", stdout);
        for (size_t k = 0; row->choices[k]; k++)
            printf("%s%s", k ? " " : "", row->choices[k]);
        fputs("' ;;\n", stdout);
    }
}

static int run(void)
{
    if (shell < 0)
        return options_usage(&completion_command, "for which shell?");
    fputs("# Completion of bash for moaoff: source <(moaoff completion bash)\n"
          "_moaoff()\n"
          "{\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    local command= words=\n"
          "    [ \"$COMP_CWORD\" -gt 1 ] && command=${COMP_WORDS[1]}\n"
          "    # bash takes --plan=edge for three words.\n"
          "    [ \"$before\" = = ] && before=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    [ \"$current\" = = ] && current=\n",
          stdout);
    print_commands();
    fputs("    case $command in\n", stdout);
    for (size_t i = 0; commands[i]; i++)
        print_options(commands[i]);
    fputs("    esac\n    case \"$command $before\" in\n", stdout);
    for (size_t i = 0; commands[i]; i++)
        print_choices(commands[i]);
    fputs("    esac\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
          "}\n"
          "complete -o bashdefault -o default -F _moaoff moaoff\n",
          stdout);
    return EXIT_FINE;
}

const struct command completion_command = {
    .name = "completion",
    .summary = "print what a shell needs to complete commands and options",
    .synopsis = "bash",
    .description = "Prints a script for bash: `source <(moaoff completion bash)`, or as a file in "
                   "/usr/share/bash-completion/completions/. `make install` puts it there.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
