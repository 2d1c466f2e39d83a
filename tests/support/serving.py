"""A web server of a test in its own process: it answers while the `with` block lasts."""

import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, cast


class Serving:
    """Answers by `handler`, which is given the object itself before all else; `host` has its port."""

    def __init__(
        self, handler: Callable[..., BaseHTTPRequestHandler], server: type[ThreadingHTTPServer] = ThreadingHTTPServer
    ) -> None:
        made = cast(Callable[..., BaseHTTPRequestHandler], partial(handler, self))
        self._server = server(("127.0.0.1", 0), made)
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
