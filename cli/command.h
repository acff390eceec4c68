/* SPDX-License-Identifier: Apache-2.0
 *
 * What main.c needs from each command: one function that gets the command's own argv (argv[0] is
 * the name of the command) and returns the exit status of the program.
 */
#ifndef MOAOFF_CLI_COMMAND_H
#define MOAOFF_CLI_COMMAND_H

#include "gateway/config.h"

enum {
    EXIT_FINE = 0,
    EXIT_FAILED = 1, /**< some input failed; the others were still done */
    EXIT_USAGE = 2,
};

int score_main(int argc, char **argv);
int decide_main(int argc, char **argv);
int serve_main(int argc, char **argv);
int log_main(int argc, char **argv);
int policies_main(int argc, char **argv);
int calibrate_main(int argc, char **argv);
int cpu_main(int argc, char **argv);
int eval_main(int argc, char **argv);
int report_main(int argc, char **argv);

/**
 * The configuration in the file `path` (NULL: the defaults), to be freed with config_free(); NULL
 * after it has said on standard error, in the name of `command`, what is wrong.
 */
struct config *command_config(const char *command, const char *path, enum config_use use);

#endif
