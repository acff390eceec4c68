#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Train a vision tower: fresh renderings in, the fixed table of cell contents out.

usage: train_eye.py edge|coarse|cloud BUILD_DIR --steps N [--seed S]     (resumes from BUILD_DIR/<name>-eye.pt)
"""

import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import grid
import network
import pixels
import scenes
import training

BATCH = 8
DOCUMENT_SHARE = 0.3
RATE = {"edge": 2e-3, "coarse": 2e-3, "cloud": 1e-3}
SAVE_EVERY, LOG_EVERY = 250, 100


def draw_worlds(rng, count, easy):
    """easy: few things at first, then any number with a leaning to many."""
    worlds = []
    for _ in range(count):
        d = rng.random() * 0.5 if easy else rng.random() if rng.random() < 0.6 else rng.random() ** 0.5
        document = rng.random() < DOCUMENT_SHARE
        worlds.append(scenes.make_document(rng, d, free_letters=True) if document else scenes.make_scene(rng, d))
    return worlds


class Probe(nn.Module):
    """Throw-away read-out of the multi-hot targets; it sharpens the regression."""

    def __init__(self, c, decode):
        super().__init__()
        self.columns = list(range(grid.AT_PAIR, grid.AT_OFFSET)) + list(range(grid.AT_LETTER, grid.FEATURES))
        self.read = nn.Linear(c.dim, len(self.columns))
        with torch.no_grad():
            weight = decode[:, self.columns].t()
            self.read.weight.copy_(6 * weight / weight.norm(dim=1, keepdim=True))
            self.read.bias.fill_(-3.0)

    def forward(self, tokens):
        return self.read(tokens)


def quality(features, decoded):
    """Share of right colours, shapes, sizes and letters over the cells that hold exactly one thing or letter."""
    out = {}
    single = features[..., : grid.AT_SIZE].sum(-1) == 2
    spans = dict(color=(0, grid.AT_SHAPE), shape=(grid.AT_SHAPE, grid.AT_SIZE), size=(grid.AT_SIZE, grid.AT_PAIR))
    for name, (a, b) in spans.items():
        if single.any():
            hit = decoded[..., a:b].argmax(-1) == features[..., a:b].argmax(-1)
            out[name] = hit[single].float().mean().item()
    if single.any():
        off = slice(grid.AT_OFFSET, grid.AT_EMPTY)
        out["offset"] = (decoded[..., off] - features[..., off])[single].abs().mean().item()
    letter = features[..., grid.AT_LETTER :].sum(-1) == 1
    if letter.any():
        hit = decoded[..., grid.AT_LETTER :].argmax(-1) == features[..., grid.AT_LETTER :].argmax(-1)
        out["letter"] = hit[letter].float().mean().item()
    pair = slice(grid.AT_PAIR, grid.AT_OFFSET)
    p, y = decoded[..., pair] > 0.5, features[..., pair] > 0
    out["f1"] = (2 * (p & y).sum() / (p.sum() + y.sum() + 1e-6)).item()
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=network.CONFIGS)
    parser.add_argument("build")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    c = network.config(args.name, vocab=32)
    torch.manual_seed(args.seed)
    eye = network.VisionLanguageModel(c).vision
    table, decode = grid.make_tables(c)
    probe = Probe(c, decode)
    parameters = list(eye.parameters()) + list(probe.parameters())
    opt = training.optimiser(parameters, RATE[args.name])
    path = f"{args.build}/{args.name}-eye.pt"
    step = 0
    state = training.load_if_there(path)
    if state:
        eye.load_state_dict(state["eye"]), probe.load_state_dict(state["probe"]), opt.load_state_dict(state["opt"])
        step = state["step"]
    log = training.Log(f"{args.build}/{args.name}-eye.log")
    while step < args.steps:
        rng = random.Random(f"eye {c.stream} {args.seed} {step}")
        worlds = draw_worlds(rng, BATCH, easy=step < args.steps * 0.08)
        x = pixels.normalise(np.stack([pixels.training_view(c, w, rng) for w in worlds]))
        features = torch.from_numpy(grid.cell_features(c, worlds))
        tokens = eye(x)
        square = (tokens - features @ table).pow(2).sum() / BATCH
        hot = (features[..., probe.columns] > 0).float()
        cross = F.binary_cross_entropy_with_logits(probe(tokens), hot, reduction="sum") / BATCH
        training.set_rate(opt, training.rate_at(step, args.steps, RATE[args.name]))
        opt.zero_grad(set_to_none=True)
        (0.3 * square + 0.3 * cross).backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        opt.step()
        step += 1
        with torch.no_grad():
            log.note(square=square.item(), cross=cross.item(), **quality(features, tokens @ decode))
        if step % LOG_EVERY == 0:
            log.line(step)
        if step % SAVE_EVERY == 0 or step == args.steps:
            training.save(path, eye=eye.state_dict(), probe=probe.state_dict(), opt=opt.state_dict(), step=step)


if __name__ == "__main__":
    main()
