# SPDX-License-Identifier: Apache-2.0
"""The GGUF code, the shipped files, and the layouts of the evaluation sets."""

import base64
import csv
import hashlib
import io
import json
import os

import numpy as np
import pytest
from PIL import Image

import gguf
import make_sets
from conftest import ROOT

MODELS = os.path.join(ROOT, "models")
FILES = ["edge.gguf", "edge-mmproj.gguf", "cloud.gguf", "cloud-mmproj.gguf"]
MAX_TOTAL_BYTES = 30_000_000


def test_gguf_round_trip(tmp_path):
    random = np.random.default_rng(1)
    a, b = random.normal(size=(3, 64)).astype(np.float32), random.normal(size=(5,)).astype(np.float32)
    w = gguf.Writer()
    w.key("general.name", gguf.STRING, "naïve")
    w.list("sections", gguf.INT32, [1, -3, 12, 0])
    for kind, name in ((gguf.F32, "f32"), (gguf.F16, "f16"), (gguf.Q8_0, "q8")):
        w.tensor(name, a, kind)
    w.tensor("b", b)
    w.write(tmp_path / "x.gguf")
    r = gguf.Reader(tmp_path / "x.gguf")
    assert r.keys == {"general.name": "naïve", "sections": [1, -3, 12, 0]}
    assert np.array_equal(r.tensors["f32"], a) and np.array_equal(r.tensors["b"], b)
    assert np.array_equal(r.tensors["f16"], a.astype(np.float16).astype(np.float32))
    assert np.abs(r.tensors["q8"] - a).max() <= np.abs(a).max() / 127


def test_shipped_files_match_their_checksums():
    listed = dict(reversed(line.split()) for line in open(os.path.join(MODELS, "SHA256SUMS")))
    assert sorted(listed) == sorted(FILES)
    for name, digest in listed.items():
        with open(os.path.join(MODELS, name), "rb") as f:
            assert hashlib.sha256(f.read()).hexdigest() == digest
    assert sum(os.path.getsize(os.path.join(MODELS, n)) for n in FILES) < MAX_TOTAL_BYTES


@pytest.mark.parametrize("name,low,high", [("edge", 0.5e6, 1.5e6), ("cloud", 2e6, 10e6)])
def test_shipped_pair_is_of_the_promised_family_and_size(name, low, high):
    text, vision = (gguf.Reader(os.path.join(MODELS, f)) for f in (f"{name}.gguf", f"{name}-mmproj.gguf"))
    assert text.keys["general.architecture"] == "qwen2vl"
    assert vision.keys["clip.projector_type"] == "qwen2vl_merger"
    assert vision.keys["clip.vision.projection_dim"] == text.keys["qwen2vl.embedding_length"]
    parameters = sum(t.size for r in (text, vision) for t in r.tensors.values())
    assert low < parameters < high


def test_vqa_layout(tmp_path):
    make_sets.make_vqa(str(tmp_path), 5, 10)
    asked = json.load(open(tmp_path / "v2_OpenEnded_mscoco_val2014_questions.json"))
    notes = json.load(open(tmp_path / "v2_mscoco_val2014_annotations.json"))
    assert asked["task_type"] == "Open-Ended" and asked["data_subtype"] == notes["data_subtype"] == "val2014"
    assert len(asked["questions"]) == len(notes["annotations"]) == 10
    for q, a in zip(asked["questions"], notes["annotations"]):
        assert set(q) == {"image_id", "question", "question_id"}
        assert {"question_type", "multiple_choice_answer", "answers", "image_id", "answer_type", "question_id"} == set(a)
        assert q["question_id"] == a["question_id"] and q["image_id"] == a["image_id"]
        assert [v["answer_id"] for v in a["answers"]] == list(range(1, 11))
        assert a["answer_type"] in ("yes/no", "number", "other")
        Image.open(tmp_path / "val2014" / f"COCO_val2014_{q['image_id']:012d}.jpg").verify()


def test_mmbench_layout(tmp_path):
    csv.field_size_limit(1 << 30)
    make_sets.make_mmbench(str(tmp_path), 5, 10)
    with open(tmp_path / "mmbench.tsv", newline="") as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    assert list(rows[0]) == "index question hint A B C D answer category l2-category split image".split()
    for row in rows:
        assert row["answer"] in "ABCD" and row[row["answer"]]
        Image.open(io.BytesIO(base64.b64decode(row["image"]))).verify()


def test_sets_repeat_by_seed_and_differ_between_seeds(tmp_path):
    digests = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_sets.make_mmbench(str(tmp_path / folder), seed, 6)
        digests.append(hashlib.sha256((tmp_path / folder / "mmbench.tsv").read_bytes()).hexdigest())
    assert digests[0] == digests[1] != digests[2]
