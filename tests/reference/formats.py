# SPDX-License-Identifier: Apache-2.0
"""Every format and kind of file against the luma that PIL and the rules of docs/perceive.md give, and
damaged files against the reason they are refused with. Usage: formats.py MOAOFF"""

import io
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
from PIL import Image

import luma_reference as reference
from score_reference import compare


def picture():
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:93, 0:131]
    rgb = np.stack([128 + 100 * np.sin(x / 9), 128 + 90 * np.cos(y / 7), (x * y / 40) % 256], 2)
    return (rgb + rng.normal(0, 6, rgb.shape)).clip(0, 255).astype(np.uint8)


def bytes_of(image, **options):
    out = io.BytesIO()
    image.save(out, **options)
    return out.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth, colour, rows, interlace=0):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def interlaced_png(rgb):
    """Adam7 by hand: PIL does not write it."""
    out = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                           (1, 0, 2, 2), (0, 1, 1, 2)):
        part = rgb[y0::dy, x0::dx]
        if part.size:
            out += b"".join(b"\0" + row.tobytes() for row in part)
    return png(rgb.shape[1], rgb.shape[0], 8, 2, out, interlace=1)


def jpeg_luma(data):
    image = Image.open(io.BytesIO(data))
    image.draft("L", image.size)
    return np.asarray(image.convert("L"))


