"""Load balancing over the servers of a pool, by outstanding requests of this task.

The server with the fewest outstanding requests is next, which suits servers of unequal speed. A server that answers 429
is limited to the requests that it holds; each success raises the limit slowly. One that fails is paused (with
exponential backoff), then tried with a single request (a circuit breaker).
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable

from slurm.pool.registry import Replica

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0

log = logging.getLogger("reelmill")


class Server:
    """A replica, with this task's outstanding requests to it and their limit."""

    def __init__(self, replica: Replica, max_outstanding: int) -> None:
        self.replica = replica
        self.limit = float(min(max_outstanding, replica.max_concurrent_requests))
        self.max_outstanding = self.limit
        self.outstanding = 0
        self.failures = 0  # in a row
        self.paused_until_s = 0.0
        self.pause_s = FIRST_PAUSE_S

    def has_room(self, now_s: float) -> bool:
        if self.replica.state == "draining" or now_s < self.paused_until_s:
            return False
        return self.outstanding < (1 if self.failures else self.limit)

    def record_success(self) -> None:
        self.failures, self.pause_s = 0, FIRST_PAUSE_S
        self.limit = min(self.max_outstanding, self.limit + 1 / self.limit)

    def record_overload(self) -> None:
        """Lowers the limit to the requests that the server still holds; pauses it if there are none."""
        held = self.outstanding - 1
        self.limit = max(1.0, min(self.limit, float(held)))
        if held < 1:
            self._pause()

    def record_failure(self) -> None:
        self.failures += 1
        self._pause()

    def _pause(self) -> None:
        now_s = time.monotonic()
        if now_s >= self.paused_until_s:  # of many failures at the same time only one counts
            self.paused_until_s = now_s + self.pause_s * random.uniform(0.5, 1.0)
            self.pause_s = min(LONGEST_PAUSE_S, 2 * self.pause_s)


class LoadBalancer:
    """The current servers; `acquire` one for each request, and `release` it."""

    def __init__(self, max_outstanding: int, serves: Callable[[str], bool]) -> None:
        self.max_outstanding, self.serves = max_outstanding, serves
        self.servers: dict[str, Server] = {}  # by URL
        self._waiting: deque[asyncio.Future[Server]] = deque()
        self._skipped: set[str] = set()

    def update(self, replicas: list[Replica]) -> None:
        """Sets the servers to the registered replicas; those that serve another model are skipped, with a warning."""
        for replica in replicas:
            if not self.serves(replica.model):
                if replica.url not in self._skipped:
                    log.warning("%s serves another model, %s: no requests are sent to it", replica.url, replica.model)
                self._skipped.add(replica.url)
            elif replica.url in self.servers:
                self.servers[replica.url].replica = replica
            else:
                self.servers[replica.url] = Server(replica, self.max_outstanding)
        registered = {replica.url for replica in replicas}
        for url in self.servers.keys() - registered:
            del self.servers[url]
        self.wake()

    async def acquire(self) -> Server:
        """The least loaded server with room; waits for one if there is none."""
        server = self._least_loaded() if not self._waiting else None
        if server is None:
            waiter: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            server = await waiter
        else:
            server.outstanding += 1
        return server

    def release(self, server: Server) -> None:
        server.outstanding -= 1
        self.wake()

    def wake(self) -> None:
        """Gives servers with room to the waiting requests, first come first served.

        To be called regularly, since pauses end without an event.
        """
        while self._waiting and (server := self._least_loaded()) is not None:
            waiter = self._waiting.popleft()
            if not waiter.done():
                server.outstanding += 1
                waiter.set_result(server)

    def _least_loaded(self) -> Server | None:
        now_s = time.monotonic()
        free = [server for server in self.servers.values() if server.has_room(now_s)]
        return min(free, key=lambda server: server.outstanding, default=None)
