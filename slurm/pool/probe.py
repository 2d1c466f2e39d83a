"""Checks that a server really generates: some report healthy before their model is loaded."""

import base64
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from slurm.pool.config import Settings
from slurm.pool.engine import EngineError, Remote
from slurm.pool.registry import Replica
from slurm.pool.wire import Call, GarbledError, Prompt, call, reply
from slurm.record.files import hash_files

TIMEOUT_S = 300.0  # the first picture is slow, and a grammar of some hundred choices takes seconds to compile
# 64 x 64 pixels of grey
PICTURE = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAKBueIx4ZKCMgoy0qqC+8P//8Nzc8P//////////////////////////////////////////////"
    "////////////wAALCABAAEABAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AAAAAAAAA"
    "AAAAAAAAAP/Z"
)
# metrics of TGI, vLLM and SGLang: requests being generated, requests waiting
RUNNING = ("tgi_batch_current_size", "vllm:num_requests_running", "sglang:num_running_reqs")
QUEUED = ("tgi_queue_size", "vllm:num_requests_waiting", "sglang:num_queue_reqs")


def probe(settings: Settings, running: Remote, requests: Sequence[Call], job: str) -> Replica:
    """The server's registry entry, after it has answered a prompt and these requests.

    Raises EngineError if it does not, or serves another model.
    """
    pool, engine = settings.pool, settings.engine
    try:
        facts = _read_facts(running, engine.dialect)
        model = facts["model"]
        if not settings.serves(model):
            raise EngineError(f"it serves {model}, not pool.model={pool.model}")
        prompt = Prompt([("user", "Say yes.")], max_tokens=2, images=[PICTURE] if pool.images else ())
        asked = call(prompt, engine.dialect, "chat", model)
        reply(prompt, engine.dialect, asked.path, running.ask(asked.path, asked.body, TIMEOUT_S))
        for request in requests:
            named = {"model": model} if "model" in request.body else {}
            running.ask(request.path, request.body | named, TIMEOUT_S)
    except (OSError, GarbledError) as error:
        raise EngineError(
            f"the engine is up but does not answer: {error}; its last words:\n{running.last_words()}"
        ) from error
    return Replica(
        job=job,
        url=running.url,
        engine=engine.name,
        dialect=engine.dialect,
        model=model,
        revision=facts["revision"] or pool.revision or hash_weights(pool.model),
        max_concurrent_requests=facts["concurrent"] or pool.max_concurrent_requests,
        max_input_tokens=facts["input_tokens"] or pool.max_input_tokens,
        max_total_tokens=facts["total_tokens"] or pool.max_total_tokens,
        node=running.node,
    )


def _read_facts(running: Remote, dialect: str) -> dict[str, Any]:
    """Model, revision and limits as the server reports them (TGI: /info, others: /v1/models); None if unreported.

    Raises OSError, GarbledError.
    """
    try:
        if dialect == "tgi":
            info = running.ask("/info")
            return {
                "model": info["model_id"],
                "revision": info.get("model_sha"),
                "concurrent": info["max_concurrent_requests"],
                "input_tokens": info["max_input_tokens"],
                "total_tokens": info["max_total_tokens"],
            }
        first = running.ask("/v1/models")["data"][0]
    except (KeyError, IndexError, TypeError) as error:
        raise GarbledError(f"no {error} in what it reports of itself") from error
    return {
        "model": first["id"],
        "revision": None,
        "concurrent": None,
        "input_tokens": None,
        "total_tokens": first.get("max_model_len"),
    }


@cache
def hash_weights(model: str) -> str | None:
    """A hash of a model's weights where it is a folder that this node sees: what tells two of a name apart.

    It takes a second a gigabyte or two.
    """
    try:
        files = sorted(Path(model).expanduser().glob("*.safetensors"))
        return hash_files(files) if files else None
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return None


def healthy(running: Remote) -> bool:
    """Whether /health answers."""
    try:
        running.ask("/health")
    except OSError:
        return False
    return True


def busy(running: Remote) -> bool:
    """Whether it has requests, running or waiting; True where the engine has no such metric."""
    try:
        count = _metric(running, RUNNING + QUEUED)
    except OSError:
        return False
    return count is None or count > 0


def queued(running: Remote) -> int | None:
    """The number of requests that wait in the engine; None where it has no such metric, or does not answer."""
    try:
        count = _metric(running, QUEUED)
    except OSError:
        return None
    return None if count is None else round(count)


def _metric(running: Remote, names: tuple[str, ...]) -> float | None:
    """The sum of these metrics; None if the server has none of them. Raises OSError."""
    counts = [float(line.split()[-1]) for line in running.text("/metrics").splitlines() if line.startswith(names)]
    return sum(counts) if counts else None
