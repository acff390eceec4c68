#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keep the trained eye's image tokens of many worlds, so that the language model trains on them cheaply.

usage: cache_eye.py edge|coarse|cloud BUILD_DIR --count N [--seed S]
"""

import argparse
import random

import numpy as np
import torch

import network
import pixels
import scenes
import train_eye
import training

BATCH = 32


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=network.CONFIGS)
    parser.add_argument("build")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    c = network.config(args.name, vocab=32)
    eye = network.VisionLanguageModel(c).vision
    eye.load_state_dict(torch.load(f"{args.build}/{args.name}-eye.pt")["eye"])
    rng = random.Random(f"cache {c.stream} {args.seed}")
    worlds, tokens = [], []
    with torch.no_grad():
        while len(worlds) < args.count:
            some = train_eye.draw_worlds(rng, BATCH, easy=False)
            tokens.append(eye(pixels.normalise(np.stack([pixels.training_view(c, w, rng) for w in some]))).half())
            worlds += some
    kinds = sum(isinstance(w, scenes.Scene) for w in worlds)
    training.save(f"{args.build}/{args.name}-cache.pt", worlds=worlds, tokens=torch.cat(tokens).numpy())
    print(f"{args.name}: {len(worlds)} worlds, {kinds} of them scenes")


if __name__ == "__main__":
    main()
