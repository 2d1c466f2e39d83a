"""A model server as a process of this node: its command line, ports and log, and requests to it."""

import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from slurm.credentials import masked, redact
from slurm.errors import ReelmillError
from slurm.pool.config import Engine, Pool, Settings
from slurm.scheduler.environment import read_env_file

LAST_LINES = 15
LAST_BYTES = 1 << 14
TERM_S = 30.0  # from SIGTERM to SIGKILL
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # http_proxy is not for addresses of nodes


class EngineError(ReelmillError):
    """A server did not start, or died; the message ends with the last lines of its log."""


class Remote:
    """A server that answers HTTP requests."""

    def __init__(self, url: str, key: str, node: str) -> None:
        self.url, self.key, self.node = url, key, node

    def ask(self, path: str, body: Mapping[str, Any] | None = None, timeout_s: float = 10.0) -> Any:
        """The answer as JSON; None if it is not JSON. POST with a body, else GET.

        Raises OSError if the connection fails or the status is 400 or above.
        """
        try:
            return json.loads(self.text(path, body, timeout_s))
        except ValueError:
            return None

    def text(self, path: str, body: Mapping[str, Any] | None = None, timeout_s: float = 10.0) -> str:
        """As `ask`, but the answer as text."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        try:
            with OPENER.open(urllib.request.Request(self.url + path, data, headers), timeout=timeout_s) as answer:
                return str(answer.read().decode(errors="replace"))
        except urllib.error.HTTPError as error:
            raise OSError(f"{path}: {error.code} {error.read()[:500].decode(errors='replace')}") from error
        except http.client.HTTPException as error:
            raise OSError(f"{path}: {error!r}") from error

    def last_words(self) -> str:
        """The last lines of its log."""
        return "(its log is on another system)"


class Running(Remote):
    """An engine that this process started."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, key: str, log: Path) -> None:
        super().__init__(url, key, socket.gethostname())
        self.process, self.log = process, log

    def check(self) -> None:
        """Raises EngineError if it has died."""
        status = self.process.poll()
        if status is not None:
            how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
            hint = " (out of memory?)" if status in (-signal.SIGKILL, 137) else ""
            raise EngineError(f"the engine {how}{hint}; its last words:\n{self.last_words()}")

    def last_words(self) -> str:
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - LAST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])


@contextmanager
def start_engine(settings: Settings, key: str, log: Path) -> Iterator[Running]:
    """Starts an engine, which does not answer yet; at the block's end it is ended with all its processes.

    Raises EngineError if its command cannot be run.
    """
    pool, engine = settings.pool, settings.engine
    with ExitStack() as ends, log.open("ab") as words:
        with hold_ports(pool, 3) as (port, master_port, metrics_port):
            # in /tmp, since a Unix socket's path may be no longer than 107 bytes
            folder = Path(f"/tmp/reelmill-{os.getpid()}-{port}")
            folder.mkdir(mode=0o700)
            ends.callback(shutil.rmtree, folder, ignore_errors=True)
            known = {
                "python": sys.executable,
                "host": pool.host,
                "port": str(port),
                "master_port": str(master_port),
                "metrics_port": str(metrics_port),
                "folder": str(folder),
                "cache": pool.cache or _hub_cache(),
            }
            secret = {"key": key, "token": _hub_token()}
        more = read_env_file("engine.env_file", engine.env_file)
        env = {**more, **{name: fill(value, known | secret) for name, value in engine.env.items()}}
        engine = replace(engine, env=env)
        command = command_line(engine, known | secret)
        shown = replace(engine, options=masked(engine.options))
        words.write(f"$ {redact(' '.join(command_line(shown, known | dict.fromkeys(secret, '…'))))}\n".encode())
        words.flush()
        try:
            if engine.container.runtime is not None:  # what it mounts must be there
                Path(known["cache"]).mkdir(parents=True, exist_ok=True)
            process = subprocess.Popen(
                command,
                stdout=words,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **{name: value for name, value in env.items() if value}},
                start_new_session=True,
                preexec_fn=_before_exec,  # noqa: PLW1509 — a supervisor has one thread
            )
        except OSError as error:
            raise EngineError(f"engine={engine.name} cannot be started: {error}") from error
        ends.callback(_end, process)
        host = "127.0.0.1" if pool.host in ("127.0.0.1", "localhost") else socket.gethostname()
        yield Running(process, f"http://{host}:{port}", key, log)


