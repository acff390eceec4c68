# SPDX-License-Identifier: Apache-2.0
"""One picture: what is scored, what is re-encoded and what is forwarded untouched is what a viewer shows, of every
file of the corpus and of some that are made here; or all of them refuse the file with the same words.

The engine of these tests is as simple as those that are common: it knows no EXIF, drops alpha, and sees black where
nothing was painted. The viewer is PIL with all of that done right.
"""
import base64
import io
import os

import numpy
import pytest
from PIL import Image, ImageFile, ImageOps

from bodies import chat, data_uri
import local
from test_images import encoded, scene, urls

CORPUS = os.path.join(local.ROOT, "tests", "fuzz", "corpus")
ImageFile.LOAD_TRUNCATED_IMAGES = True


def as_viewer(data):
    picture = Image.open(io.BytesIO(data))
    frame = picture.tile[0][1] if picture.format == "GIF" else None
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        picture = Image.fromarray((numpy.asarray(picture).astype(int) >> 8).astype(numpy.uint8))
    if picture.mode == "RGBA" and picture.getextrema()[3] == (0, 0):
        picture = picture.convert("RGB")  # a writer that left alpha out: not PIL's rule, but everybody else's
    rgba = picture.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    if frame:  # PIL paints a background around it
        white.alpha_composite(rgba.crop(frame), frame[:2])
    else:
        white.alpha_composite(rgba)
    return white.convert("RGB")


def as_engine(data):
    picture = Image.open(io.BytesIO(data))
    if picture.mode.startswith("I"):
        return as_viewer(data)  # a convention of PIL's only
    return picture.convert("RGBA").convert("RGB")


def made():
    """Name, bytes."""
    photo = scene(150, 90)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for kind in ("jpeg", "png", "webp"):
            yield "made/%s-%d" % (kind, orientation), encoded(photo, kind, exif=exif.tobytes())
    odd = scene(151, 91)
    exif[0x0112] = 6
    yield "made/jpeg-odd", encoded(odd, "jpeg", exif=exif.tobytes())
    see_through = photo.convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(photo.size))
    yield "made/png-alpha", encoded(see_through, "png")
    yield "made/webp-alpha", encoded(see_through, "webp", quality=90)
    yield "made/png-opaque-alpha", encoded(photo.convert("RGBA"), "png")
    palette = photo.quantize(30)
    yield "made/png-transparent-palette", encoded(palette, "png", transparency=bytes([0, 80, 255]))
    yield "made/gif-transparent", encoded(palette, "gif", transparency=palette.getpixel((75, 45)))
    yield "made/jpeg-gray", encoded(photo.convert("L"), "jpeg")
    for cut in (1, 2, 5):
        yield "made/jpeg-lacks-%d" % cut, encoded(photo, "jpeg", quality=90)[:-cut]
        yield "made/jpeg-progressive-lacks-%d" % cut, encoded(photo, "jpeg", progressive=True)[:-cut]
    yield "made/jpeg-half", encoded(photo, "jpeg")[:1500]


def of_kind(kind):
    if kind == "made":
        return list(made())
    files = []
    for name in sorted(os.listdir(os.path.join(CORPUS, kind))):
        with open(os.path.join(CORPUS, kind, name), "rb") as f:
            files.append(("%s/%s" % (kind, name), f.read()))
    return [(name, data) for name, data in files if data]


def entropy(picture):
    rgb = numpy.asarray(picture).astype(int)
    luma = (rgb @ [19595, 38470, 7471] + 32768) >> 16
    p = numpy.bincount(luma.ravel(), minlength=256) / luma.size
    p = p[p > 0]
    return float(-(p * numpy.log(p)).sum() / numpy.log(256))


def distance(a, b):
    assert a.size == b.size
    return numpy.abs(numpy.asarray(a, float) - numpy.asarray(b, float)).mean()


TIERS = {  # what the edge takes, and how far a picture may be from what is seen, in gray levels
    "anything": ({"image_formats": "", "image_tokens": 0}, 6),
    "jpeg": ({"image_formats": "jpeg", "image_tokens": 0}, 8),
    "png": ({"image_formats": "png", "image_tokens": 0}, 6),
    "small": ({"image_tokens": 6}, 10),
}


def check(gateway, edge, data, tier):
    """(status, message) of one file, and what is wrong with it."""
    body = chat("What is it?", data_uri(data, "png"))
    decided, answer = gateway.decide(body), gateway.chat(body)
    message = answer.error["message"] if answer.status != 200 else ""
    if decided.status != answer.status or answer.status != 200:
        return (answer.status, message), ["decided %s" % decided] if decided.status != answer.status else []
    wrong = []
    viewed = as_viewer(data)
    url = urls(edge.requests[-1])[0]
    seen = as_engine(base64.b64decode(url.split(",", 1)[1]))
    entropy_got = decided.json["scores"]["images"][0]["entropy"]
    if abs(entropy_got - entropy(viewed)) > 0.03:
        wrong.append("scored %.3f instead of %.3f" % (entropy_got, entropy(viewed)))
    if tier == "small" and (seen.width > viewed.width or seen.height > viewed.height):
        wrong.append("size %s of %s" % (seen.size, viewed.size))
    elif tier == "small":
        viewed = viewed.resize(seen.size, Image.BOX)
    if seen.size != viewed.size or distance(seen, viewed) > TIERS[tier][1]:
        wrong.append("%s: %s of %s" % (seen.size, seen.size == viewed.size and distance(seen, viewed), viewed.size))
    return (200, ""), wrong


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif", "bmp", "tga", "foreign", "made"])
def test_one_picture(duo, edge, kind):
    gateways = {tier: duo({"policy": "edge", "edge": options}) for tier, (options, _) in TIERS.items()}
    faults = []
    for name, data in of_kind(kind):
        verdicts = {}
        for tier, gateway in gateways.items():
            verdicts[tier], wrong = check(gateway, edge, data, tier)
            faults += ["%s, %s: %s" % (name, tier, what) for what in wrong]
        if len(set(verdicts.values())) != 1:
            faults.append("%s: %s" % (name, verdicts))
    assert not faults, "\n".join(faults)
