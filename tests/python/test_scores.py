# SPDX-License-Identifier: Apache-2.0
"""The Python package scores what the program scores, to the last digit, and refuses what it refuses in the same words."""
import glob
import io
import json
import os
import pathlib
import struct
import subprocess
import zlib

import moaoff
import numpy
import pandas
import pytest
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MOAOFF = os.path.abspath(os.environ.get("MOAOFF", os.path.join(ROOT, "build", "moaoff")))
FOLDERS = ("bmp", "foreign", "gif", "jpeg", "media", "png", "tga", "webp")
FILES = sorted(path for folder in FOLDERS for path in glob.glob(os.path.join(ROOT, "tests", "fuzz", "corpus", folder, "*")))
JPEG = os.path.join(ROOT, "tests", "fuzz", "corpus", "jpeg", "jpeg-420")


def by_program(*args):
    """What it printed, object by object, and what it said of failures: {name: words}."""
    done = subprocess.run([MOAOFF, "score", "--json", *args], capture_output=True, timeout=120)
    said = dict(line.removeprefix("moaoff score: ").split(": ", 1) for line in done.stderr.decode().splitlines())
    return [json.loads(line) for line in done.stdout.splitlines()], said


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def png_of(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def noise(height, width, seed=1):
    return numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=numpy.uint8)


# ---- equal to the program ----

@pytest.mark.parametrize("fast", [False, True])
def test_every_file_of_the_corpus(fast):
    printed, said = by_program(*(["--fast"] if fast else []), *FILES)
    assert len(printed) > 30 and len(said) > 10
    found = moaoff.score_many(FILES, fast=fast, errors="return")
    scores = [one for one in found if isinstance(one, dict)]
    errors = [one for one in found if not isinstance(one, dict)]
    assert scores == printed
    assert [list(one) for one in scores] == [list(one) for one in printed]  # the order of members, too
    assert {error.path: error.words for error in errors} == said
    assert all(isinstance(error, moaoff.Error) and str(error) == "%s: %s" % (error.path, error.words) for error in errors)


def test_fast_and_notes(tmp_path):
    ramp = (numpy.arange(1200)[:, None, None] * 180 // 1200).astype(numpy.uint8)
    path = tmp_path / "large.jpg"
    Image.fromarray(noise(1200, 1000) // 8 + ramp).save(path, "JPEG")
    (printed,), _ = by_program("--fast", str(path))
    assert moaoff.score(path, fast=True) == printed and printed["features"]["mode"] == "fast"
    assert "mode" not in moaoff.score(path)["features"]
    clear = tmp_path / "clear.png"
    Image.fromarray(numpy.dstack([noise(20, 20), numpy.zeros((20, 20), numpy.uint8)])).save(clear)
    (printed,), _ = by_program(str(clear))
    assert moaoff.score(clear) == printed and printed["features"]["notes"] == ["transparent"]


@pytest.mark.parametrize("held_as", [bytes, bytearray, memoryview, lambda b: numpy.frombuffer(b, numpy.uint8),
                                     lambda b: numpy.array(bytearray(b), numpy.uint8)])
def test_bytes_however_they_are_held(held_as):
    assert moaoff.score(held_as(contents(JPEG))) == {**moaoff.score(JPEG), "path": None}


def test_paths_however_they_are_held():
    assert moaoff.score(pathlib.Path(JPEG)) == moaoff.score(JPEG)


def test_a_name_that_is_no_utf8(tmp_path):
    name = os.path.join(os.fsencode(tmp_path), b"caf\xe9.jpg")
    with open(name, "wb") as file:
        file.write(contents(JPEG))
    assert moaoff.score(os.fsdecode(name))["complexity"] == moaoff.score(JPEG)["complexity"]


@pytest.mark.parametrize("height,width", [(1, 1), (2, 5), (40, 61), (300, 200)])
def test_pixels_are_scored_as_their_png(height, width):
    pixels = noise(height, width)
    by_pixels, by_file = moaoff.score(pixels), moaoff.score(png_of(pixels))
    assert by_pixels["format"] == "rgb" and by_file["format"] == "png"
    for name in ("bits_per_pixel", "bits_per_pixel_normal"):
        assert by_pixels["features"].pop(name) == 8
        by_file["features"].pop(name)
    assert {**by_pixels, "format": ""} == {**by_file, "format": ""}


@pytest.mark.parametrize("text", ["", "What is on the shelf?", "Où est Zoé à 9:30 le 3/4/2025? " * 40, "数字 2025年 東京で $3,500.50", "\U0001f600" * 9])
def test_texts(text):
    (printed,), _ = by_program("--text", text)
    assert moaoff.score_text(text) == moaoff.score_text(text.encode()) == printed


def test_texts_that_are_no_utf8():
    raw = b"caf\xe9 \xff\xfe in Berlin"
    done = subprocess.run([MOAOFF, "score", "--json", "--text", raw], capture_output=True, timeout=60)
    printed = json.loads(done.stdout)
    assert moaoff.score_text(raw) == moaoff.score_text(raw.decode("utf-8", "surrogateescape")) == printed
    assert moaoff.score_text("\ud83d in Berlin")["bytes"] == 13  # half a pair, as JSON may hold
    with pytest.raises(TypeError, match="not bytearray"):
        moaoff.score_text(bytearray(b"x"))


# ---- refused ----

def claiming(width, height):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b""))


