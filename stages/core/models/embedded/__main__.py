"""A small model server with TGI's HTTP API, for laptops and CI: transformers with micro-batching.

    python -m stages.core.models.embedded --model-id NAME_OR_FOLDER --port P [--fallback untrained] [--images]

The API key comes from the environment variable API_KEY, since other users can see command lines. SIGTERM ends the
server with exit status 0 as soon as the requests in flight are answered. Status 2: the model cannot be loaded; 3: the
port is taken.
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

from stages.core.models.embedded.connections import allow_many_files
from stages.core.models.hub import UnloadableError, UnreachableError, find_model, takes_images

if TYPE_CHECKING:  # torch and transformers take seconds to import: a wrong name or a taken port is reported before
    from stages.core.models.embedded.server import Server

NO_MODEL, NO_PORT = 2, 3
BACKLOG = 1024
LOOK_S = 0.02  # between checks whether the last answer was sent
CLOSING_S = 2.0  # for connections at the end, on which requests may be half sent


class PortError(Exception):
    """The port cannot be bound."""


def parse_arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m stages.core.models.embedded", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--model-id", required=True, help="a folder, or a name on the Hugging Face Hub")
    parser.add_argument("--revision")
    parser.add_argument("--hostname", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--max-concurrent-requests", type=int, default=128, help="further requests get status 429")
    parser.add_argument("--max-batch-size", type=int, default=64)
    parser.add_argument(
        "--max-batch-total-tokens",
        type=int,
        default=1 << 14,
        help="token budget of a batch: rows × (longest prompt + answer)",
    )
    parser.add_argument("--max-input-tokens", type=int)
    parser.add_argument("--max-total-tokens", type=int, help="prompt and answer; default: the model's, 8192 at most")
    parser.add_argument("--payload-limit", type=int, default=1 << 25, help="bytes of a request")
    parser.add_argument("--images", action="store_true", help="the model must accept images")
    parser.add_argument("--fallback", choices=["untrained"], help="random weights, if the Hub cannot be reached")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    options = parse_arguments(words)
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            with translate_socket_errors(options):
                # reserves the port; listening starts once the model is loaded
                listener.bind((options.hostname, options.port))
            with ExitStack() as ends:
                folder, name = find_or_make_model(options, ends)
                server = load_server(options, folder, name)
            with translate_socket_errors(options):
                listener.listen(BACKLOG)
        except UnloadableError as error:
            print(error, file=sys.stderr)
            return NO_MODEL
        except PortError as error:
            print(error, file=sys.stderr)
            return NO_PORT
        allow_many_files()
        asyncio.run(serve_until_signal(server, listener))
    return 0


@contextmanager
def translate_socket_errors(options: argparse.Namespace) -> Iterator[None]:
    try:
        yield
    except (OSError, OverflowError) as error:
        words = f"--hostname {options.hostname} --port {options.port}: {error}; end who has it, or choose another port"
        raise PortError(words) from error


def find_or_make_model(options: argparse.Namespace, ends: ExitStack) -> tuple[Path, str]:
    """The folder and name of the model; with --fallback, if the Hub cannot be reached, those of an untrained one."""
    try:
        folder = find_model(options.model_id, options.revision, "--model-id ", instead="take --fallback untrained")
        if options.images and not takes_images(folder):
            raise UnloadableError(
                f"--images: the model {options.model_id} accepts no images; use one that does, such as SmolVLM"
            )
        return folder, options.model_id
    except UnreachableError as error:
        if options.fallback is None:
            raise
        print(f"{error}\nSo an UNTRAINED demo model answers here, with random words.", file=sys.stderr, flush=True)
    from stages.core.models.embedded import untrained

    folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="reelmill-untrained-")))
    untrained.save(folder, images=options.images)
    return folder, untrained.NAME


def load_server(options: argparse.Namespace, folder: Path, name: str) -> "Server":
    """The server, with its model loaded. Raises UnloadableError."""
    from stages.core.models.embedded import generation
    from stages.core.models.embedded.batching import Batcher
    from stages.core.models.embedded.loading import MAX_TOKENS, load
    from stages.core.models.embedded.prompts import Prompts
    from stages.core.models.embedded.server import Server, ServerInfo
    from stages.core.models.embedded.untrained import NAME
    from stages.core.models.weights import name_model

    loaded = load(folder)
    total = options.max_total_tokens or min(loaded.longest, MAX_TOKENS)
    if total > loaded.longest:
        raise UnloadableError(f"--max-total-tokens {total}: the longest that this model can do is {loaded.longest}")
    prompts = Prompts(loaded, options.max_input_tokens or total - 1, total)
    batches = Batcher(partial(generation.run, loaded), options.max_batch_size, options.max_batch_total_tokens)
    key = os.environ.get("API_KEY") or None
    revision = None if name == NAME else name_model(name, folder).rpartition("@")[2]
    return Server(
        ServerInfo(name, revision, options.max_concurrent_requests, options.payload_limit, key),
        prompts,
        batches,
    )


async def serve_until_signal(server: "Server", listener: socket.socket) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(server, listener, stop)


async def serve(server: "Server", listener: socket.socket, stop: asyncio.Event) -> None:
    """Serves until `stop` is set, then finishes the requests in flight."""
    # the handler of a disconnected client is cancelled, and its job with it
    runner = web.AppRunner(server.app, access_log=None, handler_cancellation=True, shutdown_timeout=CLOSING_S)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=BACKLOG).start()
    assert runner.server is not None
    watching = asyncio.create_task(server.connections.watch(partial(getattr, runner.server, "connections")))
    working = asyncio.create_task(server.batches.work())
    host, port = listener.getsockname()[:2]
    print(f"ready: {server.served.model_id} on http://{host}:{port}", file=sys.stderr, flush=True)
    await stop.wait()
    server.draining = True
    while server.in_flight:
        await asyncio.sleep(LOOK_S)
    await runner.cleanup()
    for task in (watching, working):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
