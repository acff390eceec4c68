/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff completion SHELL`: what a shell needs to complete commands and options, from the tables
 * of the commands. Each shell has a file of its own, complete_SHELL.c.
 */
#include "command.h"
#include "complete.h"

static const char *const shells[] = {"bash", "zsh", "fish", NULL};
static void (*const scripts[])(const struct command *const *) = {complete_bash, complete_zsh,
                                                                 complete_fish};
static int shell = -1;

static const struct option_row rows[] = {
    {.argument = "SHELL", .help = "bash, zsh or fish", .choice = &shell, .choices = shells},
};

static int run(void)
{
    if (shell < 0)
        return options_usage(&completion_command, "for which shell?");
    scripts[shell](commands);
    return EXIT_FINE;
}

const struct command completion_command = {
    .name = "completion",
    .summary = "print what a shell needs to complete commands and options",
    .synopsis = "bash|zsh|fish",
    .description = "Prints a script for a shell, to be read when the shell starts:\n\n"
                   "bash: source <(moaoff completion bash)\n"
                   "zsh: source <(moaoff completion zsh), after compinit\n"
                   "fish: moaoff completion fish | source\n\n"
                   "`make install` puts the scripts where the shells look for them by themselves.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