def on_white(rgb, alpha):
    """(H, W, 3) and (H, W) uint8 to (H, W, 3)."""
    a = alpha.astype(int)[:, :, None]
    return ((rgb.astype(int) * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)


def gif_on_canvas(gif, left, top, size):
    """The frame of a GIF moved on a canvas of another size."""
    data = bytearray(gif)
    struct.pack_into("<HH", data, 6, *size)
    struct.pack_into("<HH", data, data.index(b"\x2c", 13 + 3 * (2 << (data[10] & 7))) + 1, left, top)
    return bytes(data)


def bmp(width, height, depth, rows, palette=b"", masks=b"", compression=0, header=40):
    """A BMP by hand; `rows` as they are stored, `height` negative if from top to bottom."""
    extra = masks if header == 40 else b""
    body = struct.pack("<IiiHHIIiiII", header, width, height, 1, depth, compression, 0, 0, 0, len(palette) // 4, 0)
    body += masks + b"\0" * (header - len(body) - len(masks)) if header > 40 else extra
    offset = 14 + len(body) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + body + palette + rows


def bmp_rows(rows):
    return b"".join(row + b"\0" * (-len(row) % 4) for row in rows)


def bmp_files(image, rgb, palette):
    luma, height, width = reference.luma_of_rgb(rgb), rgb.shape[0], rgb.shape[1]
    gray = image.convert("L")
    yield "bmp-24", bytes_of(image, format="BMP"), luma
    yield "bmp-8", bytes_of(palette, format="BMP"), reference.luma_of_rgb(np.asarray(palette.convert("RGB")))
    yield "bmp-gray", bytes_of(gray, format="BMP"), np.asarray(gray)
    bilevel = gray.point(lambda v: 255 if v > 128 else 0).convert("1")
    yield "bmp-1", bytes_of(bilevel, format="BMP"), np.asarray(bilevel.convert("L"))
    four = np.asarray(gray) // 16
    packed = np.pad(four, ((0, 0), (0, width % 2)))
    packed = (packed[:, ::2] * 16 + packed[:, 1::2]).astype(np.uint8)
    colors = b"".join(bytes((17 * i, 17 * i, 17 * i, 0)) for i in range(16))
    yield "bmp-4-top-down", bmp(width, -height, 4, bmp_rows([row.tobytes() for row in packed]), colors), (
        17 * four).astype(np.uint8)
    five = rgb.astype(int) * 31 // 255
    rows = bmp_rows([row.astype("<u2").tobytes() for row in (five @ [1024, 32, 1])[::-1]])
    yield "bmp-16", bmp(width, height, 16, rows), reference.luma_of_rgb(
        ((five * 255 + 15) // 31).astype(np.uint8))
    alpha = np.asarray(gray)
    rgba = np.dstack([rgb, alpha])[::-1]
    masks = struct.pack("<IIII", 0xff, 0xff00, 0xff0000, 0xff000000)
    yield "bmp-32-alpha", bmp(width, height, 32, rgba.tobytes(), b"", masks, 3, 124), reference.luma_of_rgb(
        on_white(rgb, alpha))
    rgba = np.dstack([rgb[:, :, ::-1], np.zeros_like(alpha)])[::-1]
    yield "bmp-32", bmp(width, height, 32, rgba.tobytes()), luma
    masks = struct.pack("<IIII", 0xff0000, 0xff00, 0xff, 0xff000000)
    yield "bmp-32-no-alpha", bmp(width, height, 32, rgba.tobytes(), b"", masks, 3, 108), luma


def tga_files(image, rgb, palette):
    gray, luma = image.convert("L"), reference.luma_of_rgb(rgb)
    alpha = image.copy()
    alpha.putalpha(gray)
    for name, picture, expected in (
            ("gray", gray, np.asarray(gray)), ("rgb", image, luma),
            ("palette", palette, reference.luma_of_rgb(np.asarray(palette.convert("RGB")))),
            ("alpha", alpha, reference.luma_of_rgb(on_white(rgb, np.asarray(gray))))):
        yield f"tga-{name}", bytes_of(picture, format="TGA"), expected
        yield f"tga-{name}-packed", bytes_of(picture, format="TGA", compression="tga_rle"), expected
    yield "tga-top-down", bytes_of(image, format="TGA", orientation=1), luma


def good_files(rgb):
    """Name, bytes, luma."""
    image = Image.fromarray(rgb)
    luma = reference.luma_of_rgb(rgb)
    gray = image.convert("L")
    for sampling in ("4:4:4", "4:2:2", "4:2:0"):
        data = bytes_of(image, format="JPEG", quality=90, subsampling=sampling)
        yield f"jpeg-{sampling}", data, jpeg_luma(data)
    data = bytes_of(image, format="JPEG", quality=80, progressive=True)
    yield "jpeg-progressive", data, jpeg_luma(data)
    data = bytes_of(gray, format="JPEG")
    yield "jpeg-gray", data, np.asarray(Image.open(io.BytesIO(data)))
    data = bytes_of(image, format="JPEG", keep_rgb=True, quality=95)
    data = bytes_of(image.convert("CMYK"), format="JPEG", quality=95)
    cmyk = Image.open(io.BytesIO(data))
    yield "jpeg-cmyk", data, reference.luma_of_rgb(np.asarray(cmyk.convert("RGB")))

    yield "png-rgb", bytes_of(image, format="PNG"), luma
    yield "png-gray", bytes_of(gray, format="PNG"), np.asarray(gray)
    alpha = image.copy()
    alpha.putalpha(gray)
    white = on_white(rgb, np.asarray(gray))
    yield "png-rgba", bytes_of(alpha, format="PNG"), reference.luma_of_rgb(white)
    la = np.asarray(alpha.convert("LA"))
    yield "png-gray-alpha", bytes_of(alpha.convert("LA"), format="PNG"), on_white(
        la[:, :, :1], la[:, :, 1])[:, :, 0]
    yield "png-transparent-gray", bytes_of(gray, format="PNG", transparency=90), np.where(
        np.asarray(gray) == 90, 255, np.asarray(gray)).astype(np.uint8)
    palette = image.convert("P", palette=Image.ADAPTIVE, colors=40)
    palette_luma = reference.luma_of_rgb(np.asarray(palette.convert("RGB")))
    yield "png-palette", bytes_of(palette, format="PNG"), palette_luma
    yield "png-palette-4-bit", bytes_of(
        image.convert("P", palette=Image.ADAPTIVE, colors=16), format="PNG", bits=4
    ), reference.luma_of_rgb(
        np.asarray(image.convert("P", palette=Image.ADAPTIVE, colors=16).convert("RGB")))
    bilevel = gray.point(lambda v: 255 if v > 128 else 0).convert("1")
    yield "png-1-bit", bytes_of(bilevel, format="PNG"), np.asarray(bilevel.convert("L"))
    deep = rgb.astype(np.uint16) * 256 + 77
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    yield "png-16-bit", png(rgb.shape[1], rgb.shape[0], 16, 2, rows), luma
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep[:, :, 1])
    yield "png-gray-16-bit", png(rgb.shape[1], rgb.shape[0], 16, 0, rows), rgb[:, :, 1]
    yield "png-interlaced", interlaced_png(rgb), luma
    for side in (1, 2, 3, 5):
        yield f"png-interlaced-{side}", interlaced_png(rgb[:side, :side]), luma[:side, :side]
    yield "apng", bytes_of(image, format="PNG", save_all=True,
                           append_images=[image.rotate(180)]), luma

    yield from bmp_files(image, rgb, palette)
    yield from tga_files(image, rgb, palette)

    yield "webp-lossless", bytes_of(image, format="WEBP", lossless=True), luma
    yield "gif", bytes_of(palette, format="GIF", interlace=0), palette_luma
    yield "gif-interlaced", bytes_of(palette, format="GIF", interlace=1), palette_luma
    # The first frame of PIL's animations covers the canvas.
    yield "gif-animated", bytes_of(palette, format="GIF", save_all=True, interlace=0,
                                   append_images=[palette.rotate(180)]), palette_luma
    canvas = np.full((rgb.shape[0] + 20, rgb.shape[1] + 30), 255, np.uint8)
    canvas[7:-13, 10:-20] = palette_luma
    size = canvas.shape[::-1]
    gif = bytes_of(palette, format="GIF", interlace=0)
    yield "gif-frame", gif_on_canvas(gif, 10, 7, size), canvas
    gif = bytes_of(palette, format="GIF", interlace=1)
    yield "gif-frame-interlaced", gif_on_canvas(gif, 10, 7, size), canvas
    indices = np.asarray(palette)
    yield "gif-transparent", bytes_of(palette, format="GIF", transparency=int(indices[0, 0])), np.where(
        indices == indices[0, 0], 255, palette_luma).astype(np.uint8)
    yield "webp-alpha", bytes_of(alpha, format="WEBP", lossless=True, exact=True), reference.luma_of_rgb(white)
    data = bytes_of(image, format="WEBP", quality=90)
    yield "webp-lossy", data, reference.luma_of_rgb(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    data = bytes_of(image, format="JPEG", quality=90)
    yield "jpeg-without-end", data[:-2], jpeg_luma(data)
    data = bytes_of(image, format="JPEG", quality=90, progressive=True)
    yield "jpeg-progressive-without-end", data[:-2], jpeg_luma(data)
    yield "webp-animated", bytes_of(image, format="WEBP", lossless=True, save_all=True,
                                    append_images=[image.rotate(180)]), luma


def bad_files(rgb):
    """Name, bytes, what the message must say."""
    image = Image.fromarray(rgb)
    jpeg = bytes_of(image, format="JPEG", quality=90)
    progressive = bytes_of(image, format="JPEG", progressive=True)
    png_file = bytes_of(image, format="PNG")
    webp = bytes_of(image, format="WEBP")
    gif = bytes_of(image.convert("P"), format="GIF")
    for name, data in (("jpeg", jpeg), ("progressive", progressive), ("png", png_file),
                       ("webp", webp), ("gif", gif), ("bmp", bytes_of(image, format="BMP")),
                       ("tga", bytes_of(image, format="TGA", compression="tga_rle"))):
        for share in (0.99, 0.6, 0.2):
            yield f"cut-{name}-{share}", data[: int(len(data) * share)], "ends"
    box = b"\0\0\0\x18ftyp%s\0\0\0\0mif1%s"
    for name, data in (("HEIC", box % (b"heic", b"heic")), ("HEIC", box % (b"mif1", b"heic")),
                       ("AVIF", box % (b"mif1", b"avif")), ("MP4", b"\0\0\0\x14ftypisom\0\0\0\0mp42"),
                       ("TIFF", bytes_of(image, format="TIFF")), ("PDF", b"%PDF-1.7\n"),
                       ("SVG", b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a -->\n<svg width='9'/>"),
                       ("HTML", b"\n<!DOCTYPE html>\n<html><svg/></html>")):
        yield f"foreign-{name}", data, f"{name} "
    yield "foreign-packed-bmp", bmp(8, 8, 8, b"\0" * 64, b"\0" * 1024, b"", 1), "run-length"
    yield "empty", b"", "no picture"
    yield "text", b"this is no image at all", "no picture"
    damaged = bytearray(png_file)
    damaged[len(damaged) // 2] ^= 0x55
    yield "damaged-png", bytes(damaged), ""
    yield "huge-png", png(60000, 60000, 8, 2, b""), "more pixels"
    yield "wide-png", png(100000, 1, 8, 2, b""), "longer"
    yield "large-gif-frame", gif_with_offset(gif), "outside"
    yield "twelve-bit", jpeg.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"), "8 bits"


def gif_with_offset(gif):
    data = bytearray(gif)
    data[6] -= 1  # the canvas is narrower than the frame
    return bytes(data)


def notes_of(name):
    if "without-end" in name:
        return ["truncated"]
    transparent = ("alpha", "transparent", "rgba", "gif-frame", "tga-alpha")
    return ["transparent"] if any(word in name for word in transparent) and "no-alpha" not in name else None


def score(moaoff, path):
    return subprocess.run([moaoff, "score", "--json", path], capture_output=True, text=True)


def main():
    moaoff = sys.argv[1]
    rgb = picture()
    n_wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "image"
        for name, data, luma in good_files(rgb):
            path.write_bytes(data)
            run = score(moaoff, path)
            wrong = [run.stderr] if run.returncode else compare(json.loads(run.stdout), luma)
            notes = None if run.returncode else json.loads(run.stdout)["features"].get("notes")
            if notes != notes_of(name):
                wrong.append(("notes", notes, notes_of(name)))
            print(f"{name}: {wrong or 'right'}")
            n_wrong += bool(wrong)
        for name, data, expected in bad_files(rgb):
            path.write_bytes(data)
            run = score(moaoff, path)
            right = run.returncode == 1 and not run.stdout and expected in run.stderr
            print(f"{name}: {'refused' if right else 'WRONG'}: {run.stderr.strip().rsplit(': ', 1)[-1]}")
            n_wrong += not right
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
