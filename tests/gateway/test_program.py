# SPDX-License-Identifier: Apache-2.0
"""`edge.command`: the gateway runs the edge's engine. The engine is fault_program.py, or a real llama-server."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

import local
from bodies import chat
from conftest import HERE, MOAOFF, merged

PROGRAM = os.path.join(HERE, "fault_program.py")
WAIT_S = 120  # for what has no time of its own to happen in, on a machine that is busy


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, wanted=True):
    """What `what()` returned when that was as wanted."""
    deadline = time.monotonic() + WAIT_S
    while True:
        got = what()
        if (wanted(got) if callable(wanted) else got == wanted):
            return got
        assert time.monotonic() < deadline, got
        time.sleep(0.05)


def is_alive(pid):
    """A process, and none that only waits for somebody to take note of its end."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def program(running):
    return running.get("/v1/state").json["edge"]["program"]


def ready(running):
    return until(lambda: program(running), lambda p: p["state"] == "ready")


@pytest.fixture
def box(gateway, cloud):
    """box("--deaf", edge={"stop_ms": 300}) → a gateway that runs the program, before a cloud."""
    def start(*arguments, edge=None, command=None, **more):
        port = free_port()
        command = command or [sys.executable, PROGRAM, "--port", str(port)] + list(arguments)
        config = {"policy": "paper", "paper": {"tau_text": 1, "tau_image": 1}, "cloud": {"url": cloud.url},
                  "edge": merged({"url": "http://127.0.0.1:%d/v1" % port, "command": command}, edge or {})}
        return gateway(config, **more)
    return start


# ---- start and end ----

def test_it_is_started_warmed_up_and_asked(box):
    running = box()
    now = ready(running)
    assert is_alive(now["pid"]) and now["starts"] == 1 and now["failures"] == 0 and now["restart_in_ms"] is None
    running.logged(r'msg=engine-output line="chat 1 max_tokens=1"', WAIT_S)  # before any request
    assert running.get("/readyz").json["edge"] == "ok"
    got = running.chat(chat("hello"))
    assert got.status == 200 and got.text == "program" and got.plan == "edge"
    page = running.get("/metrics").body.decode()
    assert 'moaoff_engine_state{state="ready"} 1' in page and "moaoff_engine_starts_total 1" in page
    assert until(lambda: program(running)["memory_bytes"], lambda n: n and n > 1 << 20)
    assert running.stop() == 0
    assert not is_alive(now["pid"])
    assert 'msg=engine-ended reason=asked status="signal 15 (Terminated)"' in running.log_text


def test_without_a_command_nothing_is_run(duo):
    running = duo()
    assert running.get("/v1/state").json["edge"]["program"] is None
    page = running.get("/metrics").body.decode()
    assert "moaoff_engine_state{" not in page and "moaoff_engine_memory_bytes " not in page


def test_while_it_loads_the_cloud_answers(box):
    running = box("--load", "3600")
    until(lambda: program(running)["state"], "starting")
    running.logged("line=\"listening\"", WAIT_S)
    assert running.get("/readyz").json == {"status": "ok", "edge": "starting", "cloud": "ok"}
    got = running.chat(chat("hello"))
    assert got.plan == "cloud" and "x-moaoff-fallback" not in got.headers
    refused = running.chat(chat("hello"), pin="edge")
    assert refused.status == 503 and refused.error["code"] == "edge_unavailable" and refused.headers["retry-after"]
    assert "starting" in refused.error["message"]
    assert "tier-failed" not in running.log_text and "endpoint-unreachable" not in running.log_text


def test_an_engine_without_a_page_for_its_health(box):
    running = box("--no-health")
    ready(running)
    assert running.chat(chat("hello"), pin="edge").text == "program"


def test_no_warm_up(box):
    running = box(edge={"warm_up": "false"})
    ready(running)
    assert "chat 1" not in running.log_text


def test_one_that_does_not_become_ready_is_ended(box):
    running = box("--load", "3600", edge={"start_ms": 300, "restarts": 0})
    running.logged("msg=engine-ended reason=slow", WAIT_S)
    until(lambda: program(running)["state"], "failed")


def test_sigterm_is_not_all(box):
    running = box("--deaf", edge={"stop_ms": 200})
    pid = ready(running)["pid"]
    assert running.stop() == 0
    assert not is_alive(pid)
    assert "msg=engine-killed" in running.log_text


