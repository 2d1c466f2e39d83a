"""A small model server that speaks TGI's HTTP API, for a laptop and for CI: transformers, micro-batched.

    python -m stages.core.models.embedded --model-id NAME_OR_FOLDER --port P [--fallback untrained] [--images]

The key that requests must bring comes from the environment variable API_KEY: other people see command lines. SIGTERM
ends it with status 0 as soon as what is under way is answered; a model that cannot be loaded is status 2, a port that
is taken status 3.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from stages.core.models.hub import UnloadableError, UnreachableError, find_model, find_revision, takes_images

if TYPE_CHECKING:  # torch and transformers take seconds: a wrong name or a port that is taken is told before
    from stages.core.models.embedded.server import Server

NO_MODEL, NO_PORT = 2, 3
BACKLOG = 1024
LOOK_S = 0.02  # between two looks whether the last answer has left


class PortError(Exception):
    """The port cannot be had."""


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m stages.core.models.embedded", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--model-id", required=True, help="a folder, or a name on the Hugging Face Hub")
    parser.add_argument("--revision")
    parser.add_argument("--hostname", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--max-concurrent-requests", type=int, default=128, help="more get status 429")
    parser.add_argument("--max-batch-size", type=int, default=64)
    parser.add_argument("--max-batch-total-tokens", type=int, default=1 << 14, help="of all rows, prompts and answers")
    parser.add_argument("--max-input-tokens", type=int)
    parser.add_argument("--max-total-tokens", type=int, help="prompt and answer; default: the model's, 8192 at most")
    parser.add_argument("--payload-limit", type=int, default=1 << 25, help="bytes of a request")
    parser.add_argument("--images", action="store_true", help="the model must see pictures")
    parser.add_argument("--fallback", choices=["untrained"], help="where the Hub cannot be reached: random weights")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    given = arguments(words)
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            with bound(given):
                # from here on nobody else gets it; it is listened on once the model is there
                listener.bind((given.hostname, given.port))
            with ExitStack() as ends:
                folder, name = model(given, ends)
                server = served(given, folder, name)
            with bound(given):
                listener.listen(BACKLOG)
        except UnloadableError as error:
            print(error, file=sys.stderr)
            return NO_MODEL
        except PortError as error:
            print(error, file=sys.stderr)
            return NO_PORT
        asyncio.run(until_signalled(server, listener))
    return 0


@contextmanager
def bound(given: argparse.Namespace) -> Iterator[None]:
    try:
        yield
    except (OSError, OverflowError) as error:
        words = f"--hostname {given.hostname} --port {given.port}: {error}; end who has it, or take another port"
        raise PortError(words) from error


def model(given: argparse.Namespace, ends: ExitStack) -> tuple[Path, str]:
    """The folder of the model and its name; an untrained one's where that is asked for and the Hub is out of reach."""
    try:
        folder = find_model(given.model_id, given.revision, "--model-id ", instead="take --fallback untrained")
        if given.images and not takes_images(folder):
            raise UnloadableError(
                f"--images: the model {given.model_id} sees none; give one that does, such as SmolVLM"
            )
        return folder, given.model_id
    except UnreachableError as error:
        if given.fallback is None:
            raise
        print(f"{error}\nSo an UNTRAINED demo model answers here: its words are random.", file=sys.stderr, flush=True)
    from stages.core.models.embedded import untrained

    folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="reelmill-untrained-")))
    untrained.save(folder, images=given.images)
    return folder, untrained.NAME


def served(given: argparse.Namespace, folder: Path, name: str) -> "Server":
    """The server, with its model loaded."""
    from stages.core.models.embedded import generation
    from stages.core.models.embedded.batching import Batches
    from stages.core.models.embedded.loading import LONGEST, load
    from stages.core.models.embedded.prompts import Prompts
    from stages.core.models.embedded.server import Served, Server

    loaded = load(folder)
    total = given.max_total_tokens or min(loaded.longest, LONGEST)
    if total > loaded.longest:
        raise UnloadableError(f"--max-total-tokens {total}: this model goes no further than {loaded.longest}")
    prompts = Prompts(loaded, given.max_input_tokens or total - 1, total)
    batches = Batches(partial(generation.run, loaded), given.max_batch_size, given.max_batch_total_tokens)
    key = os.environ.get("API_KEY") or None
    return Server(
        Served(name, find_revision(folder), given.max_concurrent_requests, given.payload_limit, key), prompts, batches
    )


async def until_signalled(server: "Server", listener: socket.socket) -> None:
    """Answers until SIGTERM or Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await answer(server, listener, stop)


async def answer(server: "Server", listener: socket.socket, stop: asyncio.Event) -> None:
    """Answers until it is to stop, then what is under way."""
    # a handler whose client is gone is cancelled, and its job with it
    runner = web.AppRunner(server.app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=BACKLOG).start()
    working = asyncio.create_task(server.batches.work())
    host, port = listener.getsockname()[:2]
    print(f"ready: {server.served.model_id} on http://{host}:{port}", file=sys.stderr, flush=True)
    await stop.wait()
    server.draining = True
    while server.under_way:
        await asyncio.sleep(LOOK_S)
    await runner.cleanup()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
