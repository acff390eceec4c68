/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands: each is a file command_NAME.c that ends with its struct command, and a line of the
 * table in main.c.
 */
#ifndef MOAOFF_CLI_COMMAND_H
#define MOAOFF_CLI_COMMAND_H

#include "gateway/config.h"

#include "options.h"

extern const struct command score_command, decide_command, serve_command, log_command,
    policies_command, calibrate_command, eval_command, report_command, engine_command,
    simulate_command, cpu_command, completion_command, man_command, doctor_command,
    guarantee_command, replay_command, top_command, fleet_command;

/** All of them, in the order of `moaoff --help`; NULL at the end. */
extern const struct command *const commands[];

/**
 * The configuration in the file `path` (NULL: the defaults), to be freed with config_free(); NULL
 * after it has said on standard error, in the name of `command`, what is wrong.
 */
struct config *command_config(const char *command, const char *path,
                              const struct config_override *overrides, enum config_use use);

#endif
