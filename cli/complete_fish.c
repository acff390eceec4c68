/* SPDX-License-Identifier: Apache-2.0
 *
 * What fish completes behind `moaoff`. See complete.h.
 */
#include "complete.h"

#include <stdio.h>

/* Within single quotes. */
#define SPECIAL "\\'"

static void print_line(const char *condition, const char *command)
{
    printf("complete -c moaoff -n '%s%s%s'", condition, command ? " " : "", command ? command : "");
}

static void print_choices(const struct option_row *row)
{
    fputs(" -a '", stdout);
    for (size_t i = 0; row->choices[i]; i++)
        printf("%s%s", i ? " " : "", row->choices[i]);
    fputs("'", stdout);
}

static void print_row(const struct command *command, const struct option_row *row)
{
    print_line("__moaoff_is", command->name);
    if (row->name)
        printf(" -l %s", row->name);
    if (row->letter)
        printf(" -s %c", row->letter);
    switch (row->argument ? complete_value_of(row) : COMPLETE_NOTHING) {
    case COMPLETE_NOTHING:
        fputs(row->argument && row->name ? " -x" : "", stdout);
        break;
    case COMPLETE_FILES:
        fputs(row->name ? " -r -F" : " -F", stdout);
        break;
    case COMPLETE_FOLDERS:
        fputs(row->name ? " -x -a '(__fish_complete_directories)'"
                        : " -a '(__fish_complete_directories)'",
              stdout);
        break;
    case COMPLETE_CHOICES:
        fputs(row->name ? " -x" : "", stdout);
        print_choices(row);
        break;
    }
    fputs(" -d '", stdout);
    complete_print(row->help, SPECIAL);
    fputs("'\n", stdout);
}

static void print_command(const struct command *command)
{
    print_line("__moaoff_is", NULL);
    printf(" -a %s -d '", command->name);
    complete_print(command->summary, SPECIAL);
    fputs("'\n", stdout);
    for (size_t i = 0; i < command->n_options; i++)
        print_row(command, &command->options[i]);
}

void complete_fish(const struct command *const *commands)
{
    fputs("# Completion of fish for moaoff: moaoff completion fish | source\n"
          "# Whether the command is $argv[1]; without one, whether none is typed yet.\n"
          "function __moaoff_is\n"
          "    set -l words (commandline -opc)\n"
          "    test \"$words[2]\" = \"$argv[1]\"\n"
          "end\n"
          "complete -c moaoff -f\n"
          "complete -c moaoff -s h -l help -d 'print this and exit'\n"
          "complete -c moaoff -l version -d 'print the version and exit'\n",
          stdout);
    for (size_t i = 0; commands[i]; i++)
        print_command(commands[i]);
}
