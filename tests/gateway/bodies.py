# SPDX-License-Identifier: Apache-2.0
"""Request bodies and pictures for the tests."""
import base64
import io
import json
import os
import struct
import zlib

import numpy
from PIL import Image

import local

EXAMPLES = os.path.join(local.MODELS, "examples")


def example(name):
    """A picture of models/examples as a data URI."""
    with open(os.path.join(EXAMPLES, name), "rb") as f:
        return data_uri(f.read(), "png" if name.endswith(".png") else "jpeg")


def asked_of(name):
    """What models/examples asks about a picture of it, and the true answer."""
    with open(os.path.join(EXAMPLES, "truth.json")) as f:
        return next((t["question"], t["answer"]) for t in json.load(f) if t["file"] == name)


def data_uri(data, kind):
    return "data:image/%s;base64,%s" % (kind, base64.b64encode(data).decode())


def picture(width=64, height=48, kind="png", seed=1):
    """Noise, so that no two seeds look alike, as the bytes of a file."""
    pixels = numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=numpy.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind.upper())
    return file.getvalue()


def png_that_claims(width, height):
    """A PNG whose header is right and claims a size; there is hardly a pixel in it."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b""))


def image(url):
    return {"type": "image_url", "image_url": {"url": url}}


def text(words):
    return {"type": "text", "text": words}


def chat(question, *images, **fields):
    """A chat request: the images, each a data URI, before the question."""
    body = {"model": "moaoff", "temperature": 0, "max_tokens": 96,
            "messages": [{"role": "user", "content": [image(i) for i in images] + [text(question)]}]}
    body.update(fields)
    return body
