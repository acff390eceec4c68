/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pass of an evaluation was made with: when, which version, which machine, which settings of
 * policies. So that a report can say it a year later.
 */
#ifndef MOA_STUDY_FACTS_H
#define MOA_STUDY_FACTS_H

struct facts {
    char begun[32]; /* "2026-11-27T12:00:00Z" */
    char machine[256];
    char
        settings[1024]; /* of the gateway's policies, not at their defaults; "": none, or unknown */
};

/** Time and machine. */
void facts_begin(struct facts *ret_facts);

/** The settings, by the newest row of the gateway's journal: after a pass. */
void facts_end(struct facts *facts, const char *url, const char *api_key);

#endif
