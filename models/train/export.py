#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Between PyTorch weights and the GGUF pair that llama.cpp loads.

usage: export.py edge|cloud BUILD_DIR OUT_DIR [--type f16|f32|q8_0]
"""

import argparse

import torch

import gguf
import network
import tokenizer
import training

TYPES = {"f32": (gguf.F32, 0), "f16": (gguf.F16, 1), "q8_0": (gguf.Q8_0, 7)}  # tensor type, general.file_type
ARCH, VISION = "qwen2vl", "clip.vision."


def text_tensors(language):
    """GGUF name -> parameter"""
    out = {"token_embd.weight": language.embed.weight, "output_norm.weight": language.norm}
    for i, b in enumerate(language.blocks):
        p = f"blk.{i}."
        out.update({p + "attn_norm.weight": b.norm1, p + "ffn_norm.weight": b.norm2})
        for name, linear in (("attn_q", b.q), ("attn_k", b.k), ("attn_v", b.v)):
            out[p + name + ".weight"], out[p + name + ".bias"] = linear.weight, linear.bias
        out[p + "attn_output.weight"] = b.o.weight
        out[p + "ffn_gate.weight"], out[p + "ffn_up.weight"] = b.gate.weight, b.up.weight
        out[p + "ffn_down.weight"] = b.down.weight
    return out


def vision_tensors(vision):
    """GGUF name -> parameter, without the patch embedding (which llama.cpp holds as two slices)"""
    out = {}
    names = dict(ln1="ln1", ln2="ln2", attn_q="q", attn_k="k", attn_v="v", attn_out="o", ffn_up="up", ffn_down="down")
    parts = [(f"v.blk.{i}.{name}", getattr(b, attr)) for i, b in enumerate(vision.blocks) for name, attr in names.items()]
    for name, module in parts + [("v.post_ln", vision.post), ("mm.0", vision.merge0), ("mm.2", vision.merge2)]:
        out[name + ".weight"], out[name + ".bias"] = module.weight, module.bias
    return out


def _write_tokenizer(w, tk):
    unused = len(tk.tokens) - tk.normal_count - len(tokenizer.SPECIAL)
    w.key("tokenizer.ggml.model", gguf.STRING, "gpt2")
    w.key("tokenizer.ggml.pre", gguf.STRING, "qwen2")
    w.list("tokenizer.ggml.tokens", gguf.STRING, tk.tokens)
    types = [1] * tk.normal_count + [3] * len(tokenizer.SPECIAL) + [5] * unused
    w.list("tokenizer.ggml.token_type", gguf.INT32, types)
    w.list("tokenizer.ggml.merges", gguf.STRING, [f"{a} {b}" for a, b in tk.merges])
    w.key("tokenizer.ggml.eos_token_id", gguf.UINT32, tk.id["<|im_end|>"])
    w.key("tokenizer.ggml.padding_token_id", gguf.UINT32, tk.id["<|endoftext|>"])
    w.key("tokenizer.ggml.bos_token_id", gguf.UINT32, tk.id["<|endoftext|>"])
    w.key("tokenizer.ggml.add_bos_token", gguf.BOOL, False)
    w.key("tokenizer.chat_template", gguf.STRING, tokenizer.CHAT_TEMPLATE)


def _header(architecture, kind, name, file_type):
    w = gguf.Writer()
    w.key("general.architecture", gguf.STRING, architecture)
    w.key("general.type", gguf.STRING, kind)
    w.key("general.name", gguf.STRING, name)
    w.key("general.license", gguf.STRING, "apache-2.0")
    w.key("general.file_type", gguf.UINT32, file_type)
    return w


def write_text(model, tk, path, weight_type):
    c = model.c
    kind, file_type = TYPES[weight_type]
    w = _header(ARCH, "model", f"moaoff-reference-{c.name}", file_type)
    for name, value in dict(
        block_count=c.layers, context_length=c.context, embedding_length=c.dim, feed_forward_length=c.ffn
    ).items():
        w.key(f"{ARCH}.{name}", gguf.UINT32, value)
    w.key(ARCH + ".attention.head_count", gguf.UINT32, c.heads)
    w.key(ARCH + ".attention.head_count_kv", gguf.UINT32, c.heads)
    w.key(ARCH + ".rope.freq_base", gguf.FLOAT32, c.rope_base)
    w.key(ARCH + ".attention.layer_norm_rms_epsilon", gguf.FLOAT32, c.eps)
    w.list(ARCH + ".rope.dimension_sections", gguf.INT32, list(c.rope_sections))
    _write_tokenizer(w, tk)
    for name, p in text_tensors(model.language).items():
        w.tensor(name, p.detach().numpy(), kind if p.dim() > 1 else gguf.F32)
    w.write(path)


def write_vision(model, path, weight_type):
    c = model.c
    kind, file_type = TYPES[weight_type]
    w = _header("clip", "mmproj", f"moaoff-reference-{c.name}-mmproj", file_type)
    w.key("clip.has_vision_encoder", gguf.BOOL, True)
    w.key("clip.projector_type", gguf.STRING, "qwen2vl_merger")
    for name, value in {
        "image_size": c.side_px,
        "patch_size": network.PATCH,
        "embedding_length": c.v_dim,
        "feed_forward_length": c.v_ffn,
        "block_count": c.v_layers,
        "projection_dim": c.dim,
        "attention.head_count": c.v_heads,
        "spatial_merge_size": 2,
        "image_min_pixels": c.min_pixels,
        "image_max_pixels": c.max_pixels,
    }.items():
        w.key(VISION + name, gguf.UINT32, value)
    w.key(VISION + "attention.layer_norm_epsilon", gguf.FLOAT32, c.eps)
    w.list(VISION + "image_mean", gguf.FLOAT32, [0.5] * 3)
    w.list(VISION + "image_std", gguf.FLOAT32, [0.5] * 3)
    patch = model.vision.patch.weight.detach().view(c.v_dim, 3, network.PATCH, network.PATCH).numpy()
    for name in ("v.patch_embd.weight", "v.patch_embd.weight.1"):  # the two frames of a still image
        w.tensor(name, patch / 2, kind if kind == gguf.F32 else gguf.F16)
    for name, p in vision_tensors(model.vision).items():
        w.tensor(name, p.detach().numpy(), kind if p.dim() > 1 else gguf.F32)
    w.write(path)


def load_pair(name, directory):
    """The model as it ships: its weights are those of the GGUF files. -> model, tokenizer"""
    text = gguf.Reader(f"{directory}/{name}.gguf")
    vision = gguf.Reader(f"{directory}/{name}-mmproj.gguf")
    tk = tokenizer.Tokenizer([m.split(" ") for m in text.keys["tokenizer.ggml.merges"]])
    model = network.VisionLanguageModel(network.config(name, len(tk.tokens)))
    with torch.no_grad():
        for tensors, source in (
            (text_tensors(model.language), text.tensors),
            (vision_tensors(model.vision), vision.tensors),
        ):
            for key, p in tensors.items():
                p.copy_(torch.from_numpy(source[key]))
        patch = vision.tensors["v.patch_embd.weight"] + vision.tensors["v.patch_embd.weight.1"]
        model.vision.patch.weight.copy_(torch.from_numpy(patch).reshape(model.c.v_dim, -1))
    return model.eval(), tk


def language_path(name, build):
    """Where the training of a model's language model stands."""
    return f"{build}/edge-language.pt" if name == "edge" else f"{build}/language.pt"


def load_build(name, build):
    """The newest trained state in the build folder; what is missing keeps its starting values."""
    tk = tokenizer.Tokenizer.load(f"{build}/merges.json")
    model = network.VisionLanguageModel(network.config(name, len(tk.tokens)))
    eye = training.load_if_there(f"{build}/{name}-eye.pt")
    language = training.load_if_there(language_path(name, build))
    if eye:
        model.vision.load_state_dict(eye["eye"])
    if language:
        model.language.load_state_dict(language["language"])
    return model.eval(), tk


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=["edge", "cloud"])
    parser.add_argument("build")
    parser.add_argument("out")
    parser.add_argument("--type", choices=TYPES, default="f16")
    args = parser.parse_args()
    model, tk = load_build(args.name, args.build)
    write_text(model, tk, f"{args.out}/{args.name}.gguf", args.type)
    write_vision(model, f"{args.out}/{args.name}-mmproj.gguf", args.type)
    count = lambda m: sum(p.numel() for p in m.parameters())
    print(f"{args.name}: language model {count(model.language):,}, vision tower {count(model.vision):,} parameters")


if __name__ == "__main__":
    main()
