"""How the engine starts, who may ask, what it says where there is no model or no port, and how it ends."""

import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import URLError

import pytest
from safetensors.torch import load_file, save_file
from support.embedded import Engine, Process, Said, free_port, inside, jpeg, started

from stages.core.models.embedded.__main__ import main

Folder = Callable[[str], Path]
NAME = "nobody/nothing"


def ended(*words: str, **env: str) -> tuple[int, str]:
    """The status of an engine that cannot start, and what it says."""
    command = [sys.executable, "-m", "stages.core.models.embedded", *words]
    known = {"HOME": str(Path.home()), "PATH": "/usr/bin", **env}
    done = subprocess.run(command, env=known, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("folder_name", ["/no/such/folder", "./nothing", "stages/nothing", "a/b/c", "pyproject.toml"])
def test_a_wrong_folder_is_reported_and_never_replaced_by_a_fallback(folder_name: str) -> None:
    status, words = ended("--model-id", folder_name, "--port", str(free_port()), "--fallback", "untrained")
    assert status == 2
    assert folder_name.rpartition("/")[2] in words
    assert len(words.splitlines()) == 1


def test_a_folder_without_a_model_in_it_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--model-id", str(tmp_path), "--port", str(free_port())]
    assert main(command) == 2
    assert "config.json" in capsys.readouterr().err
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    assert main(command) == 2
    words = capsys.readouterr().err
    assert str(tmp_path) in words
    assert len(words.splitlines()) == 1


def test_a_model_that_lacks_a_weight_is_reported_and_not_filled_by_chance(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder("text"), tmp_path / "torn")
    weights = load_file(tmp_path / "torn" / "model.safetensors")
    lost = next(name for name in sorted(weights) if name.endswith("mlp.down_proj.weight"))
    del weights[lost]
    save_file(weights, tmp_path / "torn" / "model.safetensors", metadata={"format": "pt"})
    assert main(["--model-id", str(tmp_path / "torn"), "--port", str(free_port())]) == 2
    assert lost in capsys.readouterr().err


def test_a_model_that_sees_nothing_does_not_start_where_pictures_are_wanted(folder: Folder) -> None:
    status, words = ended("--model-id", str(folder("text")), "--images", "--port", str(free_port()))
    assert (status, "--images" in words) == (2, True)


@pytest.mark.parametrize("env", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_a_hub_out_of_reach_is_reported_with_what_mends_it(env: dict[str, str], tmp_path: Path) -> None:
    status, words = ended("--model-id", NAME, "--port", str(free_port()), HF_HOME=str(tmp_path), **env)
    assert status == 2
    assert NAME in words and "--fallback untrained" in words
    assert len(words.splitlines()) == 1


@pytest.fixture
def hub() -> Iterator[str]:
    """A Hub that knows no model."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_name_that_the_hub_does_not_know_is_reported_and_never_replaced_by_a_fallback(
    hub: str, tmp_path: Path
) -> None:
    wanted = ["--model-id", NAME, "--fallback", "untrained", "--port", str(free_port())]
    status, words = ended(*wanted, HF_ENDPOINT=hub, HF_HOME=str(tmp_path))
    assert (status, "no such model" in words) == (2, True)


def test_a_port_that_is_taken_is_reported(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, words = ended("--model-id", str(folder("text")), "--port", port)
    assert (status, f"--port {port}" in words) == (3, True)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """An engine whose model cannot be had, with a key."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path_factory.mktemp("home"))}
    with started("--model-id", NAME, "--fallback", "untrained", "--images", API_KEY="secret", **offline) as engine:
        yield engine


def test_an_untrained_model_answers_where_the_hub_is_out_of_reach_and_says_so(demo: Process) -> None:
    assert demo.get("/info").body["model_id"] == "untrained-demo"
    answer = demo.chat(jpeg((200, 0, 0)), "What is it?")
    assert (answer.status, answer.body["model"]) == (200, "untrained-demo")
    assert "UNTRAINED" in demo.said()
    assert NAME in demo.said()


def test_a_key_is_asked_for_everywhere_but_of_health(demo: Process) -> None:
    stranger = Engine(demo.port, "wrong")
    for said in (stranger.generate("A man"), *map(stranger.get, ("/info", "/metrics", "/v1/models", "/nowhere"))):
        assert (said.status, said.body["error_type"]) == (401, "unauthorized")
    assert stranger.get("/health").status == 200
    assert demo.generate("A man", max_new_tokens=1).status == 200


def test_at_sigterm_requests_in_flight_are_finished_and_no_new_ones_accepted(demo: Process) -> None:
    answers: list[Said] = []
    long = {"max_new_tokens": 600, "grammar": {"type": "regex", "value": "[ab]{600}"}}
    asking = threading.Thread(target=lambda: answers.append(demo.generate("A man", **long)))
    asking.start()
    while demo.metric("tgi_batch_current_size") == 0:
        pass
    demo.process.send_signal(signal.SIGTERM)
    refused = Said(200, None)
    while refused.status == 200:
        refused = demo.get("/health")
    assert refused.status == 503
    assert demo.generate("A man").status == 503
    asking.join()
    assert answers[0].body["details"]["generated_tokens"] == 600
    assert demo.process.wait(10) == 0
    with pytest.raises(URLError):
        demo.get("/health")


def test_a_model_without_a_template_has_no_chat(folder: Folder, tmp_path: Path) -> None:
    for path in folder("text").iterdir():
        if path.name != "chat_template.jinja":
            (tmp_path / path.name).symlink_to(path)
    with inside("--model-id", str(tmp_path)) as engine:
        status, body = engine.chat("Hello")
        assert (status, body["error_type"]) == (422, "template_error")
        assert engine.generate("Hello", max_new_tokens=1).status == 200
