# SPDX-License-Identifier: Apache-2.0
"""How the gateway ends: SIGTERM finishes what is open, a second one does not wait."""
import http.client
import signal
import time

import pytest

from bodies import chat
from conftest import events_of, text_of_events


def begin_stream(gateway, edge):
    edge.mode = "hold"
    connection, answer = gateway.open("POST", "/v1/chat/completions", chat("Hello.", stream=True))
    events = events_of(answer)
    assert text_of_events([next(events), next(events)]) == "the"
    return connection, events


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_signal_lets_an_open_stream_finish_and_refuses_new_clients(duo, edge, sent):
    gateway = duo({"policy": "edge"})
    connection, events = begin_stream(gateway, edge)
    gateway.process.send_signal(sent)
    deadline = time.monotonic() + 10
    while True:
        try:
            gateway.get("/healthz")
        except (OSError, http.client.HTTPException):
            break
        assert time.monotonic() < deadline, "still takes new clients"
        time.sleep(0.02)
    edge.release.set()
    rest = list(events)
    assert text_of_events(rest) == " answer of edge" and rest[-1] == "[DONE]"
    connection.close()
    assert gateway.process.wait(10) == 0


def test_second_signal_ends_at_once(duo, edge):
    gateway = duo({"policy": "edge"})
    connection, _ = begin_stream(gateway, edge)
    gateway.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    gateway.process.send_signal(signal.SIGTERM)
    gateway.process.wait(10)
    connection.close()
