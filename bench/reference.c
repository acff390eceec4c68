/* SPDX-License-Identifier: Apache-2.0
 *
 * What bench/perceive compares with and Python cannot call by itself: libjpeg-turbo's gray decode
 * into one reused row, with the same accurate transform as the library uses.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

/** Decodes the rows and forgets them; 0, or -1 if out of memory. A damaged file ends the program.
 */
__attribute__((visibility("default"))) int reference_gray_decode(const unsigned char *file,
                                                                 size_t n);

int reference_gray_decode(const unsigned char *file, size_t n)
{
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, file, n);
    jpeg_read_header(&cinfo, TRUE);
    cinfo.out_color_space = JCS_GRAYSCALE;
    cinfo.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&cinfo);
    JSAMPROW row = malloc(cinfo.output_width);
    while (row && cinfo.output_scanline < cinfo.output_height)
        jpeg_read_scanlines(&cinfo, &row, 1);
    const int status = row ? 0 : -1;
    free(row);
    jpeg_destroy_decompress(&cinfo);
    return status;
}
