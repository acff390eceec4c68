#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Train a language model, on table tokens and descriptions and on what the trained eyes see.

usage: train_language.py BUILD_DIR --steps N [--until N] [--eyes NAME...] [--seed S] [--workers W] [--start DIR]
Goes on from BUILD_DIR/language.pt as if it had never stopped; of each eye named it uses BUILD_DIR/NAME-cache.pt.
With the edge's eye it is the edge's language model, which starts as that of DIR/cloud.gguf and goes on from
BUILD_DIR/edge-language.pt.

Besides the answers it supervises, in training only, where attention goes (noun phrases to the things
they mean, answers to the things that decide them, options to the question) and what is known there.
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

import batches
import curriculum
import export
import grid
import network
import scenes
import tokenizer
import training

RATE = 1.8e-3
ATTENTION_WEIGHT, PROBE_WEIGHT = 0.4, 0.1
SAVE_EVERY, LOG_EVERY = 500, 100  # steps; saved where the team meets
COUNTING_HEAD, LINK_HEAD, CHOICE_HEAD, READING_HEAD = 0, 1, 2, 3


class Cache:
    """Outputs of the trained eye for rendered worlds."""

    def __init__(self, path):
        state = torch.load(path)
        self.worlds, self.tokens = state["worlds"], state["tokens"]
        document = [isinstance(w, scenes.Document) for w in self.worlds]
        self.pools = {kind: [i for i, d in enumerate(document) if d == kind] for kind in (False, True)}


class Probes(nn.Module):
    """Throw-away read-outs of what a hidden state should know."""

    def __init__(self, c):
        super().__init__()
        self.place = nn.ModuleList(nn.Linear(c.dim, 2 * c.grid) for _ in range(2))
        self.thing = nn.Linear(c.dim, grid.AT_PAIR)
        self.noun = nn.Linear(c.dim, 2 + scenes.MAX_THINGS + 8)
        self.difference = nn.Linear(c.dim, 2)


