/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking a running gateway, for commands that show what it knows.
 */
#ifndef MOAOFF_CLI_ASK_H
#define MOAOFF_CLI_ASK_H

/**
 * What the gateway at `url` ("http://127.0.0.1:8080", with or without /v1) says at `path`, to be
 * freed with free(). Its key is taken from MOAOFF_API_KEY; `ca_file` NULL: the system's. NULL after
 * it has said on standard error, in the name of `command`, what is wrong. `ret_status` (NULL: not
 * wanted): of the answer; 0: there was none.
 */
char *ask_gateway(const char *command, const char *url, const char *path, const char *ca_file,
                  long *ret_status);

#endif
