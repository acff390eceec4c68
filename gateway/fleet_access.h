/* SPDX-License-Identifier: Apache-2.0
 *
 * From a configuration to who connects where, for all who do: the gateway, `moaoff doctor`, `moaoff
 * fleet`.
 */
#ifndef MOA_GATEWAY_FLEET_ACCESS_H
#define MOA_GATEWAY_FLEET_ACCESS_H

#include "config.h"
#include "fleet_wire.h"

/** Borrows from `config` and `name`, which is the connection's. */
static inline struct fleet_access fleet_access_of(const struct config *config, const char *name)
{
    const struct fleet_config *f = &config->fleet;
    return (struct fleet_access){
        .servers = f->servers,
        .credentials = f->credentials,
        .nkey = f->nkey,
        .nkey_seed = f->nkey_seed,
        .ca_file = f->ca_file,
        .tls_certificate = f->tls_certificate,
        .tls_key = f->tls_key,
        .name = name,
    };
}

#endif