class Hooks:
    """Collects the training-only losses while the model runs."""

    def __init__(self, c, model, probes, batch):
        self.c, self.model, self.probes, self.batch, self.sup = c, model, probes, batch, batch.supervision
        self.by_cloud = batch.image_at is not None and c.name == "cloud"
        self.width = batch.prefix_ids.shape[1]
        self.attention, self.probe, self.figures = [], [], {}

    def _toward_keys(self, a, entries, name):
        if entries:
            row, at = torch.tensor([e[0] for e in entries]), torch.tensor([e[1] for e in entries])
            for head, sink in ((COUNTING_HEAD, batches.COUNTING_SINK), (READING_HEAD, batches.READING_SINK)):
                p = a[row, head, at, : self.width]
                t = batches.key_targets(entries, self.batch.prefixes, self.width, sink)
                loss = (t * (torch.log(t + 1e-9) - torch.log(p + 1e-6))).sum(1).mean()
                self.attention.append(loss)
                self.figures[name + " read" * (head == READING_HEAD)] = loss.item()

    def _toward_token(self, a, links, head, name):
        if links:
            row, at, to = (torch.tensor(v) for v in zip(*links))
            p = a[row, head, at, self.width + to]
            loss = -torch.log(p + 1e-5).mean()
            self.attention.append(loss * min(1.0, len(links) / 20))
            self.figures[name] = loss.item()

    def on_attention(self, layer, a):
        c, s = self.c, self.sup
        if layer == c.noun_layer:
            self._toward_keys(a, s.noun, "noun")
            self._toward_token(a, s.to_letter, LINK_HEAD, "letter")
        if layer == c.link_layer:
            self._toward_token(a, s.to_first, LINK_HEAD, "first")
            self._toward_token(a, s.to_direction, CHOICE_HEAD, "direction")
        if layer == c.answer_layer:
            self._toward_keys(a, s.final, "final")
            self._toward_token(a, s.to_second, LINK_HEAD, "second")
        if layer == c.option_layer:
            self._toward_token(a, s.to_ask, CHOICE_HEAD, "ask")
        if layer == c.choice_layer:
            self._toward_token(a, s.to_choice, CHOICE_HEAD, "pick")

    def _at(self, hidden, entries):
        return hidden[torch.tensor([e[0] for e in entries]), self.width + torch.tensor([e[1] for e in entries])]

    def _place_of_cells(self, layer, hidden):
        g, at = self.c.grid, self.batch.image_at
        z = self.probes.place[layer](hidden[:, at : at + g * g])
        y = torch.arange(g).repeat_interleave(g).repeat(len(z))
        x = torch.arange(g).repeat(g).repeat(len(z))
        z = z.reshape(-1, 2 * g)
        self.probe.append(F.cross_entropy(z[:, :g], y) + F.cross_entropy(z[:, g:], x))

    def _words_of_things(self, hidden):
        rows, at, wanted = [], [], []
        for row, (world, prefix) in enumerate(zip(self.batch.worlds, self.batch.prefixes)):
            for o in getattr(world, "things", []):
                rows.append(row), at.append(prefix.keys[id(o)])
                wanted.append(
                    (scenes.COLOR_NAMES.index(o.color), scenes.SHAPES.index(o.shape), scenes.SIZES.index(o.size))
                )
        if rows:
            z, t = self.probes.thing(hidden[torch.tensor(rows), torch.tensor(at)]), torch.tensor(wanted)
            spans = ((0, grid.AT_SHAPE), (grid.AT_SHAPE, grid.AT_SIZE), (grid.AT_SIZE, grid.AT_PAIR))
            self.probe.append(sum(F.cross_entropy(z[:, a:b], t[:, i]) for i, (a, b) in enumerate(spans)))

    def _meaning_of_nouns(self, hidden):
        z = self.probes.noun(self._at(hidden, self.sup.noun))
        count = torch.tensor([m[0] for m in self.sup.noun_meaning])
        place = torch.tensor([m[1:] for m in self.sup.noun_meaning])
        self.attention.append(0.5 * F.cross_entropy(z[:, 2:], count.clamp(max=z.shape[1] - 3)))
        some = count > 0
        if some.any():
            self.attention.append(2 * (z[some, :2] - (place[some] - 0.5) * 2).pow(2).mean())

    def on_layer(self, layer, hidden):
        c = self.c
        if layer < 2 and self.by_cloud:
            self._place_of_cells(layer, hidden)
        if layer == c.noun_layer - 1 and self.batch.image_at is None:
            self._words_of_things(hidden)
        if layer == c.noun_layer and self.sup.noun:
            self._meaning_of_nouns(hidden)
        if layer == c.link_layer and self.sup.difference:
            z = self.probes.difference(self._at(hidden, self.sup.difference))
            t = torch.tensor([e[2:] for e in self.sup.difference])
            loss = (z - 2 * t).pow(2).mean()
            self.attention.append(loss)
            self.figures["difference"] = loss.item()
        if layer == c.answer_layer and self.sup.early:
            self._token_known(hidden, self.sup.early, "early")
        if layer == c.option_layer and self.sup.carried:
            self._token_known(hidden, self.sup.carried, "carried")

    def _token_known(self, hidden, entries, name):
        h = network.rms_norm(self._at(hidden, entries), self.model.norm, self.c.eps)
        loss = F.cross_entropy(self.model.logits(h), torch.tensor([e[2] for e in entries]))
        self.attention.append(loss)
        self.figures[name] = loss.item()


def embed(c, model, batch, tokens):
    """-> prefix and segments as the first layer takes them"""
    x = model.embed(batch.prefix_ids)
    if tokens is not None:
        at = batch.image_at
        x = torch.cat([x[:, :at], tokens, x[:, at + c.cells :]], 1)
    return x, model.embed(batch.ids)


