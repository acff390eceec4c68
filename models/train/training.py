# SPDX-License-Identifier: Apache-2.0
"""What the training stages share: optimiser, schedule, checkpoints, log."""

import json
import multiprocessing
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


class Team:
    """Processes that train the same model on different batches and meet every few steps to average
    weights and optimiser moments. The caller's process is member 0; the others are forked here.
    """

    MEET_EVERY = 20
    PATIENCE_SECONDS = 900

    def __init__(self, size, opt):
        self.opt = opt
        self.parameters = [p for group in opt.param_groups for p in group["params"]]
        self.count = sum(p.numel() for p in self.parameters)
        self.size, self.member = size, 0
        if size > 1:
            self.board = torch.zeros(size, 3 * self.count + 1).share_memory_()
            self.barrier = multiprocessing.get_context("fork").Barrier(size)
            for member in range(1, size):
                if os.fork() == 0:
                    self.member = member
                    break

    def _flat(self, kind):
        empty = lambda p: torch.zeros(p.numel())
        return torch.cat([self.opt.state[p][kind].reshape(-1) if self.opt.state[p] else empty(p) for p in self.parameters])

    def meet(self, step, level):
        """Average, when it is time to. -> the highest level a member has reached."""
        if self.size == 1 or step % self.MEET_EVERY:
            return level
        weights = torch.cat([p.detach().reshape(-1) for p in self.parameters])
        mine = [weights, self._flat("exp_avg"), self._flat("exp_avg_sq"), torch.tensor([float(level)])]
        torch.cat(mine, out=self.board[self.member])
        self.barrier.wait(self.PATIENCE_SECONDS)
        mean, level = self.board.mean(0), int(self.board[:, -1].max())
        self.barrier.wait(self.PATIENCE_SECONDS)
        at = 0
        with torch.no_grad():
            for p in self.parameters:
                n, state = p.numel(), self.opt.state[p]
                p.copy_(mean[at : at + n].view_as(p))
                for i, kind in ((1, "exp_avg"), (2, "exp_avg_sq")):
                    if state:
                        state[kind].copy_(mean[i * self.count + at : i * self.count + at + n].view_as(p))
                at += n
        return level