def test_nothing_is_left_of_a_gateway_that_was_killed(box, gateway):
    running = box("--deaf")
    pid = ready(running)["pid"]
    running.process.kill()
    running.process.wait()
    until(lambda: is_alive(pid), False)
    gateway.__self__.running.remove(running)  # its status is not 0


def test_what_it_has_started_ends_with_it(box, tmp_path):
    running = box("--child", str(tmp_path / "child"))
    ready(running)
    child = int((tmp_path / "child").read_text())
    assert is_alive(child)
    os.kill(program(running)["pid"], signal.SIGKILL)
    until(lambda: is_alive(child), False)


# ---- what it is told ----

def test_it_knows_no_secret(box, tmp_path):
    told = tmp_path / "told"
    running = box("--tell", str(told),
                  edge={"environment": ["OWN=1", "PASSED", "NOT_SET", "COPY=a-${MOA_CLOUD_KEY}-b"], "api_key_env": "MOA_EDGE_KEY"},
                  env={"MOA_CLOUD_KEY": "cloud-secret-1", "MOA_EDGE_KEY": "edge-secret-2", "PASSED": "2", "OTHER": "3",
                       "LISTEN_FDS_NOT": "4"})
    until(told.exists)
    # The key of the cloud is read where the configuration names it.
    config = tmp_path / "gateway0" / "moaoff.yaml"
    before = json.loads(told.read_text())
    assert before["environment"]["OWN"] == "1" and before["environment"]["PASSED"] == "2" and before["environment"]["PATH"]
    assert not {"MOA_CLOUD_KEY", "MOA_EDGE_KEY", "OTHER", "NOT_SET", "LISTEN_FDS_NOT"} & set(before["environment"])
    changed = json.loads(config.read_text())
    changed["cloud"]["api_key_env"] = "MOA_CLOUD_KEY"
    changed["edge"]["environment"].append("AGAIN=1")
    config.write_text(json.dumps(changed))
    told.unlink()
    running.process.send_signal(signal.SIGHUP)
    until(told.exists)
    after = json.loads(told.read_text())
    assert "secret" not in told.read_text() and after["environment"]["AGAIN"] == "1"
    running.logged("msg=engine-variable-held name=COPY", WAIT_S)
    assert "cloud-secret-1" not in running.log_text


def test_it_has_no_file_of_the_gateways(box, tmp_path):
    told = tmp_path / "told"
    running = box("--tell", str(told))
    until(told.exists)
    seen = json.loads(told.read_text())
    others = {name: to for name, to in seen["files"].items() if name not in ("0", "1", "2")}
    assert not [to for to in others.values() if "socket" in to or "event" in to or "pipe" in to], others
    assert seen["files"]["0"] == "/dev/null"
    assert seen["session"] == seen["pid"] and seen["blocked"] is False
    assert running.process.pid != seen["pid"]


# ---- crashes ----

def test_one_that_ends_is_started_again(box):
    running = box()
    first = ready(running)["pid"]
    os.kill(first, signal.SIGKILL)
    again = until(lambda: program(running), lambda p: p["state"] == "ready" and p["pid"] != first)
    assert again["starts"] == 2 and again["failures"] == 1
    assert running.chat(chat("hello"), pin="edge").text == "program"
    assert re.search(r'msg=engine-ended reason=itself status="signal 9 \(Killed\)" last="chat 1', running.log_text)
    assert 'moaoff_engine_ends_total{reason="itself"} 1' in running.get("/metrics").body.decode()


def test_one_that_cannot_start_is_given_up_until_a_reload(box):
    running = box("--exit", "3", edge={"restarts": 1, "patience_ms": 600000})
    until(lambda: program(running)["state"], "failed")
    assert program(running)["starts"] == 2
    assert 'status="exit status 3" last="about to end"' in running.log_text
    running.logged("level=error msg=engine-failed failures=2", WAIT_S)
    refused = running.chat(chat("hello"), pin="edge")  # nobody waits for what does not come
    assert refused.status == 503 and "failed" in refused.error["message"]
    assert running.chat(chat("hello")).plan == "cloud"
    running.process.send_signal(signal.SIGHUP)
    until(lambda: program(running)["starts"], lambda n: n > 2)


