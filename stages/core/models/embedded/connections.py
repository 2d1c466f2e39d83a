"""Connections on which no request comes: they are closed, so that those who do not know the key lock nobody out."""

import asyncio
import resource
import time
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

HEADERS_S = 15.0  # for the first request of a connection to come with all its headers
STRANGERS = 512  # connections at once on which no request with the key has come yet; the oldest gives way
LOOK_S = 0.5


class Connections:
    """Watches the connections of a server; `admit` says that one has sent a request that may be answered."""

    def __init__(self, headers_s: float = HEADERS_S, strangers: int = STRANGERS) -> None:
        self.headers_s, self.strangers = headers_s, strangers
        self.admitted: set[asyncio.BaseTransport] = set()
        self.since_s: dict[asyncio.Transport, float] = {}  # of those that were not admitted, oldest first

    def admit(self, request: web.Request) -> None:
        if request.transport is not None:
            self.admitted.add(request.transport)

    async def watch(self, connections: Callable[[], Iterable[Any]]) -> None:
        """Closes those that send no request in time, and the oldest strangers where there are too many."""
        while True:
            self.close_late([one.transport for one in connections() if one.transport is not None])
            await asyncio.sleep(LOOK_S)

    def close_late(self, there: list[asyncio.Transport]) -> None:
        now_s = time.monotonic()
        self.admitted &= set(there)
        since_s = {each: self.since_s.get(each, now_s) for each in there if each not in self.admitted}
        self.since_s = dict(sorted(since_s.items(), key=lambda item: item[1]))
        too_many = len(self.since_s) - self.strangers
        for number, (transport, begun_s) in enumerate(self.since_s.items()):
            if number < too_many or now_s - begun_s > self.headers_s:
                transport.abort()


def allow_many_files() -> None:
    """Raises the limit of open files of this process to what the system allows: a connection is one."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
