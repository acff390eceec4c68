# SPDX-License-Identifier: Apache-2.0
"""From an image to what the vision tower sees, as llama.cpp's qwen2vl preprocessing does it."""

import io

import numpy as np
import torch
from PIL import Image

import scenes


def to_grid(c, image):
    """Square images only: every one lands on the same grid (the pixel limits in the mmproj see to it)."""
    if image.size != (c.side_px, c.side_px):
        image = image.resize((c.side_px, c.side_px), Image.BICUBIC)
    return np.array(image.convert("RGB"))


def normalise(stack):
    """uint8 [B,H,W,3] -> float [B,3,H,W] in -1..1"""
    return (torch.from_numpy(np.ascontiguousarray(stack)).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5


def through_jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def training_view(c, world, rng):
    """A rendering with the variations that requests have: size, JPEG, brightness."""
    image = scenes.render(world)
    if rng.random() < 0.3:
        image = through_jpeg(image, rng.randint(58, 95))
    view = to_grid(c, image)
    if rng.random() < 0.5:
        gain, shift = rng.uniform(0.93, 1.07), rng.uniform(-6, 6)
        view = np.clip(view * gain + shift, 0, 255).astype(np.uint8)
    return view
