#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Train the top layers of the language model alone, on kept states of the layers below.

usage: train_top.py BUILD_DIR --batches N --steps N [--seed S] [--workers W]
A step costs less than half of a whole one, so what only the top layers have to learn (picking an option,
spelling what has been found) is learned cheaply. Continues BUILD_DIR/language.pt and writes it back.
"""

import argparse
import random

import torch
import torch.nn as nn

import batches
import curriculum
import grid
import network
import tokenizer
import train_language
import training

RATE = 1.5e-3
MODE_SHARES = dict(zip(curriculum.MODES, (0.20, 0.07, 0.26, 0.17, 0.09, 0.06, 0.15)))


def keep_states(model, lessons, first, count, seed):
    """-> [(config, mode, batch, hidden states below the first trained layer)]"""
    kept = []
    lessons.mode_shares = MODE_SHARES
    for i in range(count):
        mode, batch, tokens = lessons.draw(random.Random(f"top {seed} {i}"))
        prefix, segments = train_language.embed(lessons.c, model, batch, tokens)
        x = model(prefix, segments, batch.positions, batch.prefix_pad, until=first)
        kept.append((lessons.c, mode, batch, x.half()))
    return kept


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--batches", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that train together")
    args = parser.parse_args()
    tk = tokenizer.Tokenizer.load(f"{args.build}/merges.json")
    configs = {name: network.config(name, len(tk.tokens)) for name in network.CONFIGS}
    c, path = configs["cloud"], f"{args.build}/language.pt"
    model, probes = network.VisionLanguageModel(c).language, train_language.Probes(c)
    state = torch.load(path)
    model.load_state_dict(state["language"]), probes.load_state_dict(state["probes"])
    lessons = curriculum.Curriculum(configs, batches.Encoder(tk), grid.make_tables(c)[0], state["curriculum"])
    lessons.open(curriculum.LAST_LEVEL, state["step"])
    lessons.caches = {name: train_language.Cache(f"{args.build}/{name}-cache.pt") for name in configs}
    first = c.answer_layer
    parameters = [p for block in model.blocks[first:] for p in block.parameters()] + [model.norm]
    opt = training.optimiser(parameters, RATE)
    team = training.Team(args.workers, opt)
    name = f"{args.seed} {team.member}"
    with torch.no_grad():
        kept = keep_states(model, lessons, first, args.batches, name)
    log, rng = training.Log(f"{args.build}/top{team.member or ''}.log"), random.Random(f"top {name}")
    for step in range(args.steps):
        config, mode, batch, x = rng.choice(kept)
        b, n, s = batch.ids.shape
        prefix, segments = x[:, : -n * s].float(), x[:, -n * s :].float().view(b, n, s, -1)
        loss, answers, right, figures = train_language.step_loss(config, model, probes, batch, prefix, segments, first)
        training.set_rate(opt, training.rate_at(step, args.steps, RATE))
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        opt.step()
        team.meet(step + 1, lessons.level)
        log.note(**{"L " + mode: answers, "right " + mode: right.float().mean().item(), **figures})
        if (step + 1) % 50 == 0:
            log.line(step + 1)
        if team.member == 0 and ((step + 1) % 100 == 0 or step + 1 == args.steps):
            state.update(language=model.state_dict(), curriculum=lessons.state())
            training.save(path, **state)


if __name__ == "__main__":
    main()
