# SPDX-License-Identifier: Apache-2.0
"""What the language model is asked next: modes (image, text, choice, describe), kinds, difficulty.

Kinds are drawn by how often they still go wrong; levels open one after another.
"""

import random

import numpy as np
import torch

import batches
import grid
import prompts
import questions
import scenes

SCENES_PER_STEP = 8
DOCUMENT_SHARES = (0.15, 0.45)  # of the worlds: when reading goes well, when it does not yet
SIMPLE = [k for k, level in questions.LEVEL.items() if level <= 3 and questions.KINDS[k] not in questions.DOCUMENT_KINDS]
DEEP = [k for k, level in questions.LEVEL.items() if level == 4]
READ = [f.__name__ for f in questions.DOCUMENT_KINDS]
# mode: questions a scene, share of the steps once everything is open
MODES = {
    "image": (4, 0.22),
    "deep": (3, 0.09),
    "choice": (2, 0.20),
    "describe": (1, 0.18),
    "text": (4, 0.10),
    "text deep": (3, 0.08),
    "text choice": (2, 0.13),
}
COARSE_SHARE = 0.3  # of the steps with images that both eyes see: seen with the coarse one
LEVEL_STEPS = 1500  # the next level opens after so many steps at the latest
LEVEL_SCORES = {1: 0.85, 2: 0.8, 3: 0.75, 4: 0.85}  # or as soon as its kinds are answered this well
OPEN_MODES = {  # what a level adds to the short questions about images: the last two are the chained ones
    1: ["image"],
    2: ["image", "text"],
    3: ["image", "text", "describe"],
    4: ["image", "text", "describe", "choice", "text choice"],
    5: list(MODES),
}
LAST_LEVEL = 5