def step_loss(c, model, probes, batch, prefix, segments):
    """-> loss to train on, loss of the answers, which answers are right, figures for the log"""
    hooks = Hooks(c, model, probes, batch)
    y = model(prefix, segments, batch.positions, batch.prefix_pad, hooks.on_layer, hooks.on_attention)
    asked = batch.labels >= 0
    logits = model.logits(y[asked])
    weight = batch.weights[asked]
    loss = (F.cross_entropy(logits, batch.labels[asked], reduction="none") * weight).sum() / weight.sum()
    with torch.no_grad():
        right = torch.ones_like(batch.labels, dtype=torch.bool)
        right[asked] = logits.argmax(-1) == batch.labels[asked]
    total = loss + ATTENTION_WEIGHT * sum(hooks.attention) + PROBE_WEIGHT * sum(hooks.probe)
    return total, loss.item(), right.all(-1), hooks.figures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--steps", type=int, required=True, help="of the whole training: the rate falls toward them")
    parser.add_argument("--until", type=int, help="stop after this step; default: after the last")
    parser.add_argument("--eyes", nargs="*", default=[], choices=network.CONFIGS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--workers", type=int, default=1, help="processes that train together")
    parser.add_argument("--start", help="folder of the cloud model whose language model is where this one starts")
    parser.add_argument("--open", action="store_true", help="ask everything from the first step (for quick checks)")
    args = parser.parse_args()

    tk = tokenizer.Tokenizer.load(f"{args.build}/merges.json")
    en = batches.Encoder(tk)
    configs = {name: network.config(name, len(tk.tokens)) for name in network.CONFIGS}
    c = configs["cloud"]
    torch.manual_seed(args.seed)
    model = network.VisionLanguageModel(c).language
    probes = Probes(c)
    parameters = list(model.parameters()) + list(probes.parameters())
    opt = training.optimiser(parameters, args.rate)
    path, step, curricula = export.language_path("edge" if "edge" in args.eyes else "cloud", args.build), 0, {}
    state = training.load_if_there(path)
    if args.start and not state:
        model.load_state_dict(export.load_pair("cloud", args.start)[0].language.state_dict())
    if state:
        model.load_state_dict(state["language"]), probes.load_state_dict(state["probes"])
        opt.load_state_dict(state["opt"])
        step, curricula = state["step"], state["curricula"]
    until = min(args.until or args.steps, args.steps)
    caches = {name: Cache(f"{args.build}/{name}-cache.pt") for name in args.eyes}
    team = training.Team(args.workers, opt)
    lessons = curriculum.Curriculum(configs, en, grid.make_tables(c)[0], caches, curricula.get(team.member))
    if args.open:
        lessons.open(curriculum.LAST_LEVEL, 0)
    log = training.Log(f"{path.removesuffix('.pt')}{team.member or ''}.log")
    while step < until:
        mode, batch, tokens = lessons.draw(curriculum.step_random(args.seed, step, team.member))
        loss, answers, right, figures = step_loss(lessons.c, model, probes, batch, *embed(lessons.c, model, batch, tokens))
        training.set_rate(opt, training.rate_at(step, args.steps, args.rate))
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        opt.step()
        step += 1
        lessons.note(mode, batch.kinds, right.tolist())
        lessons.advance(step)
        lessons.open(team.meet(step, lessons.level), step)
        log.note(**{f"L {mode} {lessons.c.name}" if tokens is not None else "L " + mode: answers, **figures})
        if step % LOG_EVERY == 0:
            scores = {f"{m} {k}": round(v, 2) for (m, k), v in sorted(lessons.score.items())}
            log.line(step, level=lessons.level, eyes=sorted(lessons.caches), **scores)
        if step % SAVE_EVERY == 0 or step == until:
            curricula = team.gather(lessons.state())
            if team.member == 0:
                training.save(
                    path,
                    language=model.state_dict(),
                    probes=probes.state_dict(),
                    opt=opt.state_dict(),
                    step=step,
                    curricula=curricula,
                )


if __name__ == "__main__":
    main()
