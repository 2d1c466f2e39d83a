"""The servers of a pool as one task sees them: which of them a request goes to, and how much each one bears.

Least outstanding first: it evens out servers of unequal speed, since a slow one keeps what it has got. A server that
says 429 gets no more at once than it holds, and slowly more again as it answers. One that fails is left alone for a
while, then tried with a single request (a circuit breaker).
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable

from slurm.pool.registry import Replica

FIRST_REST_S, LONGEST_REST_S = 0.5, 30.0

log = logging.getLogger("reelmill")


class Server:
    """A replica, and what this task has there."""

    def __init__(self, replica: Replica, most: int) -> None:
        self.replica = replica
        self.limit = float(min(most, replica.max_concurrent_requests))
        self.most = self.limit
        self.under_way = 0
        self.failures = 0  # in a row
        self.rests_until_s = 0.0
        self.rest_s = FIRST_REST_S

    def room(self, now_s: float) -> bool:
        if self.replica.state == "draining" or now_s < self.rests_until_s:
            return False
        return self.under_way < (1 if self.failures else self.limit)

    def answered(self) -> None:
        self.failures, self.rest_s = 0, FIRST_REST_S
        self.limit = min(self.most, self.limit + 1 / self.limit)

    def refused(self) -> None:
        """It has too much to do: what it holds of ours is what it can hold now, and more once that is answered."""
        held = self.under_way - 1
        self.limit = max(1.0, min(self.limit, float(held)))
        if held < 1:
            self._rest()

    def failed(self) -> None:
        self.failures += 1
        self._rest()

    def _rest(self) -> None:
        now_s = time.monotonic()
        if now_s >= self.rests_until_s:  # of many that come back at once, one counts
            self.rests_until_s = now_s + self.rest_s * random.uniform(0.5, 1.0)
            self.rest_s = min(LONGEST_REST_S, 2 * self.rest_s)


class Fleet:
    """The servers that there are now; `take` one, and `give_back` it."""

    def __init__(self, most: int, serves: Callable[[str], bool]) -> None:
        self.most, self.serves = most, serves
        self.servers: dict[str, Server] = {}  # by URL
        self._waiting: deque[asyncio.Future[Server]] = deque()
        self._refused: set[str] = set()

    def update(self, replicas: list[Replica]) -> None:
        """Takes over who is registered; servers of another model are left out."""
        for replica in replicas:
            if not self.serves(replica.model):
                if replica.url not in self._refused:
                    log.warning("%s serves another model, %s: nothing is sent there", replica.url, replica.model)
                self._refused.add(replica.url)
            elif replica.url in self.servers:
                self.servers[replica.url].replica = replica
            else:
                self.servers[replica.url] = Server(replica, self.most)
        there = {replica.url for replica in replicas}
        for url in self.servers.keys() - there:
            del self.servers[url]
        self.wake()

    async def take(self) -> Server:
        """A server that has room, at once or later."""
        server = self._best() if not self._waiting else None
        if server is None:
            waiter: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            server = await waiter
        else:
            server.under_way += 1
        return server

    def give_back(self, server: Server) -> None:
        server.under_way -= 1
        self.wake()

    def wake(self) -> None:
        """Gives servers with room to those who wait, first come first served; called now and then, since rests end."""
        while self._waiting and (server := self._best()) is not None:
            waiter = self._waiting.popleft()
            if not waiter.done():
                server.under_way += 1
                waiter.set_result(server)

    def _best(self) -> Server | None:
        now_s = time.monotonic()
        free = [server for server in self.servers.values() if server.room(now_s)]
        return min(free, key=lambda server: server.under_way, default=None)
