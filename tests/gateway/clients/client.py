# SPDX-License-Identifier: Apache-2.0
"""OpenAI's client for Python and Ollama's, as client.mjs has those of JavaScript: the same questions, the same answers.

    client.py chat|responses|ollama < lines of JSON, each a question
"""
import asyncio
import functools
import json
import sys

CALL, DONE = "call_1", "Done."


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def openai_client(url, key):
    import openai
    return openai.AsyncOpenAI(base_url=url + "/v1", api_key=key, max_retries=0, timeout=60)


def ollama_client(url, key):
    import ollama
    return ollama.AsyncClient(host=url, headers={"Authorization": "Bearer " + key}, timeout=60)


def common_of(q):
    return {"model": q["model"], "temperature": 0, "extra_headers": {"x-moaoff-pin": q["pin"]} if q.get("pin") else {}}


async def chat(client, q, heard):
    common = common_of(q)

    def shown(url):
        return {"type": "image_url", "image_url": {"url": url}}
    messages = [{"role": "user", "content": [shown(url) for url in q["images"]] + [{"type": "text", "text": q["question"]}]}]
    if q.get("result"):
        messages += [{"role": "assistant", "content": None,
                      "tool_calls": [{"id": CALL, "type": "function", "function": {"name": q["tool"]["name"], "arguments": "{}"}}]},
                     {"role": "tool", "tool_call_id": CALL, "content": [{"type": "text", "text": DONE}, shown(q["result"])]}]
    asked = dict(common, messages=messages, max_tokens=q.get("max", 96), stream=q["stream"])
    if q["stream"]:
        asked["stream_options"] = {"include_usage": True}
    if q.get("stop"):
        asked["stop"] = q["stop"]
    if q.get("tool"):
        asked["tools"] = [{"type": "function", "function": q["tool"]}]
    if q.get("choose"):
        asked["tool_choice"] = {"type": "function", "function": {"name": q["tool"]["name"]}}
    if q.get("schema"):
        asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": q["schema"], "strict": True}}
    answer = await client.chat.completions.create(**asked)
    text, thoughts, pieces, calls, finish, usage = "", "", 0, [], None, None

    async def one():
        yield answer
    async for piece in answer if q["stream"] else one():
        usage = piece.usage or usage
        for choice in piece.choices:
            message = choice.delta if q["stream"] else choice.message
            finish = choice.finish_reason or finish
            thoughts += getattr(message, "reasoning_content", None) or ""
            for call in message.tool_calls or []:
                if not q["stream"] or call.index == len(calls):
                    calls.append({"name": "", "input": ""})
                calls[-1]["name"] += call.function.name or ""
                calls[-1]["input"] += call.function.arguments or ""
            if message.content:
                text, pieces = text + message.content, pieces + 1
                heard()
    return {"text": text, "pieces": pieces, "thoughts": thoughts, "finish": finish,
            "calls": [{"name": call["name"], "input": parsed(call["input"])} for call in calls],
            "usage": usage and {"in": usage.prompt_tokens, "out": usage.completion_tokens}}


async def responses(client, q, heard):
    common = common_of(q)

    def shown(url):
        return {"type": "input_image", "image_url": url, "detail": "auto"}
    given = [{"role": "user", "content": [shown(url) for url in q["images"]] + [{"type": "input_text", "text": q["question"]}]}]
    if q.get("result"):
        given += [{"type": "function_call", "call_id": CALL, "name": q["tool"]["name"], "arguments": "{}"},
                  {"type": "function_call_output", "call_id": CALL, "output": [{"type": "input_text", "text": DONE}, shown(q["result"])]}]
    asked = dict(common, input=given, max_output_tokens=q.get("max", 96))
    if q.get("tool"):
        asked["tools"] = [dict(q["tool"], type="function", strict=False)]
    if q.get("choose"):
        asked["tool_choice"] = {"type": "function", "name": q["tool"]["name"]}
    if q.get("schema"):
        asked["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": q["schema"], "strict": True}}
    pieces = 0
    if q["stream"]:
        async with client.responses.stream(**asked) as stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    pieces += 1
                    heard()
                elif event.type in ("response.completed", "response.incomplete"):
                    whole = event.response
    else:
        whole = await client.responses.create(**asked)
    thoughts = [item.summary[0].text if item.summary else item.content[0].text for item in whole.output if item.type == "reasoning"]
    return {"text": text_of(whole), "pieces": pieces, "thoughts": "".join(thoughts),
            "finish": whole.incomplete_details.reason if whole.incomplete_details else whole.status,
            "calls": [{"name": item.name, "input": parsed(item.arguments)} for item in whole.output if item.type == "function_call"],
            "usage": {"in": whole.usage.input_tokens, "out": whole.usage.output_tokens}}


