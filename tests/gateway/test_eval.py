# SPDX-License-Identifier: Apache-2.0
"""`moaoff eval` and `moaoff report` over a gateway between fault engines: the three kinds of sets, faults of the
set, engines that die, going on after an interruption, and that the report says all of it."""
import base64
import csv
import json
import os
import signal
import subprocess
import time

import bodies
from conftest import MOAOFF

MODEL = {"policy": "edge"}


def run(*arguments, **options):
    return subprocess.run([MOAOFF, *arguments], capture_output=True, text=True, timeout=120, **options)


def evaluate(gateway, tmp_path, dataset, *arguments, policies=("edge",)):
    policy = [word for name in policies for word in ("--policy", name)]
    return run("eval", "--dataset", dataset, "--url", gateway.url, "--out", str(tmp_path / "out"), *policy, *arguments)


def records(tmp_path, name="requests"):
    with open(tmp_path / "out" / (name + ".jsonl")) as f:
        return [json.loads(line) for line in f]


def report(tmp_path):
    made = run("report", str(tmp_path / "out"))
    assert made.returncode == 0, made.stderr
    with open(tmp_path / "out" / "report.md") as f:
        markdown = f.read()
    with open(tmp_path / "out" / "report.html") as f:
        html = f.read()
    assert "<script" not in html and "src=" not in html and "</html>" in html
    return markdown


def jsonl(tmp_path, lines):
    (tmp_path / "a.png").write_bytes(bodies.picture(seed=3))
    path = tmp_path / "set.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return "jsonl:%s" % path


def questions(n):
    return [{"id": "q%d" % i, "image": "a.png", "question": "Which engine?", "answer": "answer of edge"}
            for i in range(n)]


def vqa(tmp_path, n, answers):
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(1, n + 1):
        (folder / ("COCO_val2014_%012d.jpg" % i)).write_bytes(bodies.picture(kind="jpeg", seed=i))
    asked = [{"image_id": i, "question": "Which engine?", "question_id": i * 1000} for i in range(1, n + 1)]
    notes = [{"image_id": i, "question_id": i * 1000, "question_type": "which", "answer_type": "other",
              "multiple_choice_answer": answers[0],
              "answers": [{"answer": a, "answer_id": k + 1, "answer_confidence": "yes"} for k, a in enumerate(answers)]}
             for i in range(1, n + 1)]
    (tmp_path / "q.json").write_text(json.dumps({"data_subtype": "val2014", "questions": asked}))
    (tmp_path / "a.json").write_text(json.dumps({"annotations": notes}))
    return "vqav2:%s:%s:%s" % (tmp_path / "q.json", tmp_path / "a.json", folder)


def mmbench(tmp_path, rows):
    path = tmp_path / "m.tsv"
    with open(path, "w", newline="") as f:
        table = csv.writer(f, delimiter="\t")
        table.writerow("index question hint A B C D answer category l2-category split image".split())
        table.writerows(rows)
    return "mmbench:%s" % path


def test_vqa_set_is_scored_and_recorded(duo, tmp_path):
    dataset = vqa(tmp_path, 3, ["answer of edge"] * 2 + ["other"] * 8)
    made = evaluate(duo(MODEL), tmp_path, dataset, "--link-mbps", "200", policies=("edge", "cloud"))
    assert made.returncode == 0, made.stderr
    got = records(tmp_path)
    assert len(got) == 6
    edge = next(r for r in got if r["policy"] == "edge")
    # The articles go, and two of ten people said so: worth 0.6 by hand.
    assert edge["answer"] == "the answer of edge" and abs(edge["correct"] - 0.6) < 1e-6
    assert edge["plan"] == "edge" and edge["link_mbps"] == 200 and edge["c_img"] > 0 and edge["pixels"] == 64 * 48
    assert 0 < edge["ttft_ms"] <= edge["total_ms"] and edge["bytes_up"] > 1000
    assert [r["correct"] for r in got if r["policy"] == "cloud"] == [0, 0, 0]
    assert [p["done"] for p in records(tmp_path, "passes")] == [3, 3]
    text = report(tmp_path)
    assert "### vqav2, concurrency=1\n\n| policy | 200 Mbit/s |" in text and "| = oracle | 60.0 |" in text and "6 requests, 0 of them failed" in text


