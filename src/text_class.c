/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoding and classifying code points; see text_class.h. Blocks are those of Unicode 15.
 */
#include "text_class.h"

#define P CLASS_PUNCT
#define S CLASS_SPACE
#define N CLASS_NEWLINE
#define D CLASS_DIGIT
#define L CLASS_LOWER
#define U CLASS_UPPER
#define M CLASS_MULTIBYTE
const uint8_t moa_ascii_class[256] = {
    P, P, P, P, P, P, P, P, P, S, N, S, S, N, P, P, /* \t \n \v \f \r */
    P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, /* */
    S, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, /* space ! " # ... */
    D, D, D, D, D, D, D, D, D, D, P, P, P, P, P, P, /* */
    P, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, /* */
    U, U, U, U, U, U, U, U, U, U, U, P, P, P, P, P, /* */
    P, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* */
    L, L, L, L, L, L, L, L, L, L, L, P, P, P, P, P, /* */
    M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, /* */
    M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, /* */
    M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, /* */
    M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, /* */
    M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, /* */
    M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, /* */
    M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, /* */
    M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, /* */
};
#undef P
#undef S
#undef N
#undef D
#undef L
#undef U
#undef M

struct range {
    uint32_t first;
    uint32_t last;
    uint8_t class;
};

/* Ascending; what lies between is CLASS_OTHER. */
static const struct range ranges[] = {
    {0x00a0, 0x00a0, CLASS_SPACE},      {0x00a1, 0x00a9, CLASS_WIDE_PUNCT},
    {0x00aa, 0x00aa, CLASS_LATIN},      {0x00ab, 0x00b4, CLASS_WIDE_PUNCT},
    {0x00b5, 0x00b5, CLASS_LATIN},      {0x00b6, 0x00b9, CLASS_WIDE_PUNCT},
    {0x00ba, 0x00ba, CLASS_LATIN},      {0x00bb, 0x00bf, CLASS_WIDE_PUNCT},
    {0x00c0, 0x00d6, CLASS_LATIN},      {0x00d7, 0x00d7, CLASS_WIDE_PUNCT},
    {0x00d8, 0x00f6, CLASS_LATIN},      {0x00f7, 0x00f7, CLASS_WIDE_PUNCT},
    {0x00f8, 0x02af, CLASS_LATIN},      {0x0300, 0x036f, CLASS_MARK},
    {0x0370, 0x037d, CLASS_GREEK},      {0x037e, 0x037e, CLASS_WIDE_PUNCT},
    {0x037f, 0x0386, CLASS_GREEK},      {0x0387, 0x0387, CLASS_WIDE_PUNCT},
    {0x0388, 0x03ff, CLASS_GREEK},      {0x0400, 0x052f, CLASS_CYRILLIC},
    {0x0589, 0x0589, CLASS_WIDE_PUNCT}, {0x0591, 0x05f4, CLASS_HEBREW},
    {0x060c, 0x060c, CLASS_WIDE_PUNCT}, {0x061b, 0x061f, CLASS_WIDE_PUNCT},
    {0x0620, 0x065f, CLASS_ARABIC},     {0x0660, 0x0669, CLASS_DIGIT},
    {0x066a, 0x066d, CLASS_WIDE_PUNCT}, {0x066e, 0x06d3, CLASS_ARABIC},
    {0x06d4, 0x06d4, CLASS_WIDE_PUNCT}, {0x06d5, 0x06ef, CLASS_ARABIC},
    {0x06f0, 0x06f9, CLASS_DIGIT},      {0x06fa, 0x08ff, CLASS_ARABIC},
    {0x0900, 0x0963, CLASS_DEVANAGARI}, {0x0964, 0x0965, CLASS_WIDE_PUNCT},
    {0x0966, 0x096f, CLASS_DIGIT},      {0x0970, 0x097f, CLASS_DEVANAGARI},
    {0x0980, 0x0dff, CLASS_INDIC},      {0x0e00, 0x0fff, CLASS_THAI},
    {0x1000, 0x1049, CLASS_THAI},       {0x104a, 0x104b, CLASS_WIDE_PUNCT},
    {0x104c, 0x109f, CLASS_THAI},       {0x1100, 0x11ff, CLASS_HANGUL},
    {0x1361, 0x1368, CLASS_WIDE_PUNCT}, {0x1780, 0x17d3, CLASS_THAI},
    {0x17d4, 0x17d5, CLASS_WIDE_PUNCT}, {0x17d6, 0x17ff, CLASS_THAI},
    {0x1ab0, 0x1aff, CLASS_MARK},       {0x1dc0, 0x1dff, CLASS_MARK},
    {0x1e00, 0x1eff, CLASS_LATIN},      {0x1f00, 0x1fff, CLASS_GREEK},
    {0x2000, 0x200a, CLASS_SPACE},      {0x200b, 0x200f, CLASS_MARK},
    {0x2010, 0x2027, CLASS_WIDE_PUNCT}, {0x2028, 0x2029, CLASS_NEWLINE},
    {0x202a, 0x202e, CLASS_MARK},       {0x202f, 0x202f, CLASS_SPACE},
    {0x2030, 0x205e, CLASS_WIDE_PUNCT}, {0x205f, 0x205f, CLASS_SPACE},
    {0x20a0, 0x20cf, CLASS_WIDE_PUNCT}, {0x20d0, 0x20ff, CLASS_MARK},
    {0x2c60, 0x2c7f, CLASS_LATIN},      {0x2de0, 0x2dff, CLASS_CYRILLIC},
    {0x2e80, 0x2fdf, CLASS_HAN},        {0x3000, 0x3000, CLASS_SPACE},
    {0x3001, 0x3004, CLASS_WIDE_PUNCT}, {0x3005, 0x3007, CLASS_HAN},
    {0x3008, 0x3020, CLASS_WIDE_PUNCT}, {0x3021, 0x3029, CLASS_HAN},
    {0x3030, 0x3030, CLASS_WIDE_PUNCT}, {0x3031, 0x303f, CLASS_HAN},
    {0x3041, 0x30fa, CLASS_KANA},       {0x30fb, 0x30fb, CLASS_WIDE_PUNCT},
    {0x30fc, 0x30ff, CLASS_KANA},       {0x3105, 0x312f, CLASS_HAN},
    {0x3130, 0x318f, CLASS_HANGUL},     {0x31f0, 0x31ff, CLASS_KANA},
    {0x3400, 0x4dbf, CLASS_HAN},        {0x4e00, 0x9fff, CLASS_HAN},
    {0xa640, 0xa69f, CLASS_CYRILLIC},   {0xa720, 0xa7ff, CLASS_LATIN},
    {0xa8e0, 0xa8ff, CLASS_DEVANAGARI}, {0xac00, 0xd7ff, CLASS_HANGUL},
    {0xf900, 0xfaff, CLASS_HAN},        {0xfb1d, 0xfb4f, CLASS_HEBREW},
    {0xfb50, 0xfdff, CLASS_ARABIC},     {0xfe00, 0xfe0f, CLASS_MARK},
    {0xfe30, 0xfe6f, CLASS_WIDE_PUNCT}, {0xfe70, 0xfefe, CLASS_ARABIC},
    {0xff01, 0xff0f, CLASS_WIDE_PUNCT}, {0xff10, 0xff19, CLASS_DIGIT},
    {0xff1a, 0xff20, CLASS_WIDE_PUNCT}, {0xff21, 0xff3a, CLASS_LATIN},
    {0xff3b, 0xff40, CLASS_WIDE_PUNCT}, {0xff41, 0xff5a, CLASS_LATIN},
    {0xff5b, 0xff65, CLASS_WIDE_PUNCT}, {0xff66, 0xff9f, CLASS_KANA},
    {0xffa0, 0xffdc, CLASS_HANGUL},     {0x1f3fb, 0x1f3ff, CLASS_MARK},
    {0x20000, 0x323af, CLASS_HAN},      {0xe0100, 0xe01ef, CLASS_MARK},
};

