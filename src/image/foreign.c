/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are no picture of ours but can be told: a client that sends a HEIC labelled JPEG, as
 * phones do, learns what to change.
 */
#include "format.h"

#include <string.h>
#include <strings.h>

#define LOOKED_AT_BYTES 1024
#define READ_HERE " is not read here; send JPEG, PNG or WebP"

static bool begins_with(const uint8_t *p, size_t n, const char *text, size_t text_n)
{
    return n >= text_n && memcmp(p, text, text_n) == 0;
}

/* Whether one of the brands of an ISO base media file (the major one, a version, compatible ones)
 * is in the list. */
static bool has_brand(const uint8_t *p, size_t n, const char *brands)
{
    if (n < 16 || memcmp(p + 4, "ftyp", 4) != 0)
        return false;
    const size_t box = moa_be32(p);
    const size_t end = box < n ? box : n;
    for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) {
        for (const char *brand = brands; *brand; brand += 4) {
            if (memcmp(p + at, brand, 4) == 0)
                return true;
        }
    }
    return false;
}

static bool is_avif(const uint8_t *p, size_t n)
{
    return has_brand(p, n, "avifavis");
}

static bool is_heic(const uint8_t *p, size_t n)
{
    return has_brand(p, n, "heicheixheimheishevchevxhevmhevsmif1msf1");
}

static bool is_mp4(const uint8_t *p, size_t n)
{
    return n >= 12 && memcmp(p + 4, "ftyp", 4) == 0;
}

static bool is_tiff(const uint8_t *p, size_t n)
{
    return begins_with(p, n, "II*\0", 4) || begins_with(p, n, "MM\0*", 4) ||
           begins_with(p, n, "II+\0", 4) || begins_with(p, n, "MM\0+", 4);
}

static bool is_pdf(const uint8_t *p, size_t n)
{
    return begins_with(p, n, "%PDF-", 5);
}

/* Text that begins, behind white space, declarations and comments, with an element. */
static bool is_markup(const uint8_t *p, size_t n, const char *element)
{
    const size_t element_n = strlen(element);
    n = n < LOOKED_AT_BYTES ? n : LOOKED_AT_BYTES;
    size_t at = begins_with(p, n, "\xef\xbb\xbf", 3) ? 3 : 0;
    while (at < n && (p[at] == ' ' || (p[at] >= '\t' && p[at] <= '\r')))
        at++;
    if (at == n || p[at] != '<')
        return false;
    for (; at + element_n < n; at++) {
        if (p[at] == '<' && strncasecmp((const char *)p + at + 1, element, element_n) == 0)
            return true;
    }
    return false;
}

static bool is_svg(const uint8_t *p, size_t n)
{
    return is_markup(p, n, "svg") && !is_markup(p, n, "html");
}

static bool is_html(const uint8_t *p, size_t n)
{
    return is_markup(p, n, "html") || is_markup(p, n, "!doctype html");
}

static bool is_jpeg_xl(const uint8_t *p, size_t n)
{
    return begins_with(p, n, "\xff\x0a", 2) || begins_with(p, n, "\0\0\0\x0cJXL ", 8);
}

static bool is_jpeg_2000(const uint8_t *p, size_t n)
{
    return begins_with(p, n, "\0\0\0\x0cjP  ", 8) || begins_with(p, n, "\xff\x4f\xff\x51", 4);
}

static bool is_icon(const uint8_t *p, size_t n)
{
    return begins_with(p, n, "\0\0\1\0", 4);
}

static bool is_psd(const uint8_t *p, size_t n)
{
    return begins_with(p, n, "8BPS", 4);
}

const char *moa_foreign_format(const uint8_t *p, size_t n)
{
    static const struct {
        bool (*is)(const uint8_t *p, size_t n);
        const char *message;
    } formats[] = {
        {is_avif, "AVIF" READ_HERE},
        {is_heic, "HEIC" READ_HERE},
        {is_mp4, "MP4 or MOV" READ_HERE},
        {is_tiff, "TIFF" READ_HERE},
        {is_pdf, "PDF" READ_HERE},
        {is_svg, "SVG" READ_HERE},
        {is_html, "HTML" READ_HERE},
        {is_jpeg_xl, "JPEG XL" READ_HERE},
        {is_jpeg_2000, "JPEG 2000" READ_HERE},
        {is_icon, "ICO" READ_HERE},
        {is_psd, "PSD" READ_HERE},
    };
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (formats[i].is(p, n))
            return formats[i].message;
    }
    return NULL;
}