class Curriculum:
    def __init__(self, configs, en, table, caches, state=None):
        """configs: by name. caches: by name, what each trained eye sees."""
        self.configs, self.en, self.table, self.caches = configs, en, table, caches
        self.own = "edge" if "edge" in caches else "cloud"  # the eye whose answers say what is asked next
        self.c = configs[self.own]  # the eye of the current step
        self.level, self.opened = 1, 0  # and the step at which it opened
        self.score = {}  # running share of right answers by (mode, kind)
        if state:
            self.level, self.opened, self.score = state["level"], state["opened"], state["score"]

    def state(self):
        return dict(level=self.level, opened=self.opened, score=self.score)

    def note(self, mode, kinds, right):
        if self.c.name != self.own and not mode.startswith("text"):
            return
        for row, hits in zip(kinds, right):
            for kind, hit in zip(row, hits):
                key = ("image" if mode == "deep" else mode, kind)
                self.score[key] = self.score.get(key, 0.2) + 0.01 * (float(hit) - self.score.get(key, 0.2))

    def advance(self, step):
        if self.level < LAST_LEVEL:
            now = [self.score.get(("image", k), 0) for k in SIMPLE if questions.LEVEL[k] == min(3, self.level)]
            if np.mean(now) > LEVEL_SCORES[self.level] or step - self.opened > LEVEL_STEPS:
                self.open(self.level + 1, step)

    def open(self, level, step):
        if level > self.level:
            self.level, self.opened = level, step

    def mean(self, mode, kinds):
        return float(np.mean([self.score.get((mode, k), 0.2) for k in kinds]))

    def _mode(self, rng):
        modes = OPEN_MODES[self.level]
        return rng.choices(modes, [MODES[m][1] for m in modes])[0]

    def _kinds(self, mode, world, rng, count):
        if isinstance(world, scenes.Document):
            pool = READ
        elif "deep" in mode:
            pool = DEEP
        elif "choice" in mode:
            pool = [k for k in prompts.CHOICE_KINDS if k not in READ]
        else:
            pool = [k for k in SIMPLE if questions.LEVEL[k] <= self.level]
        if "choice" in mode:
            pool = [k for k in pool if k in prompts.CHOICE_KINDS]
        name = "image" if mode == "deep" else mode
        weights = [0.12 + 1 - self.score.get((name, k), 0.2) for k in pool]
        return rng.choices(pool, weights, k=count)

    def _style(self, rng):
        """What the questions of a step have in common, so that they are about equally long."""
        return dict(
            plain=rng.random() < 0.3,
            choice=rng.random() < 0.3,
            form=0 if rng.random() < 0.6 else 1,
            hint="Look closely." if rng.random() < 0.1 else "",
            ending=rng.choice(prompts.SHORT) if self.level >= 3 and rng.random() < 0.25 else "",
        )

    def _question(self, mode, world, kind, rng, style):
        if mode == "describe":
            if style["plain"]:
                return prompts.describe_plainly(world, rng, self.c.grid)
            pool = READ if isinstance(world, scenes.Document) else SIMPLE + DEEP
            q = questions.make_any(rng.choices(pool, k=3), world, rng)
            q = self._as_choice(q, rng, style) if style["choice"] else prompts.ask_short(q, style["ending"])
            return prompts.perceive(world, q.text, self.c.grid)
        fall_back = READ if isinstance(world, scenes.Document) else ["count_all", "has_pair"]
        q = questions.make_any([kind] + rng.sample(fall_back, 2), world, rng)
        return self._as_choice(q, rng, style) if "choice" in mode else prompts.ask_short(q, style["ending"])

    def _as_choice(self, q, rng, style):
        if q.kind not in prompts.CHOICE_KINDS:
            return q
        return prompts.multiple_choice(q, prompts.options_for(q, rng), style["form"], style["hint"])

    def _before(self, rng):
        """Token ids up to the image: usually just the user's turn, sometimes a system message."""
        if self.level < 3 or rng.random() > 0.15:
            return self.en.user
        if rng.random() < 0.4:
            return self.en.system(rng.choice(prompts.SYSTEM))
        words = [w for text in prompts.SYSTEM + prompts.DESCRIBE for w in text.split()]
        return self.en.system(" ".join(rng.choice(words) for _ in range(rng.randint(2, 20))))

    def _earlier_turn(self, world, rng):
        pool = READ if isinstance(world, scenes.Document) else SIMPLE
        q = questions.make_any(rng.choices(pool, k=2), world, rng)
        return self.en.text(q.text)[0], self.en.text(q.answer)[0]

    def _documents(self, rng, mode):
        """Which worlds of a step are documents."""
        if self.level < 3 or "deep" in mode:
            return [False] * SCENES_PER_STEP
        low, high = DOCUMENT_SHARES
        share = high - (high - low) * self.mean("image", READ)
        return [rng.random() < share for _ in range(SCENES_PER_STEP)]

    def _fresh_worlds(self, rng, mode):
        top = {1: 0.4, 2: 0.7}.get(self.level, 1.0)
        out = []
        for document in self._documents(rng, mode):
            d = rng.random() * top
            out.append(scenes.make_document(rng, d, rng.random() < 0.5) if document else scenes.make_scene(rng, d))
        return out

    def _image_tokens(self, rng, mode):
        """Worlds and their image tokens: from the trained eye if it has been cached, else from the table."""
        cache = self.caches.get(self.c.name)
        if cache and rng.random() < 0.9:
            picked = [rng.choice(cache.pools[document]) for document in self._documents(rng, mode)]
            return [cache.worlds[i] for i in picked], torch.from_numpy(cache.tokens[picked]).float()
        worlds = self._fresh_worlds(rng, mode)
        features = grid.cell_features(self.c, worlds)
        noise = np.random.default_rng(rng.randrange(1 << 30))
        if self.level >= 3:
            features = grid.blur(features, noise, 0.12)
        tokens = torch.from_numpy(features) @ self.table
        if self.level >= 3:
            tokens = tokens + torch.from_numpy(noise.normal(0, 0.03, tokens.shape).astype(np.float32))
        return worlds, tokens

    def draw(self, rng):
        """-> mode, batch, image tokens or None"""
        mode = self._mode(rng)
        before = self._before(rng)
        coarse = "coarse" in self.caches and rng.random() < COARSE_SHARE
        self.c = self.configs["coarse" if coarse else self.own]
        if mode.startswith("text"):
            worlds, tokens = self._fresh_worlds(rng, mode), None
            told = [questions.describe(w, self.c.grid, rng if rng.random() < 0.5 else None) for w in worlds]
            prefixes = [batches.text_prefix(self.en, before, *t) for t in told]
        else:
            worlds, tokens = self._image_tokens(rng, mode)
            follow_up = self.level >= 4 and rng.random() < 0.1
            earlier = [self._earlier_turn(w, rng) if follow_up else None for w in worlds]
            prefixes = [batches.image_prefix(self.c, self.en, w, before, e) for w, e in zip(worlds, earlier)]
        count, style = MODES[mode][0], self._style(rng)
        rows = [[self._question(mode, w, k, rng, style) for k in self._kinds(mode, w, rng, count)] for w in worlds]
        return mode, batches.assemble(self.c, self.en, worlds, prefixes, rows), tokens


def step_random(seed, step, member):
    return random.Random(f"language {seed} {step} {member}")
