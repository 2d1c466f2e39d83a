"""Pools for tests: servers without a model (model_server.py), and a pool's files that name them."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from pydantic import TypeAdapter

from slurm.pool.config import Engine, Pool, Settings
from slurm.pool.engine import Remote
from slurm.pool.registry import PoolFolder, Replica
from slurm.scheduler.cluster import Cluster

CONF = str(Path(__file__).parents[2] / "conf")
TESTS = Path(__file__).parents[1]
MODEL = "test/model"


def settings(*words: str, **pool: Any) -> Settings:
    """Those of conf/serve.yaml with these words, a model that no server needs to load, and these keys of the pool."""
    OmegaConf.register_new_resolver("cpu_count", lambda: 2, replace=True)
    with initialize_config_dir(CONF, version_base="1.3"):
        plain: Any = OmegaConf.to_container(compose("serve", [f"pool.model={MODEL}", "run=r", *words]), resolve=True)
    found = Settings(
        TypeAdapter(Pool).validate_python(plain["pool"]),
        TypeAdapter(Engine).validate_python(plain["engine"]),
        TypeAdapter(Cluster).validate_python(plain["cluster"]),
    )
    return found._replace(pool=replace(found.pool, **pool))


def on_cluster(run: Path, *options: str, model: str = MODEL, **pool: Any) -> PoolFolder:
    """A pool on the dev cluster whose engine is a model_server with these options; nothing is started."""
    found = settings("cluster=devcluster", **{"cpus": 1, "mem_gb": 0.5, "minutes": 60, "idle_minutes": 5.0, **pool})
    engine = replace(
        found.engine,
        command=["{python}", "-m", "support.model_server", *options],
        env={**found.engine.env, "PYTHONPATH": str(TESTS)},
        options={**found.engine.options, "model-id": model},
    )
    folder = PoolFolder(run, found.pool.name)
    folder.configure(found._replace(engine=engine, pool=replace(found.pool, model=model)))
    folder.allow_starts()
    return folder


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def model_process(port: int, *words: str, key: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """The process of a server (model_server.py), which may not be up yet."""
    command = [sys.executable, "-m", "support.model_server", "--port", str(port), *words]
    env = {**os.environ, "API_KEY": key, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(command, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def model_server(*words: str, key: str = "") -> Iterator[Remote]:
    """A server (model_server.py) that is up."""
    port = free_port()
    with model_process(port, *words, key=key):
        remote = Remote(f"http://127.0.0.1:{port}", key, "here")
        up(remote)
        yield remote


def up(remote: Remote) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{remote.url}/health", timeout=5).close()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)
        else:
            return


def registered(folder: PoolFolder, *remotes: Remote, model: str = MODEL, most: int = 10**6) -> None:
    """Says in a pool's files that these servers are there, and no others."""
    for old in folder.replicas():
        folder.unregister(old.job)
    for number, remote in enumerate(remotes):
        engine = folder.settings.engine
        folder.register(
            Replica(
                job=f"job{number}",
                url=remote.url,
                engine=engine.name,
                dialect=engine.dialect,
                model=model,
                revision="abc",
                max_concurrent_requests=most,
                max_input_tokens=None,
                max_total_tokens=None,
                node="here",
                beat=time.time() + 3600,
            )
        )