def test_who_waits_is_told_when_it_has_failed(box):
    running = box("--exit", "3", edge={"restarts": 1, "patience_ms": 600000})
    refused = running.chat(chat("hello"), pin="edge")
    assert refused.status == 503 and refused.error["code"] == "edge_unavailable"


def test_a_file_that_is_no_program(box, tmp_path):
    text = tmp_path / "text"
    text.write_text("no program\n")
    text.chmod(0o755)
    running = box(command=[str(text)], edge={"restarts": 0})
    until(lambda: program(running)["state"], "failed")
    running.logged('status="exit status 126" last="moaoff: the program cannot be executed"', WAIT_S)


def test_one_that_hangs_is_started_again(box):
    running = box(edge={"stop_ms": 200})
    first = ready(running)["pid"]
    os.kill(first, signal.SIGSTOP)
    running.logged("msg=engine-hangs", WAIT_S)
    until(lambda: program(running), lambda p: p["state"] == "ready" and p["pid"] != first)
    assert not is_alive(first)
    assert "msg=engine-ended reason=hung" in running.log_text


# ---- idle ----

def test_it_sleeps_and_is_woken(box, cloud):
    running = box(edge={"idle_s": 1, "patience_ms": 600000})
    first = ready(running)["pid"]
    until(lambda: program(running)["state"], "asleep")
    assert not is_alive(first)
    assert running.get("/readyz").json["edge"] == "asleep"
    waited = running.chat(chat("hello"), pin="edge")
    assert waited.status == 200 and waited.text == "program"
    until(lambda: program(running)["state"], "asleep")
    gone = running.chat(chat("hello"))  # the cloud has it, and the next one is the edge's
    assert gone.plan == "cloud" and gone.headers["x-moaoff-fallback"] == "edge away"
    running.logged("(?s)reason=idle.*reason=idle.*engine-ready", WAIT_S)


def test_a_page_that_is_no_chat_wakes_it_too(box):
    running = box(edge={"idle_s": 1, "patience_ms": 600000})
    ready(running)
    until(lambda: program(running)["state"], "asleep")
    got = running.request("POST", "/v1/embeddings", {"input": "a"})
    assert got.status == 400  # as the engine has it


def test_a_part_that_is_pinned_waits(box):
    running = box(edge={"idle_s": 1, "patience_ms": 600000})
    ready(running)
    until(lambda: program(running)["state"], "asleep")
    got = running.chat(chat("hello"), pin="text")
    assert got.text == "program"


# ---- too much ----

def test_a_flood_of_output_is_cut_short(box):
    running = box("--flood")
    ready(running)
    since = time.monotonic()
    for _ in range(20):
        assert running.chat(chat("hello"), pin="edge").status == 200
    seen = running.log_text.count("msg=engine-output ")
    assert seen <= 200 + 20 * (time.monotonic() - since + WAIT_S)
    assert max(map(len, running.log_text.splitlines())) < 2048
    assert os.path.getsize(running.log) < 4 << 20
    running.stop()
    assert re.search(r"msg=engine-output-dropped lines=\d+", running.log_text)


def test_one_that_takes_too_much_memory_is_ended(box):
    running = box("--grow", str(1 << 29), edge={"memory_bytes": 160 << 20})
    first = ready(running)
    assert first["memory_limit_bytes"] == 160 << 20
    running.chat(chat("grow"), pin="edge")
    running.logged("msg=engine-over-memory", WAIT_S)
    again = until(lambda: program(running), lambda p: p["state"] == "ready" and p["pid"] != first["pid"])
    assert (again["memory_bytes"] or 0) < 160 << 20
    assert "msg=engine-ended reason=memory" in running.log_text


# ---- reloads ----

def reload(running, tmp_path, change):
    path = tmp_path / "gateway0" / "moaoff.yaml"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    n = running.log_text.count("msg=reloaded")
    running.process.send_signal(signal.SIGHUP)
    until(lambda: running.log_text.count("msg=reloaded"), n + 1)


