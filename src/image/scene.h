/* SPDX-License-Identifier: Apache-2.0
 *
 * The reduced luma of a picture, from the rows that luma_scan.c measures: what is compared when it
 * is asked whether two pictures show the same. Rows come in order, each once; of a tall picture
 * some are passed over, so that this costs next to nothing. Integers only.
 */
#ifndef MOA_SRC_IMAGE_SCENE_H
#define MOA_SRC_IMAGE_SCENE_H

#include <stdbool.h>

#include <moaoff/image.h>

struct moa_reduction {
    uint32_t width_px, height_px;
    uint32_t step;     /* every so many rows one is added up, */
    uint32_t next_y;   /* next this one */
    uint32_t y;        /* rows so far, those not looked at included */
    uint32_t cell_row; /* the row of cells that `columns` is of, */
    uint32_t cell_end; /* and the first row behind it */
    uint32_t n_rows;   /* in `columns` */
    uint32_t *columns; /* sums over them */
    uint8_t luma[MOA_IMAGE_REDUCED_PX];
};

/** False if out of memory. */
bool moa_reduction_init(struct moa_reduction *r, uint32_t width_px, uint32_t height_px);
void moa_reduction_done(struct moa_reduction *r);
/** Forgets all rows. */
void moa_reduction_restart(struct moa_reduction *r);
/** The next row. */
void moa_reduction_row(struct moa_reduction *r, const uint8_t *row);

#endif
