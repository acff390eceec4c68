/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes and pixels to what `moaoff score --json` prints of them, as dictionaries; "path" is left to
 * Python. While the library works, other threads of Python run: so bytes that one of them could
 * change meanwhile are copied first.
 */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)256 << 20) /* as the program's */

/* What was found out about one file or picture. */
struct found {
    enum moa_err err;
    const char *words; /* constant */
    size_t offset;
    bool is_image;
    const char *format;
    struct moa_image_features image;
    struct moa_image_complexity image_complexity;
    struct moa_media media; /* if it is no image */
    struct moa_sound_features sound;
    struct moa_sound_complexity sound_complexity;
    struct moa_film_complexity film_complexity;
};

/* ---- measuring, without Python ---- */

/* What is no picture, as the program does it. */
static void measure_media(struct moa_bytes file, struct found *f)
{
    moa_media_probe(file, &f->media);
    if (!f->media.format || !(f->media.duration_s > 0 || f->media.width_px > 0))
        return;
    f->err = MOA_OK;
    f->is_image = false;
    f->format = moa_media_format_name(f->media.format);
    if (f->media.width_px > 0) {
        moa_film_complexity(NULL, &f->media, file.n, &f->film_complexity);
        return;
    }
    f->err = moa_sound_measure(file, &f->sound);
    f->words = moa_strerror(f->err);
    f->offset = 0;
    if (!f->err)
        moa_sound_complexity(NULL, &f->sound, &f->sound_complexity);
}

static void measure_file(struct moa_bytes file, bool fast, struct found *f)
{
    const struct moa_image_options options = {.mode = fast ? MOA_IMAGE_FAST : MOA_IMAGE_EXACT};
    struct moa_image_info info;
    struct moa_error error;
    f->is_image = true;
    f->err = moa_image_measure_with(file, &options, NULL, &info, &f->image, &error);
    if (!f->err) {
        f->format = moa_image_format_name(info.format);
        moa_image_complexity(NULL, &f->image, &f->image_complexity);
        return;
    }
    f->words = error.message;
    f->offset = error.offset;
    if (f->err == MOA_ERR_FORMAT)
        measure_media(file, f);
}

/* RGB, 8 bits each, rows without gaps: the luma that image.h defines, then what is done to any. */
static void measure_pixels(const uint8_t *rgb, uint32_t width_px, uint32_t height_px,
                           struct found *f)
{
    const size_t n = (size_t)width_px * height_px;
    uint8_t *luma = malloc(n);
    f->is_image = true;
    f->format = "rgb";
    f->err = luma ? MOA_OK : MOA_ERR_MEMORY;
    for (size_t i = 0; luma && i < n; i++)
        luma[i] = (uint8_t)((19595u * rgb[3 * i] + 38470u * rgb[3 * i + 1] +
                             7471u * rgb[3 * i + 2] + 32768u) >>
                            16);
    if (luma)
        f->err = moa_luma_measure(luma, width_px, height_px, width_px, &f->image);
    free(luma);
    f->words = moa_strerror(f->err);
    if (!f->err)
        moa_image_complexity(NULL, &f->image, &f->image_complexity);
}

/* ---- dictionaries ---- */

/* Takes over `value`; on failure `dict` is given up, and NULL. */
static PyObject *with(PyObject *dict, const char *name, PyObject *value)
{
    const int err = dict && value ? PyDict_SetItemString(dict, name, value) : -1;
    Py_XDECREF(value);
    if (!err)
        return dict;
    Py_XDECREF(dict);
    return NULL;
}

