/* SPDX-License-Identifier: Apache-2.0
 *
 * The images of one request, from what came to what a tier gets: the hub's hands for pictures. Work
 * is done by the workers and the fetch threads, and what has been done before comes from the cache.
 * Loop thread only.
 *
 *     images_new -> images_perceive -> (the hub decides) -> images_prepare -> images_urls -> ...
 */
#ifndef MOA_GATEWAY_IMAGES_H
#define MOA_GATEWAY_IMAGES_H

#include "chat.h"
#include "perceive.h"

struct gateway;
struct images;

/** What was begun has ended: well, or with the first fault. Called once, perhaps before the
 * function that began has returned. */
typedef void images_done_fn(void *arg, const struct http_error *error);

/** `chat` and `config` are borrowed until images_free(). Requests with the same `client` share its
 * turns at the workers. NULL if out of memory. */
struct images *images_new(struct gateway *gateway, const struct config *config,
                          const struct chat *chat, unsigned client, void *arg);

/** Not while something is under way. NULL is allowed. */
void images_free(struct images *images);

/** Fetches what is remote, unless it is a dry run, and scores everything in that mode. What is
 * pinned may not be remote. */
void images_perceive(struct images *images, enum moa_image_mode mode, bool dry_run,
                     images_done_fn *done);

/** One for each part of the chat, those that are no images zeroed; complete after
 * images_perceive(). */
const struct image_score *images_scores(const struct images *images);

/** Makes every image ready for the tier that the decision gives it; at half its pixels, if it says
 * so and the client has not asked for a `detail`. May be repeated. */
void images_prepare(struct images *images, const struct perceived *perceived, images_done_fn *done);

/** What the URL of each part is to be replaced by, for chat_render(); p == NULL where it stays. */
const struct moa_bytes *images_urls(const struct images *images);

/** What the tier has said of part `i` before, asked with the same prompt. To be freed with free();
 * NULL if it is not remembered. */
char *images_recall_words(struct images *images, size_t i, enum moa_tier tier, const char *prompt);

/** Remembers it, as long as the cache has room. */
void images_remember_words(struct images *images, size_t i, enum moa_tier tier, const char *prompt,
                           const char *words);

/** Nobody waits any more: what is under way ends soon, and `done` is still called. */
void images_cancel(struct images *images);

/** Whether threads still read the chat: it must stay until `done`. */
bool images_busy(const struct images *images);

/** Everything was sent: gives back what images_urls() points to. */
void images_release(struct images *images);

#endif
