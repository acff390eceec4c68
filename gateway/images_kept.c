/* SPDX-License-Identifier: Apache-2.0
 *
 * One decoding for two: where a picture is new and will have to be re-encoded, the pixels for that
 * are made by the decoding that scores it, and kept until the decision. For which tier is a guess,
 * the one that the last picture went to; a wrong one costs another decoding and changes nothing of
 * what goes out. See images_private.h.
 */
#include "images_private.h"

#define KEPT_BYTES_MAX ((uint64_t)16 << 20) /* of one picture: 3,072 tokens take 8 MB at most */
#define KEPT_PICTURES 4                     /* of one request; more may share a tier's tokens */

void images_plan_kept(struct picture *p)
{
    const struct images *images = p->images;
    const uint64_t left = memory_left(&images->gateway->kept);
    p->max_kept_bytes = 0;
    if (images->dry_run || images->chat->n_of[MOA_IMAGE] > KEPT_PICTURES)
        return;
    p->tier = images->gateway->pictures_tier;
    p->n_set = 1;
    p->keep_for = images_target_of(p);
    p->max_kept_bytes = left < KEPT_BYTES_MAX ? left : KEPT_BYTES_MAX;
}

uint64_t images_pixel_bytes(const struct moa_image_info *info,
                            const struct moa_recode_target *target)
{
    uint32_t width_px, height_px;
    moa_recode_size(info->width_px, info->height_px, target->max_tokens, &width_px, &height_px);
    return 3 * (uint64_t)width_px * height_px;
}

uint64_t images_kept_room(const struct picture *p, const struct moa_image_info *info)
{
    const uint64_t n = images_pixel_bytes(info, &p->keep_for);
    return n < p->max_kept_bytes ? n : p->max_kept_bytes;
}

void images_pay_kept(struct picture *p)
{
    const uint64_t n = moa_kept_bytes(p->kept);
    if (memory_take(&p->images->gateway->kept, n))
        p->kept_bytes = n;
    else
        images_drop_kept(p);
}

void images_drop_kept(struct picture *p)
{
    moa_kept_free(p->kept);
    p->kept = NULL;
    if (p->kept_bytes > 0)
        memory_give(&p->images->gateway->kept, p->kept_bytes);
    p->kept_bytes = 0;
}