@pytest.mark.parametrize("data,code", [
    (b"", "format"), (b"no picture", "format"), (contents(JPEG)[:200], "truncated"), (png_of(noise(40, 40))[:400], "truncated"),
    (claiming(60000, 60000), "limit"), (claiming(70000, 8), "limit"), (claiming(64, 64), "truncated"), (claiming(0, 9), "corrupt")])
def test_what_is_no_picture_is_an_error_in_the_words_of_the_library(tmp_path, data, code):
    path = str(tmp_path / "bad")
    with open(path, "wb") as file:
        file.write(data)
    _, said = by_program(path)
    with pytest.raises(moaoff.Error) as of_bytes:
        moaoff.score(data)
    with pytest.raises(moaoff.Error) as of_path:
        moaoff.score(path)
    assert of_bytes.value.code == of_path.value.code == code
    assert str(of_bytes.value) == of_path.value.words == said[path]
    assert of_path.value.path == path and of_bytes.value.path is None


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        moaoff.score(tmp_path / "none.jpg")
    with pytest.raises(IsADirectoryError):
        moaoff.score(tmp_path)


def test_files_and_texts_above_the_limit(tmp_path):
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.truncate((256 << 20) + 1)
    data = bytes((256 << 20) + 1)
    for call in (lambda: moaoff.score(path), lambda: moaoff.score(data), lambda: moaoff.score_text(data)):
        with pytest.raises(moaoff.Error, match="larger than 256 MiB") as caught:
            call()
        assert caught.value.code == "limit"


@pytest.mark.parametrize("array,error,words", [
    (noise(8, 8).astype(numpy.float32), TypeError, "3 dimensions and format 'f'"),
    (noise(8, 8).astype(numpy.int8), TypeError, "format 'b'"),
    (noise(8, 8)[:, :, 0].copy(), TypeError, "2 dimensions"),
    (numpy.zeros((8, 8, 4), numpy.uint8), TypeError, "height x width x 3"),
    (numpy.zeros(9, numpy.uint16), TypeError, "format 'H'"),
    (numpy.uint8(3), TypeError, "0 dimensions"),
    (noise(8, 8)[::2], ValueError, "not contiguous"),
    (noise(8, 8)[:, :, ::-1], ValueError, "not contiguous"),
    (numpy.asfortranarray(noise(8, 8)), ValueError, "not contiguous"),
    (memoryview(contents(JPEG))[::2], ValueError, "not contiguous"),
    (numpy.zeros((0, 8, 3), numpy.uint8), moaoff.Error, "at least one pixel"),
    (numpy.zeros((1, 65536, 3), numpy.uint8), moaoff.Error, "side is longer"),
    (numpy.broadcast_to(numpy.uint8(0), (65535, 65535, 3)), ValueError, "not contiguous"),
    (None, TypeError, "NoneType"), (3, TypeError, "int")])
def test_arrays_of_another_kind_are_refused_in_words(array, error, words):
    with pytest.raises(error, match=words):
        moaoff.score(array)


# ---- many ----

def test_many_are_in_order_and_alike_on_any_number_of_threads():
    items = (FILES * 3)[:200]
    one = moaoff.score_many(items, jobs=1, errors="return")
    for jobs in (0, 2, 7):
        many = moaoff.score_many(iter(items), jobs=jobs, errors="return")
        assert list(map(str, many)) == list(map(str, one))
    assert moaoff.score_many([]) == []


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_the_first_that_fails_is_raised(jobs):
    items = [JPEG] * 20 + [b"first", "/none"] + [JPEG] * 5
    with pytest.raises(moaoff.Error, match="format"):
        moaoff.score_many(items, jobs=jobs)
    found = moaoff.score_many(items, jobs=jobs, errors="return")
    assert isinstance(found[20], moaoff.Error) and isinstance(found[21], FileNotFoundError)
    assert sum(isinstance(one, dict) for one in found) == 25


def test_options_of_many():
    with pytest.raises(ValueError, match='not "?\'ignore'):
        moaoff.score_many([], errors="ignore")
    for jobs in (-1, 1025):
        with pytest.raises(ValueError, match="from 0 to 1024"):
            moaoff.score_many([], jobs=jobs)


def test_frames():
    frame = pandas.DataFrame({"file": [JPEG, contents(JPEG), b"", None], "words": ["In Berlin?", "", None, 3]}, index=[7, 5, 3, 1])
    found = moaoff.score_frame(frame, "file")
    score = moaoff.score(JPEG)
    assert list(found.index) == [7, 5, 3, 1] and list(found.columns)[-1] == "error"
    assert found["complexity_score"][7] == found["complexity_score"][5] == score["complexity"]["score"]
    assert found["features_gradient_mean"][5] == score["features"]["gradient_mean"]
    assert found["error"][7] is None and "format" in found["error"][3] and "NoneType" in found["error"][1]
    words = moaoff.score_frame(frame, "words", text=True)
    assert words["complexity_entity"][7] == moaoff.score_text("In Berlin?")["complexity"]["entity"]
    assert list(words["error"])[2:] == ["no text", "no text"]
    assert list(moaoff.score_frame(frame[:0], "file").columns) == ["error"]