def test_scorer_is_chosen_and_written_down(duo, edge, tmp_path):
    gateway, dataset = duo(MODEL), vqa(tmp_path, 2, ["red"] * 10)
    edge.answer = "Red"
    for options, correct in (((), 0), (("--scorer", "vqa2017"), 1), (("--scorer", "vqa2017"), 1)):
        made = evaluate(gateway, tmp_path, dataset, *options)
        assert made.returncode == 0, made.stderr
        got = records(tmp_path)[-2:]
        assert [(r["scorer"], r["correct"]) for r in got] == [(options[1] if options else "vqa2021", correct)] * 2
    assert len(edge.requests) == 4, "an answer is asked for again only if it was scored otherwise"
    refused = evaluate(gateway, tmp_path, dataset, "--scorer", "vqa")
    assert refused.returncode == 2 and "vqa2021, vqa2017 or normalized" in refused.stderr


def test_mmbench_rows_are_read_as_csv_and_rotated(duo, edge, tmp_path):
    image = base64.b64encode(bodies.picture()).decode()
    lost = [9, "Whose image?", "", "yes", "no", "", "", "A", "other", "c", "dev", "77"]
    rows = [[0, 'Which "one",\nnow?', "a\thint", "red", "green", "blue", "", "B", "color", "c", "dev", image],
            [1, "Same image?", "", "yes", "no", "", "", "A", "other", "c", "dev", "0"], lost]
    edge.answer = "B"
    made = evaluate(duo(MODEL), tmp_path, mmbench(tmp_path, rows), "--circular")
    assert made.returncode == 1 and made.stderr.count("borrows an image that is not there") == 1, made.stderr
    got = {r["item"]: r for r in records(tmp_path)}
    assert sorted(got) == ["0", "0#1", "0#2", "1", "1#1"]
    assert {item: r["correct"] for item, r in got.items()} == {"0": 1, "0#1": 0, "0#2": 0, "1": 0, "1#1": 1}
    prompts = [r.json["messages"][0]["content"][-1]["text"] for r in edge.requests]
    assert any(p.startswith('Hint: a\thint\nWhich "one",\nnow?\nA. red\nB. green\nC. blue\n') for p in prompts)
    text = report(tmp_path)
    assert "2 questions a cell" in text and "\n| edge | 0.0 [" in text
    assert "\n| edge, each rotation by itself | 40.0 [" in text and "\n| color | 0.0 [" in text


def test_faults_of_the_set_are_named_and_counted(duo, tmp_path):
    dataset = jsonl(tmp_path, [questions(1)[0], "{not json", {"id": "x"}, {"question": "?", "options": ["one"]},
                               {"id": "gone", "image": "missing.png", "question": "Which?", "answer": "a"}])
    made = evaluate(duo(MODEL), tmp_path, dataset)
    assert made.returncode == 1
    for said in ("set.jsonl:2:", "at byte", "set.jsonl:3: no \"question\"", "set.jsonl:4: \"options\"",
                 "missing.png: No such file", "1 answered, 1 failed"):
        assert said in made.stderr, (said, made.stderr)
    assert sum(r["ok"] for r in records(tmp_path)) == 1
    text = report(tmp_path)
    assert "2 requests, 1 of them failed; at most 3 malformed entries" in text and "missing.png" in text