def text_of(response):
    return "".join(part.text for item in response.output if item.type == "message" for part in item.content if part.type == "output_text")


async def ollama(client, q, heard):
    """As Home Assistant asks: members without a value are sent as they are."""
    def bare(uri):
        return uri.split(",", 1)[1]
    if q.get("list"):
        listed, shown = await client.list(), await client.show(q["model"])
        return {"models": [model["model"] for model in listed["models"]], "can": shown.capabilities}
    messages = [{"role": "user", "content": q["question"], "images": [bare(uri) for uri in q["images"]] or None}]
    if q.get("result"):
        messages += [{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": q["tool"]["name"], "arguments": {}}}]},
                     {"role": "tool", "content": DONE, "images": [bare(q["result"])]}]
    options = {"temperature": 0, "num_predict": q.get("max", 96), "num_ctx": 8192, "stop": q.get("stop")}
    if q.get("pin"):
        client._client.headers["x-moaoff-pin"] = q["pin"]
    else:
        client._client.headers.pop("x-moaoff-pin", None)
    answer = await client.chat(
        model=q["model"], messages=messages, stream=q["stream"], keep_alive=-1, think=False, format=q.get("schema"),
        tools=[{"type": "function", "function": q["tool"]}] if q.get("tool") else None, options=options)
    text, thoughts, pieces, calls = "", "", 0, []

    async def one():
        yield answer
    async for piece in answer if q["stream"] else one():
        thoughts += piece.message.thinking or ""
        calls += [{"name": call.function.name, "input": dict(call.function.arguments)} for call in piece.message.tool_calls or []]
        if piece.message.content:
            text, pieces = text + piece.message.content, pieces + 1
            heard()
    return {"text": text, "pieces": pieces, "thoughts": thoughts, "finish": piece.done_reason, "calls": calls,
            "usage": {"in": piece.prompt_eval_count, "out": piece.eval_count}}


ASK = {"chat": (openai_client, chat), "responses": (openai_client, responses), "ollama": (ollama_client, ollama)}
client_of, ask = ASK[sys.argv[1]]
client_of = functools.cache(client_of)


async def answer(q, abort):
    q = dict({"images": [], "stream": False, "model": "moaoff"}, **q)
    made = await ask(client_of(q["url"], q.get("key") or "none"), q, lambda: q.get("abort") and abort())
    await asyncio.sleep(0)  # here ends what was aborted at its last word
    return made


async def main():
    running = None

    async def show(q):
        nonlocal running
        running = asyncio.ensure_future(answer(q, lambda: running.cancel()))
        try:
            made = await running
        except asyncio.CancelledError:
            made = {"aborted": True}
        except Exception as error:  # whatever it is, the test is told
            made = {"error": type(error).__name__, "status": getattr(error, "status_code", None), "kind": getattr(error, "type", None),
                    "message": str(error)}
        print(json.dumps(made), flush=True)

    shown = set()
    while True:
        line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        if not line:
            break
        q = json.loads(line)
        if "url" not in q:
            running.cancel()
        else:
            shown.add(asyncio.ensure_future(show(q)))


asyncio.run(main())
