# SPDX-License-Identifier: Apache-2.0
"""One question to the gateway, in the form of OpenAI's chat completions. For the programs beside it."""
import argparse
import base64
import http.client
import json
import os
import urllib.parse

KINDS = {b"\xff\xd8\xff": "jpeg", b"\x89PN": "png", b"GIF": "gif", b"RIF": "webp"}


def options(what):
    """The options that all of them have."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--question", default="What is in this picture? One sentence.")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="of the gateway (%(default)s)")
    parser.add_argument("--model", default="moaoff", help="moaoff, or moaoff/POLICY (%(default)s)")
    parser.add_argument("--pin", help="what does not leave this device: image, or edge for all of it")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="(%(default)s)")
    return parser


class Refused(Exception):
    """Why there is no answer; `final` if there would be none another time."""

    def __init__(self, why, final=False):
        super().__init__(why)
        self.final = final


class Gateway:
    def __init__(self, url, model="moaoff", pin=None):
        parts = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.connection, self.model = kind(parts.netloc, timeout=120), model
        self.headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ.get("MOAOFF_KEY", "none")}
        if pin:
            self.headers["x-moaoff-pin"] = pin

    def ask(self, question, *pictures):
        """(the answer's words, the plan that the gateway took). Pictures are the bytes of files."""
        parts = [{"type": "image_url", "image_url": {"url": "data:image/%s;base64,%s" % (
            KINDS.get(picture[:3], "jpeg"), base64.b64encode(picture).decode())}} for picture in pictures]
        body = {"model": self.model, "max_tokens": 96, "messages": [{"role": "user", "content": parts + [{"type": "text", "text": question}]}]}
        try:
            self.connection.request("POST", "/v1/chat/completions", json.dumps(body), self.headers)
            answer = self.connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.connection.close()  # and is opened again by the next question
            raise Refused("no answer: %s" % error) from error
        if answer.status != 200:
            raise Refused(said["error"]["message"], 400 <= answer.status < 500 and answer.status not in (401, 408, 429))
        return said["choices"][0]["message"]["content"].strip(), answer.headers["x-moaoff-plan"]