def command_line(engine: Engine, known: Mapping[str, str]) -> list[str]:
    """The command that starts the engine, inside its container if it has one; `known` fills its {placeholders}."""
    options: list[str] = []
    for name, value in engine.options.items():
        if value is not None and value is not False:
            options += [f"--{name}"] if value is True else [f"--{name}", fill(str(value), known)]
    words = [*(fill(word, known) for word in engine.command), *options]
    box, image = engine.container, str(engine.container.image)
    if box.runtime and {":", ","} & {*known["cache"]} and any("{cache}" in mount for mount in box.mounts):
        raise EngineError(f"pool.cache={known['cache']}: a container cannot mount a path with : or , in it")
    mounts = [fill(mount, known) for mount in (*box.mounts, "{folder}:{folder}")]
    match box.runtime:
        case None:
            return words
        case "pyxis":
            where = [f"--container-image={image}", f"--container-mounts={','.join(mounts)}"]
            return ["srun", "--overlap", *where, f"--container-env={','.join(engine.env)}", *words]
        case "apptainer":
            return ["apptainer", "exec", "--nv", *(f"--bind={mount}" for mount in mounts), image, *words]
        case "docker":
            given = [*(f"--volume={mount}" for mount in mounts), *(f"--env={name}" for name in engine.env)]
            shared = ["--network=host", "--ipc=host", "--gpus=all"]
            return ["docker", "run", "--rm", "--init", *shared, *given, "--entrypoint", words[0], image, *words[1:]]


def fill(text: str, known: Mapping[str, str]) -> str:
    """The text with the {placeholders} that are known filled in; other braces, as of JSON, stay."""
    return re.sub(r"\{(\w+)\}", lambda place: known.get(place[1], place[0]), text)


@contextmanager
def hold_ports(pool: Pool, count: int) -> Iterator[list[int]]:
    """`count` free ports, held open until the block's end so that two servers starting on one node differ.

    Raises EngineError if pool.ports has fewer free ones.
    """
    first, last = pool.ports
    order = list(range(first, last + 1))
    Random(os.urandom(8)).shuffle(order)
    with ExitStack() as held:
        found: list[int] = []
        for port in order:
            if len(found) == count:
                break
            listening = socket.socket()
            try:
                listening.bind((pool.host, port))
            except OSError:
                listening.close()
                continue
            held.callback(listening.close)
            found.append(port)
        if len(found) < count:
            raise EngineError(f"pool.ports={first}-{last}: fewer than {count} of these are free on this node")
        yield found


def wait_until_healthy(running: Running, stop: Callable[[], bool], wait_s: float) -> bool:
    """Waits until /health answers: True; False if `stop()` said so first.

    Raises EngineError if the engine dies or takes longer than `wait_s`.
    """
    end = time.monotonic() + wait_s
    while not stop():
        running.check()
        try:
            running.ask("/health")
            return True
        except OSError as error:
            if time.monotonic() > end:
                words = running.last_words()
                raise EngineError(
                    f"the engine was not up after pool.start_minutes={wait_s / 60:g}: {error}; its last words:\n{words}"
                ) from error
            time.sleep(0.2)
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Sends SIGTERM, and after TERM_S SIGKILL to all processes left in its session."""
    try:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(TERM_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _before_exec() -> None:
    """Ties the engine to its supervisor: killed when that dies, and deaf to Slurm's signal before the time limit."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def _hub_cache() -> str:
    from huggingface_hub.constants import HF_HUB_CACHE  # here, since it takes 0.2 s

    return str(HF_HUB_CACHE)


def _hub_token() -> str:
    from huggingface_hub import get_token

    return get_token() or ""