def test_lines_that_would_be_miscounted_are_left_out(duo, tmp_path):
    line = questions(1)[0]
    lines = ["\ufeff" + json.dumps(line), dict(line, question="Other?"), dict(line, id=7, answer=4),
             dict(line, id=1.5), dict(line, id="a#1"), dict(line, id="b", answer=True),
             dict(line, id="c", answers=["cup", "mug"]), dict(line, id="d", options=["x", "y"], answer=1),
             dict(line, id="e", answers=[4, "4", "4", "four"]), dict(line, id="f", answer=None)]
    made = evaluate(duo(MODEL), tmp_path, jsonl(tmp_path, lines))
    assert made.returncode == 1 and "4 answered, 0 failed" in made.stderr
    for said in ('"q0" is there more than once', 'set.jsonl:4: "id" is neither', 'set.jsonl:5: "id" holds a #',
                 'set.jsonl:6: "answer" is neither', 'set.jsonl:7: "answers" is not an array of 4',
                 'set.jsonl:8: "answer" is not the letter'):
        assert said in made.stderr, (said, made.stderr)
    got = {r["item"]: r["correct"] for r in records(tmp_path)}
    assert got == {"q0": 1, "7": 0, "e": 0, "f": None}


def test_split_does_not_depend_on_where_the_file_is(tmp_path):
    dataset = jsonl(tmp_path, [dict(q, image="i%d.png" % i) for i, q in enumerate(questions(40))])
    for i in range(40):
        (tmp_path / ("i%d.png" % i)).write_bytes(bodies.picture(seed=i))
    kept = []
    for spec, folder in ((dataset, "/"), ("jsonl:set.jsonl", str(tmp_path)), ("jsonl:./set.jsonl", str(tmp_path))):
        out = tmp_path / ("out%d" % len(kept))
        made = run("eval", "--dataset", spec, "--split", "calibration", "--export-images", "--out", str(out), cwd=folder)
        assert made.returncode == 0, made.stderr
        kept.append(sorted(os.listdir(out)))
    assert kept[0] == kept[1] == kept[2] and 2 < len(kept[0]) < 20


def test_second_images_are_exported_apart(tmp_path):
    for name in "xyz":
        (tmp_path / name).write_bytes(bodies.picture(seed=ord(name)))
    dataset = jsonl(tmp_path, [{"id": str(i), "images": ["x", other], "question": "?"} for i, other in enumerate("yz")])
    made = run("eval", "--dataset", dataset, "--export-images", "--out", str(tmp_path / "out"))
    assert made.returncode == 0, made.stderr
    written = {(tmp_path / "out" / name).read_bytes() for name in os.listdir(tmp_path / "out")}
    assert {(tmp_path / name).read_bytes() for name in "xyz"} < written


def test_engine_that_dies_half_way(duo, gateway, edge, refusing, tmp_path):
    started = gateway({"edge": {"url": edge.url}, "cloud": {"url": refusing.url}})
    dataset = jsonl(tmp_path, questions(6))
    assert evaluate(started, tmp_path, dataset, "--limit", "3").returncode == 0
    edge.mode = "500"
    made = evaluate(started, tmp_path, dataset)
    assert made.returncode == 1
    assert "3 failed, 3 done before" in made.stderr and 'under edge: The cloud engine failed' in made.stderr
    assert "6 requests, 3 of them failed" in report(tmp_path)
    edge.mode = "ok"  # it is back: only what failed is asked again
    n = len(edge.requests)
    assert evaluate(started, tmp_path, dataset).returncode == 0
    assert len(edge.requests) == n + 3
    assert "6 requests, 0 of them failed" in report(tmp_path)


def test_broken_stream_is_a_failure(duo, edge, tmp_path):
    edge.mode = "cut"
    made = evaluate(duo(MODEL), tmp_path, jsonl(tmp_path, questions(2)))
    assert made.returncode == 1
    assert [r["ok"] for r in records(tmp_path)] == [False, False]
    assert "broke off" in records(tmp_path)[0]["error"]


