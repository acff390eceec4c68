# SPDX-License-Identifier: Apache-2.0
"""What the training stages share: optimiser, schedule, checkpoints, log."""

import json
import os
import time

import torch

torch.set_num_threads(1)
torch.set_flush_denormal(True)

WARMUP_STEPS = 150
DECAY_SHARE = 0.3  # the last share of the steps, in which the rate falls to a hundredth


def optimiser(parameters, rate):
    parameters = list(parameters)
    return torch.optim.AdamW(
        [
            dict(params=[p for p in parameters if p.dim() > 1], weight_decay=0.02),
            dict(params=[p for p in parameters if p.dim() <= 1], weight_decay=0.0),
        ],
        lr=rate,
        betas=(0.9, 0.98),
    )


def rate_at(step, steps, rate):
    """Warm up, hold, fall. Holding lets a run be cut short or prolonged when it is resumed."""
    if step < WARMUP_STEPS:
        return rate * (step + 1) / WARMUP_STEPS
    left = (steps - step) / (DECAY_SHARE * steps)
    return rate * max(0.01, min(1.0, left))


def set_rate(opt, rate):
    for group in opt.param_groups:
        group["lr"] = rate


def save(path, **state):
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)


def load_if_there(path):
    return torch.load(path, map_location="cpu") if os.path.exists(path) else None


class Log:
    """Running means, printed as one JSON line now and then."""

    def __init__(self, path):
        self.file = open(path, "a")
        self.mean = {}
        self.start = time.time()

    def note(self, decay=0.98, **values):
        for k, v in values.items():
            self.mean[k] = decay * self.mean.get(k, v) + (1 - decay) * v

    def line(self, step, **extra):
        record = dict(s=round(time.time() - self.start), step=step, **extra)
        record.update({k: round(v, 3) for k, v in self.mean.items()})
        print(json.dumps(record), file=self.file, flush=True)