def test_a_reload_keeps_what_has_not_changed(box, tmp_path):
    running = box()
    first = ready(running)["pid"]
    reload(running, tmp_path, lambda config: config["edge"].update(idle_s=1000, memory_bytes=1 << 40))
    assert program(running)["pid"] == first and program(running)["memory_limit_bytes"] == 1 << 40
    reload(running, tmp_path, lambda config: config["edge"]["command"].extend(["--answer", "other"]))
    second = until(lambda: program(running), lambda p: p["state"] == "ready" and p["pid"] != first)["pid"]
    assert not is_alive(first)
    assert running.chat(chat("hello"), pin="edge").text == "other"
    reload(running, tmp_path, lambda config: config["edge"].pop("command"))
    until(lambda: program(running), None)
    assert not is_alive(second)


def test_a_command_may_come_with_a_reload(duo, edge, tmp_path):
    running = duo()
    port = free_port()

    def change(config):
        config["edge"] = {"url": "http://127.0.0.1:%d/v1" % port, "command": [sys.executable, PROGRAM, "--port", str(port)]}
    reload(running, tmp_path, change)
    ready(running)


# ---- the configuration, and the doctor ----

@pytest.mark.parametrize("edge,fault", [
    ({"command": "llama-server --port 1"}, '"edge.command" must be a list of words'),
    ({"command": ["no-such-program-anywhere"]}, '"edge.command" names no-such-program-anywhere: No such file'),
    ({"command": ["/"]}, '"edge.command" names /: Permission denied'),
    ({"command": ["true"], "environment": ["1=2"]}, 'which is neither NAME nor NAME=VALUE'),
    ({"command": ["true"], "environment": ["MOA_KEY"], "api_key_env": "MOA_KEY"}, "has MOA_KEY, which holds a secret"),
    ({"command": ["true"], "url": ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]}, '"edge.url" names several engines'),
])
def test_what_cannot_be_run_is_refused(edge, fault, tmp_path):
    path = tmp_path / "moaoff.yaml"
    path.write_text(json.dumps({"edge": edge}))
    got = subprocess.run([MOAOFF, "serve", "--check", "--config", str(path)], capture_output=True, text=True,
                         env=dict(os.environ, MOA_KEY="secret"))
    assert got.returncode == 1 and fault in got.stderr, got.stderr


def test_the_doctor_knows_who_starts_it(tmp_path):
    path = tmp_path / "moaoff.yaml"
    path.write_text(json.dumps({"edge": {"url": "http://127.0.0.1:%d/v1" % free_port(), "command": ["true"]},
                                "cloud": {"url": "http://127.0.0.1:%d/v1" % free_port()}}))
    got = subprocess.run([MOAOFF, "doctor", "--config", str(path)], capture_output=True, text=True)
    assert "moaoff serve starts it: " in got.stdout and "/true" in got.stdout, got.stdout
    path.write_text(json.dumps({"edge": {"command": ["no-such-program-anywhere"]}}))
    got = subprocess.run([MOAOFF, "doctor", "--config", str(path)], capture_output=True, text=True)
    assert "no-such-program-anywhere: No such file" in got.stdout and got.returncode == 1, got.stdout


# ---- a real engine ----

def test_a_real_llama_server(box):
    if os.environ.get("MOAOFF_ENGINES") == "0":
        pytest.skip("MOAOFF_ENGINES=0")
    found = subprocess.run([sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); import importlib.machinery as m\n"
                            "tool = m.SourceFileLoader('engine', sys.argv[1] + '/engine').load_module()\n"
                            "import json; print(json.dumps(tool.find_server()))", os.path.join(local.ROOT, "tools")],
                           capture_output=True, text=True, check=True)
    command, folder = json.loads(found.stdout)
    port = free_port()
    command = (["env", "--chdir=" + folder] if folder else []) + command + [
        "--model", os.path.join(local.MODELS, "edge.gguf"), "--mmproj", os.path.join(local.MODELS, "edge-mmproj.gguf"),
        "--host", "127.0.0.1", "--port", str(port), "--jinja", "--metrics", "--slots", "-np", "1", "-c", "2048", "-t", "1"]
    running = box(command=command, edge={"url": "http://127.0.0.1:%d/v1" % port, "idle_s": 2, "patience_ms": 600000})
    now = ready(running)
    got = running.chat(chat("What color is it?"), pin="edge")
    assert got.status == 200 and got.text
    until(lambda: program(running)["state"], "asleep")
    assert not is_alive(now["pid"])
    assert running.chat(chat("What color is it?"), pin="edge").status == 200
