# SPDX-License-Identifier: Apache-2.0
"""The image features and complexities of the paper, section 3.1.1, in float64 numpy: written from
the definition and not from the C code, so that the two can disagree."""

import numpy as np

LAPLACIAN_P5 = 0.83
LAPLACIAN_P95 = 1875.0


def luma_of_rgb(rgb):
    """(H, W, 3) uint8 to (H, W) uint8."""
    weights = np.array([19595, 38470, 7471], dtype=np.int64)
    return ((rgb.astype(np.int64) @ weights + 32768) >> 16).astype(np.uint8)


def features(luma):
    """(H, W) uint8 to a dict named like the JSON of `moaoff score`."""
    y = luma.astype(np.float64)
    counts = np.bincount(luma.ravel(), minlength=256)
    p = counts[counts > 0] / luma.size
    result = {
        "gradient_mean": 0.0,
        "gradient_p5": 0.0,
        "gradient_p95": 0.0,
        "entropy_nats": float(-(p * np.log(p)).sum()),
        "laplacian_variance": 0.0,
        "edge_fraction": 0.0,
    }
    if min(luma.shape) < 3:
        return result
    row_sum = y[:-2] + 2 * y[1:-1] + y[2:]
    column_sum = y[:, :-2] + 2 * y[:, 1:-1] + y[:, 2:]
    gx = row_sum[:, 2:] - row_sum[:, :-2]
    gy = column_sum[2:] - column_sum[:-2]
    g = np.sqrt(gx * gx + gy * gy)
    inner = y[1:-1, 1:-1]
    laplacian = y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * inner
    result["gradient_mean"] = float(g.mean())
    result["gradient_p5"], result["gradient_p95"] = map(float, np.percentile(g, [5, 95]))
    result["laplacian_variance"] = float(laplacian.var())
    result["edge_fraction"] = float((g > 128).mean())
    return result


def complexity(f, width, height):
    c = {
        "resolution": min(1.0, width * height / 1024**2),
        "edge": (f["gradient_mean"] - f["gradient_p5"])
        / (f["gradient_p95"] - f["gradient_p5"] + 1),
        "entropy": f["entropy_nats"] / np.log(256),
        "sharpness": (f["laplacian_variance"] - LAPLACIAN_P5)
        / (LAPLACIAN_P95 - LAPLACIAN_P5 + 1),
    }
    c = {name: float(np.clip(value, 0, 1)) for name, value in c.items()}
    c["score"] = sum(c.values()) / 4
    return c
