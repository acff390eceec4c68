/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of the page, as tools/embed made them of gateway/page/ when the program was built.
 */
#ifndef MOA_GATEWAY_PAGE_FILES_H
#define MOA_GATEWAY_PAGE_FILES_H

#include <stddef.h>

struct page_file {
    const char *path; /* NULL at the end */
    const char *content_type;
    const char *etag; /* in quotes, of what it holds */
    const unsigned char *plain, *gzip;
    size_t n_plain, n_gzip;
};

extern const struct page_file page_files[];

#endif
