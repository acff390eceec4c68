# SPDX-License-Identifier: Apache-2.0
"""The Qwen2-VL graph exactly as llama.cpp computes it for still images (qwen2vl, qwen2vl_merger)."""

import dataclasses
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

PATCH = 14
CELL = 2 * PATCH  # pixels of a side that become one image token


@dataclasses.dataclass
class Config:
    name: str
    grid: int  # image tokens a side
    # language model
    dim: int
    layers: int
    heads: int
    ffn: int
    # vision tower
    v_dim: int
    v_layers: int
    v_heads: int
    v_ffn: int
    # where training supervises attention (layer numbers of the language model)
    noun_layer: int
    link_layer: int
    answer_layer: int
    option_layer: int
    choice_layer: int
    vocab: int = 0
    rope_base: float = 1000.0
    rope_sections: tuple = (1, 3, 12, 0)
    eps: float = 1e-6
    context: int = 2048

    @property
    def cells(self):
        return self.grid * self.grid

    @property
    def stream(self):
        """What the random streams of this eye's training are called: the shipped cloud model was made when the coarse
        eye was the edge's."""
        return "edge" if self.name == "coarse" else self.name

    @property
    def side_px(self):
        return self.grid * CELL

    @property
    def min_pixels(self):
        """Between n^2 and n^2+1 cells below and above, so that rounding never leaves the grid."""
        return (self.cells - 1) * CELL * CELL

    @property
    def max_pixels(self):
        return (self.cells + max(1, self.cells // 9)) * CELL * CELL


# What makes the edge model quick and more often wrong is its eye: 9 cells for 36, two thin layers for four wide ones.
# The coarse eye ships with neither model: the cloud's language model learns to answer from little with it, and the
# edge's goes on from there.
_LANGUAGE = dict(dim=128, layers=7, heads=4, ffn=256)
_SMALL_EYE = dict(v_dim=64, v_layers=2, v_heads=2, v_ffn=192)
_SUPERVISED = dict(noun_layer=2, link_layer=3, answer_layer=4, option_layer=5, choice_layer=6)
CONFIGS = {
    "edge": Config(name="edge", grid=3, **_SMALL_EYE, **_LANGUAGE, **_SUPERVISED),
    "coarse": Config(name="coarse", grid=2, **_SMALL_EYE, **_LANGUAGE, **_SUPERVISED),
    "cloud": Config(name="cloud", grid=6, v_dim=192, v_layers=4, v_heads=6, v_ffn=768, **_LANGUAGE, **_SUPERVISED),
}


def config(name, vocab):
    return dataclasses.replace(CONFIGS[name], vocab=vocab)


def rotate(x, cos, sin):
    """NEOX rotary pairs (i, i + n/2) of the last dimension."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


class VisionBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c.v_dim
        self.heads = c.v_heads
        self.ln1, self.ln2 = nn.LayerNorm(d, eps=c.eps), nn.LayerNorm(d, eps=c.eps)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.up, self.down = nn.Linear(d, c.v_ffn), nn.Linear(c.v_ffn, d)

    def forward(self, x, cos, sin):
        b, t, d = x.shape
        h = self.ln1(x)
        split = lambda y: y.view(b, t, self.heads, -1).transpose(1, 2)
        q, k, v = rotate(split(self.q(h)), cos, sin), rotate(split(self.k(h)), cos, sin), split(self.v(h))
        a = torch.softmax(q @ k.transpose(-1, -2) * (1 / math.sqrt(q.shape[-1])), -1) @ v
        x = x + self.o(a.transpose(1, 2).reshape(b, t, d))
        u = self.up(self.ln2(x))
        return x + self.down(u * torch.sigmoid(1.702 * u))


class VisionTower(nn.Module):
    """[B,3,S,S] normalised pixels -> [B, cells, dim] image tokens."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        self.patch = nn.Linear(3 * PATCH * PATCH, c.v_dim, bias=False)
        self.blocks = nn.ModuleList(VisionBlock(c) for _ in range(c.v_layers))
        self.post = nn.LayerNorm(c.v_dim, eps=c.eps)
        self.merge0, self.merge2 = nn.Linear(4 * c.v_dim, 4 * c.v_dim), nn.Linear(4 * c.v_dim, c.dim)
        self.register_buffer("angles", self._angles(), persistent=False)

    def _angles(self):
        g, half = self.c.grid, self.c.v_dim // self.c.v_heads // 2
        y, x = torch.meshgrid(torch.arange(2 * g), torch.arange(2 * g), indexing="ij")
        by_block = lambda t: t.reshape(g, 2, g, 2).permute(0, 2, 1, 3).reshape(-1, 1).float()
        frequency = 10000.0 ** (-torch.arange(0, half, 2).float() / half)
        return torch.cat([by_block(y) * frequency, by_block(x) * frequency], -1)

    def forward(self, pixels):
        b, g, p = pixels.shape[0], self.c.grid, PATCH
        x = pixels.view(b, 3, g, 2, p, g, 2, p).permute(0, 2, 5, 3, 6, 1, 4, 7).reshape(b, 4 * g * g, 3 * p * p)
        cos, sin = self.angles.cos(), self.angles.sin()
        x = self.patch(x)
        for block in self.blocks:
            x = block(x, cos, sin)
        x = self.post(x).reshape(b, g * g, 4 * self.c.v_dim)
        return self.merge2(F.gelu(self.merge0(x), approximate="tanh"))


class TextBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c.dim
        self.norm1, self.norm2 = nn.Parameter(torch.ones(d)), nn.Parameter(torch.ones(d))
        self.q, self.k, self.v = (nn.Linear(d, d) for _ in range(3))
        self.o = nn.Linear(d, d, bias=False)
        self.gate, self.up = nn.Linear(d, c.ffn, bias=False), nn.Linear(d, c.ffn, bias=False)
        self.down = nn.Linear(c.ffn, d, bias=False)


class LanguageModel(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed = nn.Embedding(c.vocab, c.dim)
        self.blocks = nn.ModuleList(TextBlock(c) for _ in range(c.layers))
        self.norm = nn.Parameter(torch.ones(c.dim))
        self._causal = {}

    def causal(self, n):
        if n not in self._causal:
            self._causal[n] = torch.full((n, n), -1e9).triu(1)
        return self._causal[n]

    def rotary(self, positions):
        """positions [B,3,T] (t,h,w) -> cos, sin [B,1,T,head/2]"""
        c = self.c
        head = c.dim // c.heads
        frequency = c.rope_base ** (-torch.arange(0, head, 2).float() / head)
        section = torch.repeat_interleave(torch.arange(3), torch.tensor(c.rope_sections[:3]))
        angles = positions.float()[:, section, :].transpose(1, 2) * frequency
        return angles.cos()[:, None], angles.sin()[:, None]

    def forward(self, prefix, segments, positions, prefix_pad=None, on_layer=None, on_attention=None):
        """Many questions after one shared prefix, each as if it were alone.

        prefix [B,P,d]; segments [B,N,S,d]; positions [B,3,P+S]; prefix_pad [B,P] true where
        padded. Segments attend to the prefix and to themselves. Returns [B,N,S,d] after the
        last norm. The hooks see (layer, hidden [B,P+N*S,d]) and (layer, attention of segments).
        """
        c = self.c
        b_, p_, d = prefix.shape
        n_, s_ = segments.shape[1:3]
        heads, head = c.heads, d // c.heads
        cos, sin = self.rotary(torch.cat([positions[:, :, :p_]] + [positions[:, :, p_:]] * n_, 2))
        x = torch.cat([prefix, segments.reshape(b_, n_ * s_, d)], 1)
        pad = None if prefix_pad is None else prefix_pad[:, None, None, :].float() * -1e9
        for i, block in enumerate(self.blocks):
            last = i == len(self.blocks) - 1
            h = rms_norm(x, block.norm1, c.eps)
            split = lambda y: y.view(b_, -1, heads, head).transpose(1, 2)
            q = rotate(split(block.q(h)), cos, sin) / math.sqrt(head)
            k, v = rotate(split(block.k(h)), cos, sin), split(block.v(h))
            qs, ks, vs = (y[:, :, p_:].reshape(b_, heads, n_, s_, head) for y in (q, k, v))
            kp, vp = k[:, :, :p_], v[:, :, :p_]
            cross = q[:, :, p_:] @ kp.transpose(-1, -2)
            if pad is not None:
                cross = cross + pad
            own = (qs @ ks.transpose(-1, -2) + self.causal(s_)).reshape(b_, heads, n_ * s_, s_)
            a = torch.softmax(torch.cat([cross, own], -1), -1)
            if on_attention is not None:
                on_attention(i, a)
            o = a[..., :p_] @ vp + (a[..., p_:].reshape(b_, heads, n_, s_, s_) @ vs).reshape(b_, heads, n_ * s_, head)
            if last:
                x = x[:, p_:]
            else:
                a0 = q[:, :, :p_] @ kp.transpose(-1, -2) + self.causal(p_)
                if pad is not None:
                    a0 = a0 + pad
                o = torch.cat([torch.softmax(a0, -1) @ vp, o], 2)
            x = x + block.o(o.transpose(1, 2).reshape(b_, -1, d))
            h = rms_norm(x, block.norm2, c.eps)
            x = x + block.down(F.silu(block.gate(h)) * block.up(h))
            if on_layer is not None:
                on_layer(i, x)
        return rms_norm(x, self.norm, c.eps).view(b_, n_, s_, d)

    def logits(self, hidden):
        return hidden @ self.embed.weight.t()


def _smooth_filters(count):
    """Low-frequency cosine patterns of a 14x14 colour patch: a start that already sees shapes."""
    t = (torch.arange(PATCH).float() + 0.5) / PATCH * math.pi
    order = sorted(((u + v, u, v) for u in range(PATCH) for v in range(PATCH)))
    color = torch.tensor([[1.0, 1, 1], [1, -1, 0], [1, 1, -2]])
    filters = []
    for _, u, v in order:
        wave = torch.outer(torch.cos(u * t), torch.cos(v * t))
        for k in color:
            f = (k[:, None, None] * wave).reshape(-1)
            filters.append(f / f.norm())
    return torch.stack(filters[:count])


class VisionLanguageModel(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.vision = VisionTower(c)
        self.language = LanguageModel(c)
        self._initialise()

    def _initialise(self):
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.08 if "embed" in name else 0.8 / math.sqrt(p.shape[1]))
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        with torch.no_grad():
            for block in self.language.blocks:
                for w in (block.o, block.down):
                    w.weight /= math.sqrt(2 * self.c.layers)
            for block in self.vision.blocks:
                for w in (block.o, block.down):
                    w.weight /= math.sqrt(2 * self.c.v_layers)
            self.vision.patch.weight.copy_(_smooth_filters(self.c.v_dim) * 0.5)
            self.vision.merge2.weight *= 0.4

    def embed_prompt(self, ids, image_pad=None, pixels=None):
        """One prompt as llama.cpp lays it out -> embeddings [1,T,d], positions [1,3,T], next position."""
        rows, positions, at = [], [], 0
        for token in ids:
            if pixels is not None and token == image_pad:
                rows.append(self.vision(pixels)[0])
                g = self.c.grid
                positions += [(at, at + y, at + x) for y in range(g) for x in range(g)]
                at += g
            else:
                rows.append(self.language.embed.weight[token][None])
                positions.append((at, at, at))
                at += 1
        return torch.cat(rows)[None], torch.tensor(positions).t()[None], at

    @torch.no_grad()
    def generate(self, ids, stop, image_pad=None, pixels=None, limit=96):
        """Greedy answer -> token ids (with the stop token), log-probabilities at each step."""
        x, positions, at = self.embed_prompt(ids, image_pad, pixels)
        out, steps = [], []
        for _ in range(limit):
            empty = x[:, :0]
            h = self.language(empty, x[:, None], positions)[0, 0, -1]
            logp = torch.log_softmax(self.language.logits(h), -1)
            token = int(logp.argmax())
            out.append(token)
            steps.append(logp)
            if token == stop:
                break
            x = torch.cat([x, self.language.embed.weight[token][None, None]], 1)
            positions = torch.cat([positions, torch.full((1, 3, 1), at)], 2)
            at += 1
        return out, steps
