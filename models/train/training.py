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
    """Processes that train the same model on different batches and meet every few steps to average weights
    and the optimiser's state, after which they differ in nothing but what they drew. The caller's process
    is member 0; the others are forked here.
    """

    MEET_EVERY = 20
    PATIENCE_SECONDS = 900

    def __init__(self, size, opt):
        self.opt = opt
        self.parameters = [p for group in opt.param_groups for p in group["params"]]
        self.size, self.member = size, 0
        if size > 1:
            count = sum(p.numel() for p in self.parameters)
            fork = multiprocessing.get_context("fork")
            self.board = torch.zeros(size, 3 * count + len(self.parameters) + 1).share_memory_()
            self.barrier, self.post = fork.Barrier(size), fork.Queue()
            for member in range(1, size):
                if os.fork() == 0:
                    self.member = member
                    break

    def _mine(self, p):
        """What is averaged of a parameter: itself, both moments, how often it was updated."""
        state = self.opt.state[p] or dict(exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p), step=torch.zeros(1))
        return [t.detach().reshape(-1) for t in (p, state["exp_avg"], state["exp_avg_sq"], state["step"])]

    def meet(self, step, level):
        """Average, when it is time to. -> the highest level a member has reached."""
        if self.size == 1 or step % self.MEET_EVERY:
            return level
        mine = [t for p in self.parameters for t in self._mine(p)]
        torch.cat([*mine, torch.tensor([float(level)])], out=self.board[self.member])
        self.barrier.wait(self.PATIENCE_SECONDS)
        mean, level = self.board.mean(0), int(self.board[:, -1].max())
        self.barrier.wait(self.PATIENCE_SECONDS)
        means = mean[:-1].split([len(t) for t in mine])
        with torch.no_grad():
            for i, p in enumerate(self.parameters):
                weight, first, second, updates = means[4 * i : 4 * i + 4]
                p.copy_(weight.view_as(p))
                if updates > 0:
                    moments = dict(exp_avg=first.reshape(p.shape).clone(), exp_avg_sq=second.reshape(p.shape).clone())
                    self.opt.state[p] = dict(moments, step=updates.reshape(()).clone())
        return level

    def gather(self, thing):
        """-> on member 0 the thing of every member, by member; None on the others"""
        if self.member:
            self.post.put((self.member, thing))
            return None
        others = [self.post.get(timeout=self.PATIENCE_SECONDS) for _ in range(1, self.size)]
        return dict([(0, thing), *others])
