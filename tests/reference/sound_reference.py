# SPDX-License-Identifier: Apache-2.0
"""Compares `moaoff score --json` of generated WAV files with the formulas of moaoff/sound.h in numpy, and shows that
complexity grows with length and with what the spectrum holds. Usage: sound_reference.py MOAOFF"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np

# encoding: tag, bytes, samples in [-1, 1] to bytes, and what is read back from them
def pcm(bits):
    def write(x):
        top = 2 ** (bits - 1)
        v = np.clip(np.round(x * top), -top, top - 1).astype(np.int64)
        if bits == 8:
            return (v + 128).astype(np.uint8).tobytes(), v / top
        return v.astype("<i8").reshape(-1, 1).view(np.uint8)[:, : bits // 8].tobytes(), v / top
    return write


def floating(kind):
    def write(x):
        v = x.astype(kind)
        return v.tobytes(), np.clip(v.astype(np.float64), -1, 1)
    return write


ENCODINGS = {"u8": (1, 8, pcm(8)), "s16": (1, 16, pcm(16)), "s24": (1, 24, pcm(24)), "s32": (1, 32, pcm(32)),
             "f32": (3, 32, floating("<f4")), "f64": (3, 64, floating("<f8"))}


def wav(x, rate, encoding, extensible=False):
    """`x`: frames x channels. The file, and its samples as a reader sees them."""
    tag, bits, write = ENCODINGS[encoding]
    data, seen = write(x.reshape(-1))
    channels, frame = x.shape[1], x.shape[1] * bits // 8
    head = struct.pack("<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * frame, frame, bits)
    if extensible:
        head += struct.pack("<HHIH14s", 22, bits, 0, tag, b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71")
    chunks = b"fmt " + struct.pack("<I", len(head)) + head + b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks, seen.reshape(x.shape)


def features(x, rate):
    mono, n = x.mean(axis=1), 64
    while n < 4096 and n < 0.016 * rate:
        n *= 2
    blocks = mono[: len(mono) // n * n].reshape(-1, n)
    if not len(blocks):
        return None
    square = (blocks**2).mean(axis=1)
    sounding = blocks[square >= 1e-6]
    if not len(sounding):
        return 1.0, -60.0, -120.0
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    power = (np.abs(np.fft.rfft(sounding * window, axis=1)) ** 2).mean(axis=0) / (n * (window**2).sum())
    k = np.arange(1, n // 2)
    power = np.maximum(power[1 : n // 2][k * rate <= 8000 * n], 1e-12)
    flatness = 10 * np.log10(np.exp(np.log(power).mean()) / power.mean())
    return 1 - len(sounding) / len(blocks), 10 * np.log10((sounding**2).mean()), flatness


def signals(rate):
    rng = np.random.default_rng(20250916)
    t = np.arange(int(0.9 * rate)) / rate
    noise = rng.normal(0, 0.1, len(t))
    yield "silence", np.zeros((len(t), 1))
    yield "noise", noise[:, None]
    yield "tone", 0.5 * np.sin(2 * np.pi * 440 * t)[:, None]
    yield "stereo", np.stack([noise, 0.3 * np.sin(2 * np.pi * 1000 * t)], axis=1)
    yield "opposite", np.stack([noise, -noise], axis=1)  # nothing is left of it in mono
    yield "pauses", (noise * (np.sin(2 * np.pi * 3 * t) > 0))[:, None]
    yield "loud", (30 * noise)[:, None]
    yield "five", rng.uniform(-1, 1, (len(t), 5))
    yield "moment", noise[:30, None]


def score(moaoff, folder, files):
    paths = []
    for name, data in files:
        paths.append(str(folder / (name + ".wav")))
        pathlib.Path(paths[-1]).write_bytes(data)
    out = subprocess.run([moaoff, "score", "--json", *paths], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def compare(moaoff, folder):
    cases = [(f"{rate}-{name}-{e}", *wav(x, rate, e, extensible), rate)
             for rate in (8000, 11025, 16000, 44100, 48000, 192000, 1000)
             for name, x in signals(rate)
             for e, extensible in ([("s16", False)] if rate != 44100 else [(e, e == "s24") for e in ENCODINGS])]
    worst = 0.0
    for (name, data, seen, rate), found in zip(cases, score(moaoff, folder, [c[:2] for c in cases]), strict=True):
        expected = features(seen, rate)
        if expected is None:
            assert found["features"] == {"blocks": 0}, name
            continue
        got = [found["features"][k] for k in ("silence_share", "level_dbfs", "flatness_db")]
        errors = np.abs(np.subtract(got, expected))
        worst = max(worst, errors.max())
        assert (errors < 1e-6).all(), (name, got, expected)
        c = found["complexity"]
        wanted = (np.clip(len(seen) / rate / 60, 0, 1), np.clip((expected[1] + 23.15) / (23.15 - 17.05), 0, 1), 1 - expected[0],
                  np.clip((expected[2] + 18.65) / (18.65 - 6.55), 0, 1) if expected[0] < 1 else 0)
        assert np.allclose([c[k] for k in ("length", "level", "activity", "flatness")], wanted, atol=1e-7), (name, c, wanted)
        assert abs(c["score"] - np.mean(wanted)) < 1e-7, name
    return len(cases), worst


def grows(moaoff, folder, steps, indicator):
    """The feature always, the score wherever its indicator is neither 0 nor 1."""
    found = score(moaoff, folder, steps)
    features = [f["duration_s"] if indicator == "length" else f["features"]["flatness_db"] for f in found]
    scores = [f["complexity"]["score"] for f in found]
    assert all(a < b for a, b in zip(features, features[1:])), features
    assert all(a < b + 1e-5 for a, b in zip(scores, scores[1:])) and scores[-1] > scores[0] + 0.2, scores
    inside = [s for s, f in zip(scores, found) if 0 < f["complexity"][indicator] < 1]
    assert len(inside) >= 3 and all(a < b for a, b in zip(inside, inside[1:])), inside
    return scores


def monotone(moaoff, folder):
    rng, rate = np.random.default_rng(7), 16000
    second = 0.1 * rng.normal(0, 1, (rate, 1)).cumsum(axis=0)
    second *= 0.1 / second.std()
    lengths = grows(moaoff, folder, [(f"length-{n:02}", wav(np.tile(second, (n, 1)), rate, "s16")[0]) for n in (1, 2, 5, 10, 20, 40, 60)], "length")
    # Of one level: a band of noise that reaches up to more and more of the spectrum.
    spectrum = np.fft.rfft(rng.normal(0, 1, 4 * rate))
    bands = []
    for hz in (800, 1600, 2400, 3600, 5000, 6400, 8000):
        x = np.fft.irfft(spectrum * (np.arange(len(spectrum)) < hz * 4)) + rng.normal(0, 0.02, 4 * rate)
        bands.append((f"band-{hz:04}", wav((0.1 * x / x.std())[:, None], rate, "s16")[0]))
    return lengths, grows(moaoff, folder, bands, "flatness")


def main(moaoff):
    with tempfile.TemporaryDirectory() as folder:
        n, worst = compare(moaoff, pathlib.Path(folder))
        lengths, bands = monotone(moaoff, pathlib.Path(folder))
    print(f"{n} recordings; largest difference {worst:.2e}")
    print("by length:", *("%.3f" % s for s in lengths))
    print("by bandwidth:", *("%.3f" % s for s in bands))


main(sys.argv[1])
