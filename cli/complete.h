/* SPDX-License-Identifier: Apache-2.0
 *
 * The scripts of `moaoff completion SHELL`: one function and one file for each shell. `commands`
 * ends with a NULL.
 */
#ifndef MOAOFF_CLI_COMPLETE_H
#define MOAOFF_CLI_COMPLETE_H

#include "options.h"

void complete_bash(const struct command *const *commands);
void complete_fish(const struct command *const *commands);
void complete_zsh(const struct command *const *commands);

/** What a shell offers for the value of an option or for an operand. */
enum complete_value { COMPLETE_NOTHING, COMPLETE_FILES, COMPLETE_FOLDERS, COMPLETE_CHOICES };

enum complete_value complete_value_of(const struct option_row *row);

/** Whether an option may be given more than once. */
bool complete_repeats(const struct option_row *row);

/** `text` with a backslash before each byte that is one of `special`. */
void complete_print(const char *text, const char *special);

#endif
