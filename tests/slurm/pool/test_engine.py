"""How engines are started: their words, in a container or not, and what they may be told."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError
from support.pools import TESTS, settings

from slurm.pool.config import Settings
from slurm.pool.engine import EngineError, command_line, hold_ports, start_engine, wait_until_healthy

ENGINES = sorted(path.stem for path in (TESTS.parent / "conf" / "engine").glob("*.yaml"))
KNOWN = {
    "python": "python",
    "host": "0.0.0.0",
    "port": "1",
    "master_port": "2",
    "metrics_port": "3",
    "folder": "/tmp/f",
    "cache": "/models",
    "key": "secret",
    "token": "hf",
}


def test_braces_that_are_no_placeholder_stay() -> None:
    more = ("++engine.options.chat-template-kwargs='{\"thinking\": {port}}'", "pool.model='/m/{x}'")
    command = words("engine=vllm", *more)
    assert command[command.index("--chat-template-kwargs") + 1] == '{"thinking": 1}'
    assert "/m/{x}" in command


@pytest.mark.parametrize("cache", ["/a:b", "/a,b"])
def test_a_cache_that_a_container_cannot_mount_is_named(cache: str) -> None:
    engine = settings("engine=tgi", "engine.container.runtime=apptainer").engine
    with pytest.raises(EngineError, match=f"pool.cache={cache}"):
        command_line(engine, {**KNOWN, "cache": cache})


def words(*overrides: str) -> list[str]:
    return command_line(settings(*overrides).engine, KNOWN)


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "endpoint"])
def test_every_engine_is_told_its_model_its_port_and_nothing_that_is_null(engine: str) -> None:
    command = words(f"engine={engine}", "pool.revision=abc", "pool.max_total_tokens=2048")
    assert "test/model" in command
    assert command[command.index("--port") + 1] == "1"
    assert command[command.index("--revision") + 1] == "abc"
    assert "2048" in command
    assert "None" not in command
    assert "--revision" not in words(f"engine={engine}")


def test_tgi_has_every_port_and_path_of_its_own() -> None:
    command = words("engine=tgi", "pool.gpus=2")
    assert command[0] == "text-generation-launcher"
    for name, value in {"master-port": "2", "prometheus-port": "3", "shard-uds-path": "/tmp/f/shard"}.items():
        assert command[command.index(f"--{name}") + 1] == value
    assert command[command.index("--num-shard") + 1] == "2"
    assert command[command.index("--usage-stats") + 1] == "off"


@pytest.mark.parametrize("runtime", ["pyxis", "apptainer", "docker"])
def test_a_container_gets_the_weights_the_folder_and_the_names_of_the_secrets_only(runtime: str) -> None:
    command = words("engine=tgi", f"engine.container.runtime={runtime}", "engine.container.image=tgi.sif")
    line = " ".join(command)
    assert "tgi.sif" in line
    assert "/models:/models" in line
    assert "/tmp/f:/tmp/f" in line
    assert line.index("tgi.sif") < line.index("--model-id")
    assert "secret" not in line
    assert ("HF_TOKEN" in line) == (runtime != "apptainer"), "apptainer hands on the whole environment"


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "sglang"])
def test_no_secret_is_in_a_command_line(engine: str) -> None:
    more = ["engine.url=http://host:1"] if engine == "endpoint" else []
    assert "secret" not in " ".join(words(f"engine={engine}", *more))


def test_ports_are_held_until_all_are_found_and_others_are_left_out() -> None:
    base = settings().pool
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        taken = other.getsockname()[1]
        pool = replace(base, ports=(taken - 3, taken))
        with hold_ports(pool, 2) as first, pytest.raises(EngineError, match=r"pool\.ports"), hold_ports(pool, 2):
            pass
        assert taken not in first


def test_what_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    found = settings()
    script = "import sys; print('loading'); sys.exit('CUDA out of memory')"
    engine = replace(found.engine, command=["{python}", "-c", script], options={})
    wanted = pytest.raises(EngineError, match=r"(?s)status 1.*loading.*CUDA out of memory")
    with start_engine(found._replace(engine=engine), "", tmp_path / "log") as running, wanted:
        wait_until_healthy(running, lambda: False, 20)
    absent = replace(engine, command=["no-such-program"])
    with (
        pytest.raises(EngineError, match="no-such-program"),
        start_engine(found._replace(engine=absent), "", tmp_path / "l"),
    ):
        pass


def test_its_key_and_its_end_are_its_own(tmp_path: Path) -> None:
    found = settings("pool.host=127.0.0.1")
    script = "import os, time; print('key', os.environ['API_KEY'], flush=True); time.sleep(1000)"
    engine = replace(found.engine, command=["{python}", "-c", script], options={})
    with start_engine(found._replace(engine=engine), "sesame", tmp_path / "log") as running:
        assert not wait_until_healthy(running, lambda: "key sesame" in (tmp_path / "log").read_text(), 20)
        process = running.process.pid
    assert not Path(f"/proc/{process}").exists()
    assert running.url.startswith("http://127.0.0.1:")
    assert os.environ.get("API_KEY") is None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", sorted(path.stem for path in (TESTS.parent / "conf" / "pool").glob("*.yaml")))
def test_every_pool_goes_with_every_engine(name: str, engine: str) -> None:
    found = settings(f"pool={name}", f"engine={engine}", "engine.url=http://host:1")
    assert (found.pool.name, found.engine.name) == (name, engine)
    assert found.pool.images == (name == "vision")


def test_times_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValidationError, match="lead_minutes"):
        settings("pool.minutes=10")


def test_a_pool_serves_its_model_and_untrained_ones_only_where_asked() -> None:
    plain: Settings = settings()
    assert plain.serves("test/model")
    assert not plain.serves("untrained-demo")
    assert settings("engine.options.fallback=untrained").serves("untrained-demo")