def test_ctrl_c_keeps_what_is_done(duo, edge, tmp_path):
    started = duo(MODEL)
    dataset = jsonl(tmp_path, questions(60))
    command = [MOAOFF, "eval", "--dataset", dataset, "--url", started.url, "--out", str(tmp_path / "out"),
               "--policy", "edge", "--rate", "20"]
    edge.n_answers = kept = 5  # so however slow the machine is, it cannot be done before it is interrupted
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    recorded = tmp_path / "out" / "requests.jsonl"
    while not recorded.exists() or recorded.read_text().count("\n") < kept:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and "interrupted, the same command goes on" in said
    before = records(tmp_path)
    assert len(before) == kept
    edge.n_answers = None
    with open(recorded, "a") as f:
        f.write('{"half a li')  # as a killed run leaves it
    made = evaluate(started, tmp_path, dataset, "--rate", "20", "--limit", "60")
    assert made.returncode == 0, made.stderr
    assert "%d done before" % kept in made.stderr
    lines = recorded.read_text().splitlines()[kept + 1:]
    due = [json.loads(line)["scheduled_s"] for line in lines]
    assert len(due) == 60 - kept
    assert min(due) >= max(r["scheduled_s"] for r in before)  # one stream of arrivals, whoever sent which part
    assert "60 requests, 0 of them failed" in report(tmp_path)


def test_open_loop_counts_from_the_scheduled_time(duo, edge, tmp_path):
    started = duo(MODEL)
    dataset = jsonl(tmp_path, questions(20))
    assert evaluate(started, tmp_path, dataset, "--rate", "50", "--seed", "3").returncode == 0
    got = records(tmp_path)
    due = sorted(r["scheduled_s"] for r in got)
    assert due[0] == 0 and due[-1] > 0.05 and len(set(due)) == 20
    assert all(r["total_ms"] >= r["late_ms"] >= 0 for r in got)
    # Another policy under the same seed sees the same arrivals.
    assert evaluate(started, tmp_path, dataset, "--rate", "50", "--seed", "3", policies=("cloud",)).returncode == 0
    again = sorted(r["scheduled_s"] for r in records(tmp_path) if r["policy"] == "cloud")
    assert again == due


def test_learning_policy_is_told_how_right_it_was(duo, tmp_path):
    started = duo(MODEL)
    dataset = jsonl(tmp_path, [dict(q, answer="answer of cloud") for q in questions(12)])
    made = evaluate(started, tmp_path, dataset, policies=("perllm-accuracy",))
    assert made.returncode == 0, made.stderr
    plans = [r["plan"] for r in records(tmp_path)]
    assert plans[:2] == ["edge", "cloud"] and plans[-4:].count("cloud") >= 3


def test_splits_part_images_and_export_writes_them(duo, tmp_path):
    dataset = vqa(tmp_path, 40, ["a"] * 10)
    names = {}
    for split in ("calibration", "test"):
        out = tmp_path / split
        made = run("eval", "--dataset", dataset, "--split", split, "--export-images", "--out", str(out))
        assert made.returncode == 0, made.stderr
        names[split] = set(os.listdir(out)) - {"questions.txt"}
        with open(out / "questions.txt") as f:
            asked = [json.loads(line) for line in f]
        assert len(asked) == len(names[split]) and all("single word" in text for text in asked)
    assert not names["calibration"] & names["test"] and len(names["calibration"] | names["test"]) == 40
    assert 2 <= len(names["calibration"]) <= 16


def test_wrong_usage_says_what_is_wrong(duo, tmp_path):
    started = duo(MODEL)
    dataset = jsonl(tmp_path, questions(1))
    for arguments, status, said in (
            (["--policy", "edge", "--out", "x"], 2, "--dataset is missing"),
            (["--dataset", dataset, "--policy", "edge", "--out", "x", "--rate", "-1"], 2, "--rate must be"),
            (["--dataset", dataset, "--policy", "edge", "--out", "x", "--split", "half"], 2, "--split must be"),
            (["--dataset", "zip:x", "--policy", "edge", "--out", str(tmp_path), "--url", started.url], 1, "must be vqav2"),
            (["--dataset", dataset, "--policy", "none", "--out", str(tmp_path), "--url", started.url], 1,
             'no policy "none"'),
            (["--dataset", dataset, "--policy", "edge", "--out", str(tmp_path), "--url", "http://127.0.0.1:9"], 1,
             "no gateway answers")):
        made = run("eval", *arguments)
        assert made.returncode == status and said in made.stderr, (arguments, made.stderr)
    assert run("report", str(tmp_path / "nothing")).returncode == 1