static uint8_t class_of(uint32_t code)
{
    /* The blocks that make up most of the world's text beyond ASCII come first. */
    if (code >= 0x4e00 && code <= 0x9fff)
        return CLASS_HAN;
    if (code >= 0x0400 && code <= 0x052f)
        return CLASS_CYRILLIC;
    size_t low = 0;
    size_t high = sizeof(ranges) / sizeof(ranges[0]);
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (code > ranges[middle].last)
            low = middle + 1;
        else if (code < ranges[middle].first)
            high = middle;
        else
            return ranges[middle].class;
    }
    return CLASS_OTHER;
}

static int is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

struct text_point moa_text_point(const uint8_t *p, size_t n)
{
    const uint32_t a = p[0];
    uint32_t code = 0;
    uint8_t n_bytes = 0;
    if (a < 0x80)
        return (struct text_point){a, 1, moa_ascii_class[a]};
    if (a >= 0xc2 && a < 0xe0 && n >= 2 && is_tail(p[1])) {
        code = (a & 0x1f) << 6 | (p[1] & 0x3fu);
        n_bytes = 2;
    } else if (a >= 0xe0 && a < 0xf0 && n >= 3 && is_tail(p[1]) && is_tail(p[2])) {
        code = (a & 0x0f) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
        n_bytes = code >= 0x800 && (code < 0xd800 || code > 0xdfff) ? 3 : 0;
    } else if (a >= 0xf0 && a < 0xf5 && n >= 4 && is_tail(p[1]) && is_tail(p[2]) && is_tail(p[3])) {
        code = (a & 0x07) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
        n_bytes = code >= 0x10000 && code <= 0x10ffff ? 4 : 0;
    }
    if (n_bytes == 0)
        return (struct text_point){0xfffd, 1, CLASS_INVALID};
    return (struct text_point){code, n_bytes, class_of(code)};
}
