/* SPDX-License-Identifier: Apache-2.0
 *
 * What zsh completes behind `moaoff`: each command as arguments of _arguments. See complete.h.
 */
#include "complete.h"

#include <stdio.h>

/* Within single quotes, and within the brackets of _arguments. */
static void print_quoted(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            complete_print((const char[]){*text, '\0'}, "\\:[]");
    }
}

/* ":FILE:_files", and the like. */
static void print_value(const struct option_row *row)
{
    fputc(':', stdout);
    print_quoted(row->argument);
    switch (complete_value_of(row)) {
    case COMPLETE_NOTHING:
        fputs(":( )", stdout);
        break;
    case COMPLETE_FILES:
        fputs(":_files", stdout);
        break;
    case COMPLETE_FOLDERS:
        fputs(":_files -/", stdout);
        break;
    case COMPLETE_CHOICES:
        for (size_t i = 0; row->choices[i]; i++)
            printf("%s%s", i ? " " : ":(", row->choices[i]);
        fputc(')', stdout);
        break;
    }
}

static void print_spelling(const struct option_row *row, const char *name, char letter)
{
    printf(" \\\n            '");
    if (complete_repeats(row))
        fputc('*', stdout);
    else if (row->letter)
        printf("(-%c --%s)", row->letter, row->name);
    if (name)
        printf("--%s%s", name, row->argument ? "=" : "");
    else
        printf("-%c%s", letter, row->argument ? "+" : "");
    fputc('[', stdout);
    print_quoted(row->help);
    fputc(']', stdout);
    if (row->argument)
        print_value(row);
    fputc('\'', stdout);
}

static void print_row(const struct option_row *row)
{
    if (!row->name) {
        fputs(complete_repeats(row) ? " \\\n            '*" : " \\\n            '", stdout);
        print_value(row);
        fputc('\'', stdout);
        return;
    }
    print_spelling(row, row->name, 0);
    if (row->letter)
        print_spelling(row, NULL, row->letter);
}

static void print_command(const struct command *command)
{
    printf("    %s)\n        _arguments -s -S $common", command->name);
    for (size_t i = 0; i < command->n_options; i++)
        print_row(&command->options[i]);
    fputs(" ;;\n", stdout);
}

void complete_zsh(const struct command *const *commands)
{
    fputs(
        "#compdef moaoff\n"
        "# Completion of zsh for moaoff: source <(moaoff completion zsh), or as _moaoff in fpath.\n"
        "_moaoff()\n"
        "{\n"
        "    local -a common=('(- *)'{-h,--help}'[print this and exit]'\n"
        "        '(- *)--version[print the version and exit]')\n"
        "    local -a commands=(",
        stdout);
    for (size_t i = 0; commands[i]; i++) {
        printf("\n        '%s:", commands[i]->name);
        print_quoted(commands[i]->summary);
        fputc('\'', stdout);
    }
    fputs(")\n"
          "    if ((CURRENT == 2)); then\n"
          "        [[ $words[2] == -* ]] && _arguments -s $common || _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    shift words\n"
          "    ((CURRENT--))\n"
          "    case $words[1] in\n",
          stdout);
    for (size_t i = 0; commands[i]; i++)
        print_command(commands[i]);
    fputs("    esac\n"
          "}\n"
          "if [[ $funcstack[1] == _moaoff ]]; then\n"
          "    _moaoff \"$@\"\n"
          "else\n"
          "    compdef _moaoff moaoff\n"
          "fi\n",
          stdout);
}
