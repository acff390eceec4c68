# SPDX-License-Identifier: Apache-2.0
"""What tests of dialects share: conversations in no form of their own, as chat completions."""
import random

from bodies import data_uri, picture

PICTURES = [data_uri(picture(16, 12, kind, seed=i), kind) for i, kind in enumerate(["png", "jpeg", "gif", "webp"])]
TOOL = {"name": "point_at", "description": "Points the arm at a color.",
        "parameters": {"type": "object", "properties": {"color": {"type": "string", "enum": ["red", "purple"]}, "why": {"type": "string"}},
                       "required": ["color"], "additionalProperties": False}}
CALL = "point_at", '{"color": "purple", "why": "caf\\u00e9"}'
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
WORDS = ["What is it?", "caf\u00e9 \u2615 \U0001f408\u200d\u2b1b", "line\nand \"quotes\" \\ and \t tab", "", "\u4f60\u597d", "x" * 3000, "</s>{}[]", "data:image/png;base64,"]


def conversations(n, seed=20251127):
    """Turns: ("system"|"user", [parts]), ("assistant", thought, text, calls), ("tool", id, text). Parts: str, or ("image", uri)."""
    rng = random.Random(seed)
    for _ in range(n):
        turns, calls = [], 0
        if rng.random() < 0.4:
            turns.append(("system", [rng.choice(WORDS)]))
        for _ in range(rng.randrange(1, 4)):
            parts = [rng.choice(WORDS) if rng.random() < 0.6 else ("image", rng.choice(PICTURES)) for _ in range(rng.randrange(1, 4))]
            turns.append(("user", parts))
            if rng.random() < 0.6:
                made = [("call_%d" % (calls + k), rng.choice(["a", "b"]) + str(k), {"x": rng.choice(WORDS), "n": rng.random()})
                        for k in range(rng.randrange(0, 3))]
                calls += len(made)
                turns.append(("assistant", rng.choice([None, "hm\n\"so\""]), rng.choice(WORDS[:3] + [None]) or ("" if made else "ok"), made))
                turns += [("tool", call_id, name, rng.choice(WORDS)) for call_id, name, _ in made]
        turns.append(("user", [rng.choice(WORDS[:3])]))
        yield turns, {
            "temperature": rng.choice([None, 0, 0.7, 1e-3]), "top_p": rng.choice([None, 0.9]), "seed": rng.choice([None, 7]),
            "max": rng.choice([None, 5, 4096]), "stop": rng.choice([None, ["a\n", "\u2615"]]), "stream": rng.choice([None, False, True]),
            "schema": rng.choice([None, SCHEMA]), "tools": rng.choice([None, [TOOL]]),
        }


SPOKEN = ("messages", "responses")  # of those that engines may speak, too


def in_dialect(kind, body):
    """(path, body) of a chat of words and pictures, as a client of the dialect would ask it."""
    if kind == "chat":
        return "/v1/chat/completions", body
    parts = [part for message in body["messages"] for part in message["content"]]
    words = [part["text"] for part in parts if part["type"] == "text"]
    uris = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    same = {name: body[name] for name in ("model", "temperature", "stream") if name in body}
    if kind == "messages":
        split = [uri[len("data:"):].split(";base64,") for uri in uris]
        blocks = [{"type": "image", "source": {"type": "base64", "media_type": media, "data": data}} for media, data in split]
        content = blocks + [{"type": "text", "text": text} for text in words]
        return "/v1/messages", dict(same, max_tokens=96, messages=[{"role": "user", "content": content}])
    if kind == "responses":
        content = [{"type": "input_image", "image_url": uri} for uri in uris] + [{"type": "input_text", "text": text} for text in words]
        return "/v1/responses", dict(same, max_output_tokens=96, input=[{"role": "user", "content": content}])
    assert kind == "ollama-chat" and len(words) == 1
    message = {"role": "user", "content": words[0], "images": [uri.split(",")[1] for uri in uris]}
    return "/api/chat", {"model": body["model"], "stream": body.get("stream", False), "messages": [message]}


def said_in(kind, answer):
    """The text of a whole answer."""
    said = answer.json
    return {"chat": lambda: answer.text, "messages": lambda: said["content"][0]["text"],
            "responses": lambda: said["output"][0]["content"][0]["text"], "ollama-chat": lambda: said["message"]["content"]}[kind]()