static PyObject *notes_of(uint32_t notes)
{
    PyObject *list = PyList_New(0);
    for (uint32_t note = 1; list && note && note <= notes; note <<= 1) {
        if (!(notes & note))
            continue;
        PyObject *name = PyUnicode_FromString(moa_image_note_name((enum moa_image_note)note));
        if (!name || PyList_Append(list, name))
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static PyObject *image_dict(const struct found *found)
{
    const struct moa_image_features *f = &found->image;
    const struct moa_image_complexity *c = &found->image_complexity;
    PyObject *features = Py_BuildValue(
        "{s:d,s:d,s:d,s:d,s:d,s:d,s:d,s:d}", "gradient_mean", f->gradient_mean, "gradient_p5",
        f->gradient_p5, "gradient_p95", f->gradient_p95, "entropy_nats", f->entropy_nats,
        "laplacian_variance", f->laplacian_variance, "edge_fraction", f->edge_fraction,
        "bits_per_pixel", f->bits_per_pixel, "bits_per_pixel_normal", f->bits_per_pixel_normal);
    if (f->mode != MOA_IMAGE_EXACT)
        features = with(features, "mode", PyUnicode_FromString(moa_image_mode_name(f->mode)));
    if (f->notes)
        features = with(features, "notes", notes_of(f->notes));
    return Py_BuildValue("{s:I,s:I,s:s,s:N,s:{s:d,s:d,s:d,s:d,s:d}}", "width", f->width_px,
                         "height", f->height_px, "format", found->format, "features", features,
                         "complexity", "resolution", c->resolution, "edge", c->edge, "entropy",
                         c->entropy, "sharpness", c->sharpness, "score", c->score);
}

static PyObject *media_dict(const struct found *found)
{
    const struct moa_media *media = &found->media;
    return Py_BuildValue("{s:s,s:d,s:I,s:I}", "format", found->format, "duration_s",
                         media->duration_s, "sample_rate_hz", media->sample_rate_hz, "channels",
                         media->n_channels);
}

static PyObject *sound_dict(const struct found *found)
{
    const struct moa_sound_features *f = &found->sound;
    const struct moa_sound_complexity *c = &found->sound_complexity;
    PyObject *features = Py_BuildValue("{s:K}", "blocks", (unsigned long long)f->n_blocks);
    if (f->n_blocks > 0) {
        features = with(features, "silence_share", PyFloat_FromDouble(f->silence_share));
        features = with(features, "level_dbfs", PyFloat_FromDouble(f->level_dbfs));
        features = with(features, "flatness_db", PyFloat_FromDouble(f->flatness_db));
    }
    PyObject *dict = with(media_dict(found), "features", features);
    return with(dict, "complexity",
                Py_BuildValue("{s:d,s:d,s:d,s:d,s:d,s:d}", "length", c->length, "level", c->level,
                              "activity", c->activity, "flatness", c->flatness, "rate", c->rate,
                              "score", c->score));
}

static PyObject *film_dict(const struct found *found)
{
    const struct moa_film_complexity *c = &found->film_complexity;
    PyObject *dict = media_dict(found);
    dict = with(dict, "width", PyLong_FromUnsignedLong(found->media.width_px));
    dict = with(dict, "height", PyLong_FromUnsignedLong(found->media.height_px));
    return with(
        dict, "complexity",
        Py_BuildValue("{s:d,s:d,s:d}", "length", c->length, "frame", c->frame, "score", c->score));
}

static PyObject *dict_of(PyObject *module, const struct found *f)
{
    if (f->err)
        return binding_fail(module, f->err, f->words, f->offset);
    if (f->is_image)
        return image_dict(f);
    return f->media.width_px > 0 ? film_dict(f) : sound_dict(f);
}

/* ---- from Python ---- */

static PyObject *score_pixels(PyObject *module, const Py_buffer *view)
{
    struct moa_image_limits limits;
    struct found f = {.err = MOA_OK};
    moa_image_limits_default(&limits);
    const Py_ssize_t height = view->shape[0], width = view->shape[1];
    if (height < 1 || width < 1)
        return binding_fail(module, MOA_ERR_ARGUMENT, "a picture has at least one pixel", 0);
    if (height > (Py_ssize_t)limits.max_width_px || width > (Py_ssize_t)limits.max_width_px)
        return binding_fail(module, MOA_ERR_LIMIT, "image side is longer than allowed", 0);
    if ((uint64_t)height * (uint64_t)width > limits.max_px)
        return binding_fail(module, MOA_ERR_LIMIT, "image has more pixels than allowed", 0);
    Py_BEGIN_ALLOW_THREADS;
    measure_pixels(view->buf, (uint32_t)width, (uint32_t)height, &f);
    Py_END_ALLOW_THREADS;
    return dict_of(module, &f);
}

static PyObject *score_bytes(PyObject *module, const Py_buffer *view, bool fast)
{
    struct moa_bytes file = {view->buf, (size_t)view->len};
    struct found f = {.err = MOA_OK};
    void *copy = NULL;
    if (file.n > FILE_BYTES_MAX)
        return binding_fail(module, MOA_ERR_LIMIT, "larger than 256 MiB", 0);
    if (file.n == 0)
        file.p = NULL;
    else if (!view->readonly) {
        copy = malloc(file.n);
        if (!copy)
            return PyErr_NoMemory();
        file.p = memcpy(copy, view->buf, file.n);
    }
    Py_BEGIN_ALLOW_THREADS;
    measure_file(file, fast, &f);
    Py_END_ALLOW_THREADS;
    free(copy);
    return dict_of(module, &f);
}

static PyObject *score_view(PyObject *module, const Py_buffer *view, bool fast)
{
    const char *format = view->format ? view->format : "B";
    const bool is_pixels = view->ndim == 3 && view->shape[2] == 3;
    if (strcmp(format, "B") != 0 || (view->ndim != 1 && !is_pixels))
        return PyErr_Format(PyExc_TypeError,
                            "an array must be height x width x 3 of uint8 (RGB), or "
                            "one-dimensional of uint8 (the bytes of a file), not of %d dimensions "
                            "and format '%s'",
                            view->ndim, format);
    if (!PyBuffer_IsContiguous(view, 'C')) {
        PyErr_SetString(PyExc_ValueError, "the array is not contiguous; "
                                          "numpy.ascontiguousarray() makes a copy that is");
        return NULL;
    }
    return is_pixels ? score_pixels(module, view) : score_bytes(module, view, fast);
}

PyObject *binding_score_file(PyObject *module, PyObject *args)
{
    PyObject *object;
    Py_buffer view;
    int fast;
    if (!PyArg_ParseTuple(args, "Op", &object, &fast) ||
        PyObject_GetBuffer(object, &view, PyBUF_FULL_RO))
        return NULL;
    PyObject *dict = score_view(module, &view, fast);
    PyBuffer_Release(&view);
    return dict;
}

PyObject *binding_score_text(PyObject *module, PyObject *args)
{
    const char *text;
    Py_ssize_t n;
    struct moa_text_features f;
    struct moa_text_complexity c;
    if (!PyArg_ParseTuple(args, "y#", &text, &n)) /* bytes: nobody changes them */
        return NULL;
    if ((size_t)n > FILE_BYTES_MAX)
        return binding_fail(module, MOA_ERR_LIMIT, "larger than 256 MiB", 0);
    Py_BEGIN_ALLOW_THREADS;
    moa_text_measure((struct moa_bytes){n > 0 ? text : NULL, (size_t)n}, &f);
    Py_END_ALLOW_THREADS;
    moa_text_complexity(NULL, &f, &f, &c);
    return Py_BuildValue("{s:O,s:K,s:{s:d,s:K,s:K},s:{s:d,s:d,s:d}}", "path", Py_None, "bytes",
                         (unsigned long long)f.bytes, "features", "tokens", f.tokens, "sentences",
                         (unsigned long long)f.sentences, "entities",
                         (unsigned long long)f.entities, "complexity", "length", c.length, "entity",
                         c.entity, "score", c.score);
}
