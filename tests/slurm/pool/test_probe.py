"""What a server has to do before it counts as one, and what it tells of its load."""

from pathlib import Path

import pytest
from support.pools import MODEL, model_server, settings

from slurm.pool.config import Settings
from slurm.pool.engine import EngineError, Remote
from slurm.pool.probe import busy, healthy, probe, queued
from slurm.pool.wire import Call, Prompt, call


def warm(dialect: str, word: str) -> Call:
    prompt = Prompt([("user", "which?")], 8, text="which?", choices=[word, "other"])
    return call(prompt, dialect, "chat", "as the client calls it")


@pytest.mark.parametrize("words", [("engine=tgi",), ("engine=vllm",)], ids=["tgi", "openai"])
def test_it_answers_a_prompt_and_one_request_of_each_form(words: tuple[str]) -> None:
    wanted = settings(*words)
    dialect = wanted.engine.dialect
    with model_server("--dialect", dialect) as server:
        requests = [warm(dialect, "rock"), warm(dialect, "jazz")]
        replica = probe(wanted, server, requests, "7")
        assert server.ask("/seen")["requests"] == 3
    assert (replica.job, replica.url, replica.model, replica.dialect) == ("7", server.url, MODEL, dialect)
    assert replica.revision == ("abc" if dialect == "tgi" else None)
    assert replica.max_total_tokens == 2000


def test_a_model_in_a_folder_is_known_by_its_weights(tmp_path: Path) -> None:
    found = []
    for name, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(weights)
        model = str(tmp_path / name)
        with model_server("--dialect", "openai", "--model-id", model) as server:
            found.append(probe(settings("engine=vllm", model=model), server, [], "7").revision)
    assert found[0] == found[1] != found[2]
    assert None not in found


def test_one_with_pictures_is_asked_about_a_picture() -> None:
    with model_server("--strict") as server:
        probe(settings("pool=vision", f"pool.model={MODEL}"), server, [], "7")
        seen = server.ask("/seen")
    assert (seen["requests"], seen["pictures"], seen["malformed"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("options", "wanted", "told"),
    [
        ((), settings(model="org/another"), "it serves test/model, not pool.model=org/another"),
        (("--fault", "garbage"), settings(), "is up but does not answer"),
        (("--fault", "broken"), settings(), "500"),
        (("--dialect", "openai"), settings(), "404"),
    ],
    ids=["another model", "garbage", "broken", "another dialect"],
)
def test_one_that_does_not_really_answer_is_none(options: tuple[str, ...], wanted: Settings, told: str) -> None:
    with model_server(*options) as server, pytest.raises(EngineError, match=told):
        probe(wanted, server, [], "7")


def test_a_request_that_it_refuses_keeps_it_out() -> None:
    with model_server("--strict") as server, pytest.raises(EngineError, match="422"):
        probe(settings(), server, [Call("/generate", {"inputs": 5})], "7")


def test_its_load_is_what_its_metrics_say() -> None:
    with model_server() as server:
        assert healthy(server)
        assert not busy(server)
        assert queued(server) == 0
    assert not healthy(server)
    assert not busy(server)
    assert queued(server) is None
    with model_server("--dialect", "openai") as other:
        silent = Remote(f"{other.url}/v1/models?", "", "here")  # answers, but not with metrics
        assert busy(silent)
        assert queued(silent) is None
