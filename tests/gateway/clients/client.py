# SPDX-License-Identifier: Apache-2.0
"""OpenAI's client for Python, as client.mjs has those of JavaScript: the same questions, the same answers.

    client.py chat|responses < lines of JSON, each a question
"""
import asyncio
import functools
import json
import sys

import openai

CALL, DONE = "call_1", "Done."


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


async def chat(client, q, common, heard):
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


async def responses(client, q, common, heard):
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


@functools.cache
def client_of(url, key):
    return openai.AsyncOpenAI(base_url=url + "/v1", api_key=key, max_retries=0, timeout=60)


async def answer(ask, q, abort):
    q = dict({"images": [], "stream": False, "model": "moaoff"}, **q)
    common = {"model": q["model"], "temperature": 0, "extra_headers": {"x-moaoff-pin": q["pin"]} if q.get("pin") else {}}
    try:
        made = await ask(client_of(q["url"], q.get("key") or "none"), q, common, lambda: q.get("abort") and abort())
        await asyncio.sleep(0)  # here ends what was aborted at its last word
        return made
    except openai.APIError as error:
        return {"error": type(error).__name__, "status": getattr(error, "status_code", None), "kind": error.type, "message": str(error)}


async def main():
    ask = {"chat": chat, "responses": responses}[sys.argv[1]]
    running = None

    async def show(q):
        nonlocal running
        running = asyncio.ensure_future(answer(ask, q, lambda: running.cancel()))
        try:
            made = await running
        except asyncio.CancelledError:
            made = {"aborted": True}
        except Exception as error:  # whatever it is, the test is told
            made = {"error": type(error).__name__, "message": str(error)}
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
