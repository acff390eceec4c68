# SPDX-License-Identifier: Apache-2.0
"""Memory that runs out in the gateway and in every library under it, now and then and at random."""
import http.client
import json
import os
import signal
import time

import pytest

from bodies import chat, data_uri, picture
from conftest import TAUS, events_of

FAILING = os.environ.get("MOAOFF_FAILING_MALLOC")


def outcome(gateway, body, stream):
    """What became of a request; anything that is not well-formed is an error of the test."""
    try:
        answer = gateway.chat(body)
    except TimeoutError:
        raise AssertionError("no end") from None
    except (OSError, http.client.HTTPException):
        return "closed"
    if answer.status != 200:
        assert answer.json["error"]["message"], answer
        return "error %d" % answer.status
    if stream:
        last = list(events_of(answer.body))[-1]
        assert last == "[DONE]" or json.loads(last)["error"]["message"], answer
        return "answer" if last == "[DONE]" else "error event"
    assert answer.text
    return "answer"


@pytest.mark.skipif(not FAILING, reason="sanitizers bring their own malloc")
@pytest.mark.parametrize("one_in", [2000, 200])
def test_memory_fails_at_random(duo, edge, tmp_path, one_in):
    # Memory that libcurl misses may leave a call without an end: its timeout ends it.
    limits = {"first_byte_timeout_ms": 400, "idle_timeout_ms": 400, "connect_timeout_ms": 400}
    gateway = duo({"paper": TAUS["perceive-cloud"], "breaker": {"retry_ms": 50, "busy_ms": 10},
                   "journal": {"path": str(tmp_path / "journal.db")}, "edge": dict(limits, image_tokens=16), "cloud": limits},
                  env={"LD_PRELOAD": FAILING, "MOAOFF_FAILING": str(one_in)})
    gateway.process.send_signal(signal.SIGUSR2)
    seen = {}
    for i in range(120):
        images = [data_uri(picture(30 + i % 50, 20, kind, i), kind) for kind in ("png", "jpeg", "webp")[:i % 4]]
        became = outcome(gateway, chat("What is it? %d" % i, *images, stream=i % 2 == 1), i % 2 == 1)
        seen[became] = seen.get(became, 0) + 1
    assert gateway.process.poll() is None
    gateway.process.send_signal(signal.SIGUSR2)
    assert seen.get("answer", 0) >= 10 and len(seen) >= 2, seen
    deadline = time.monotonic() + 20
    while outcome(gateway, chat("Hello."), False) != "answer":
        assert time.monotonic() < deadline, "no answer any more"
        time.sleep(0.05)
