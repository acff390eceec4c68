/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of luma to 32 x 32 cells, cells to a scene, and how far two pictures are from each other;
 * see scene.h and moaoff/image.h.
 */
#include "scene.h"

#include <stdlib.h>
#include <string.h>

#include "../kernels.h"

enum { SIDE = MOA_IMAGE_REDUCED, ROWS = 96 }; /* of a picture about as many rows are looked at */

/* ---- rows to cells ---- */

/* Cell `i` of `n` pixels begins here. Of less than SIDE pixels several cells show the same one. */
static uint32_t begin_of(uint32_t i, uint32_t n)
{
    return (uint32_t)((uint64_t)i * n / SIDE);
}

static uint32_t end_of(uint32_t i, uint32_t n)
{
    const uint32_t begin = begin_of(i, n), end = begin_of(i + 1, n);
    return end > begin ? end : begin + 1;
}

bool moa_reduction_init(struct moa_reduction *r, uint32_t width_px, uint32_t height_px)
{
    *r = (struct moa_reduction){
        .width_px = width_px, .height_px = height_px, .step = (height_px + ROWS - 1) / ROWS};
    r->columns = malloc(width_px * sizeof(*r->columns));
    moa_reduction_restart(r);
    return r->columns;
}

void moa_reduction_done(struct moa_reduction *r)
{
    free(r->columns);
}

void moa_reduction_restart(struct moa_reduction *r)
{
    r->y = r->next_y = r->cell_row = r->n_rows = 0;
    r->cell_end = end_of(0, r->height_px);
}

/* Two at a time; a sum is far below 2^31, see average(). */
static uint32_t sum_of(const uint32_t *columns, size_t n)
{
    uint64_t sums = 0;
    size_t i = 0;
    for (; i + 2 <= n; i += 2) {
        uint64_t two;
        memcpy(&two, columns + i, sizeof(two));
        sums += two;
    }
    const uint32_t odd = i < n ? columns[i] : 0;
    return (uint32_t)sums + (uint32_t)(sums >> 32) + odd;
}

/* At most ROWS / SIDE + 1 rows of at most 65535 / SIDE + 1 pixels: far below 2^31. */
static void average(const struct moa_reduction *r, uint8_t ret_cells[SIDE])
{
    for (uint32_t i = 0; i < SIDE; i++) {
        const uint32_t begin = begin_of(i, r->width_px), end = end_of(i, r->width_px);
        const uint32_t n = (end - begin) * r->n_rows;
        ret_cells[i] = (uint8_t)((sum_of(r->columns + begin, end - begin) + n / 2) / n);
    }
}

/* Rows of cells that are complete. */
static void end_cells(struct moa_reduction *r)
{
    while (r->cell_row < SIDE && r->cell_end <= r->y) {
        uint8_t *cells = r->luma + (size_t)r->cell_row * SIDE;
        average(r, cells);
        r->cell_row++;
        r->cell_end = end_of(r->cell_row, r->height_px);
        if (begin_of(r->cell_row, r->height_px) >= r->y || r->height_px >= SIDE)
            r->n_rows = 0;
    }
}

static void begin_columns(uint32_t *restrict columns, const uint8_t *restrict row, size_t n)
{
    for (size_t x = 0; x < n; x++)
        columns[x] = row[x];
}

void moa_reduction_row(struct moa_reduction *r, const uint8_t *row)
{
    if (r->y == r->next_y) {
        if (r->n_rows++ == 0)
            begin_columns(r->columns, row, r->width_px);
        else
            moa_kernels_get()->add_row(row, r->width_px, 1, r->columns);
        r->next_y += r->step;
    }
    r->y++;
    if (r->cell_end <= r->y)
        end_cells(r);
}

/* ---- cells to a scene ---- */

enum { FIELDS = 4, FIELD = SIDE / FIELDS, MEAN_MIN = 32 };

/* With S the sum of a field's cells and T that of all, the mean of the field is S / 64 and m is
 * T / 1024: 12.5 (S / 64) / m = 200 S / T. */
void moa_image_scene(const struct moa_image_features *features, uint64_t ret_scene[2])
{
    uint32_t sums[FIELDS * FIELDS] = {0};
    uint32_t total = 0;
    if (!ret_scene)
        return;
    for (uint32_t i = 0; i < MOA_IMAGE_REDUCED_PX && features; i++) {
        const uint32_t field = i / SIDE / FIELD * FIELDS + i % SIDE / FIELD;
        sums[field] += features->reduced[i];
        total += features->reduced[i];
    }
    if (total < MEAN_MIN * MOA_IMAGE_REDUCED_PX)
        total = MEAN_MIN * MOA_IMAGE_REDUCED_PX;
    for (uint32_t i = 0; i < 2; i++) {
        ret_scene[i] = 0;
        for (uint32_t k = 0; k < 8; k++) {
            const uint64_t level = 200 * sums[8 * i + k] / total;
            ret_scene[i] |= level << 8 * k;
        }
    }
}

void moa_image_distance(const struct moa_image_features *one,
                        const struct moa_image_features *other, double *ret_max, double *ret_mean)
{
    const bool is_known = one && other;
    uint32_t max = 0, sum = 0;
    for (uint32_t i = 0; i < MOA_IMAGE_REDUCED_PX; i++) {
        const uint32_t d =
            is_known ? (uint32_t)abs(one->reduced[i] - other->reduced[i]) : UINT8_MAX;
        max = d > max ? d : max;
        sum += d;
    }
    if (ret_max)
        *ret_max = max;
    if (ret_mean)
        *ret_mean = (double)sum / MOA_IMAGE_REDUCED_PX;
}
