/* SPDX-License-Identifier: Apache-2.0
 *
 * The policies, in the order of moa_policy_name(). ROW(x) is moa_policy_kind_x, of policy_x.c or of
 * another policy's file. meson.build reads the rows too, one a line, and compiles the files.
 */
#ifndef MOA_SRC_POLICIES_H
#define MOA_SRC_POLICIES_H

#define POLICIES(ROW)                                                                              \
    ROW(paper)                                                                                     \
    ROW(edge)                                                                                      \
    ROW(cloud)                                                                                     \
    ROW(edge_first)                                                                                \
    ROW(adaptive)                                                                                  \
    ROW(paper_no_modality)                                                                         \
    ROW(paper_no_state)                                                                            \
    ROW(perllm)                                                                                    \
    ROW(perllm_accuracy)

#endif
