/* SPDX-License-Identifier: Apache-2.0
 *
 * What bash completes behind `moaoff`. Files are left to bash itself. See complete.h.
 */
#include "complete.h"

#include <stdio.h>

static void print_commands(const struct command *const *commands)
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

void complete_bash(const struct command *const *commands)
{
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
    print_commands(commands);
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
}
