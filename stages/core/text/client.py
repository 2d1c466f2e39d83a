"""Many questions to a pool at once, each answer with the item that it belongs to.

What is a server's fault (429, 5xx, a lost connection) goes to another server and costs the item nothing; what may be
the item's (424, a garbled or cut answer) is tried a few times; what surely is (422) is never repeated.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import aiohttp

from slurm.errors import ClusterError, ItemError, UnavailableError
from slurm.pool.launch import ensure, hopeless
from slurm.pool.registry import BEAT_S, PoolFolder
from slurm.pool.wire import GarbledError, Prompt, Reply, call, reply
from stages.core.text.fleet import Fleet, Server
from stages.core.text.template import Template
from stages.core.text.traffic import Traffic

TRIES = 3
MOVES = 5  # from server to server, while others get their answers, or as they die over it: then it is the item's fault
DIED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)  # in the middle of it
REFRESH_S = 2.0
WAKE_S = 0.1
GATHER_S = 0.02  # answers are handed over together: one by one takes a quarter more of our CPU
ENSURE_S = 10.0
MOST_FORMS = 64  # that servers are warmed up for

log = logging.getLogger("reelmill")


class Asked(NamedTuple):
    key: str  # of the item
    prompt: Prompt


class Answer(NamedTuple):
    """`reply`, or what is wrong with the item; and who answered."""

    key: str
    reply: Reply | None
    error: ItemError | None
    replica: str  # its job
    model: str
    revision: str | None
    latency_s: float  # of the try that succeeded or was the last


def answers(
    asked: Iterable[Asked],
    folder: PoolFolder,
    *,
    stopping: Callable[[], bool],
    leaving: Callable[[], bool],
    note: Callable[..., object] = dict,
) -> Iterator[Answer]:
    """An answer to each, in the order in which they come; fewer when stopping, and none more when leaving.

    Of `asked` no more are taken than can be under way. `note` is told at last how many answers and tokens there were.
    Raises UnavailableError when the pool gives no answer for pool.wait_minutes, or cannot be started.
    """
    with asyncio.Runner() as runner:
        client = Client(iter(asked), folder, stopping)
        runner.run(client.begin())
        try:
            while not leaving() and (some := runner.run(client.some())) is not None:
                yield from some
            note(**client.traffic.summary())
        finally:
            runner.run(client.end())


class Client:
    """One task's side of a pool."""

    def __init__(self, asked: Iterator[Asked], folder: PoolFolder, stopping: Callable[[], bool]) -> None:
        self.asked, self.folder, self.stopping = asked, folder, stopping
        self.settings = folder.settings
        self.fleet = Fleet(self.settings.pool.in_flight, self.settings.serves)
        self.name = f"{os.uname().nodename}.{os.getpid()}"
        self.done: list[Answer] = []
        self.forms: set[int] = set()  # of answers, that servers are told of
        self.traffic = Traffic(folder.name)

    @cached_property
    def template(self) -> Template:
        return Template(self.settings.pool.model, self.settings.pool.revision)

    async def begin(self) -> None:
        key, pool = self.folder.key(), self.settings.pool
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=pool.timeout_s, sock_connect=10),
            headers={"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {}),
        )
        self.news = asyncio.Event()
        self.fleet.update(self.folder.replicas())
        self.keeper = asyncio.create_task(self._keep())
        self.work = asyncio.gather(*(self._work() for _ in range(pool.in_flight)))
        self.work.add_done_callback(lambda _: self.news.set())

    async def some(self) -> list[Answer] | None:
        """What was answered since, perhaps nothing; None when all is. Raises what went wrong."""
        if not self.done:
            for task in (self.keeper, self.work):
                if task.done():
                    task.result()
            if self.work.done():
                return None
            self.news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), REFRESH_S)
            await asyncio.sleep(GATHER_S)
        found, self.done = self.done, []
        return found

    async def end(self) -> None:
        self.keeper.cancel()
        self.work.cancel()
        await asyncio.gather(self.keeper, self.work, return_exceptions=True)
        await self.session.close()
        self.folder.remove_client(self.name)

    async def _work(self) -> None:
        for key, prompt in self.asked:  # all workers share it: each takes the next one when it is free
            if self.settings.engine.route == "generate" and prompt.text is None and not prompt.images:
                prompt = replace(prompt, text=self.template(prompt.messages))  # noqa: PLW2901
            self._warm(prompt)
            answer = await self._ask(key, prompt)
            self.done.append(answer)  # only now is it known which list that is
            self.news.set()
            if self.stopping():
                return

    def _warm(self, prompt: Prompt) -> None:
        """Has servers that start later compile the prompt's grammar before they are asked: that takes them seconds."""
        if not prompt.bound or len(self.forms) >= MOST_FORMS:
            return
        form = hash((tuple(prompt.choices or ()), json.dumps(prompt.schema)))
        if form not in self.forms:
            self.forms.add(form)
            engine, model = self.settings.engine, self.settings.pool.model
            request = call(prompt, engine.dialect, engine.route, model)
            self.folder.warm(json.dumps([prompt.choices, prompt.schema]), request)

    async def _ask(self, key: str, prompt: Prompt) -> Answer:
        """The answer to one question, whoever gives it at last."""
        tries = moves = deaths = 0
        answered = self.traffic.answers
        while True:
            server = await self.fleet.take()
            begun_s = time.monotonic()
            reply: Reply | None = None
            error: ItemError | None = None
            try:
                reply = await self._put(server, prompt)
                server.answered()
            except OverloadedError:
                server.refused()
            except (aiohttp.ClientError, TimeoutError, OSError, LostError) as lost:
                server.failed()
                moves += 1
                deaths += isinstance(lost, DIED) and not isinstance(lost, aiohttp.ClientConnectorError)
                if deaths > MOVES or (moves > MOVES and self.traffic.answers > answered):
                    error = ItemError("no_answer", f"{moves} times a server failed over it, the last with {lost!r}")
            except (GarbledError, FailedError) as failed:
                if isinstance(failed, GarbledError):
                    server.failed()
                tries += 1
                if tries >= TRIES:
                    error = ItemError("no_answer", str(failed))
            except ItemError as refused:
                error = refused
            finally:
                self.fleet.give_back(server)
            if reply is not None and reply.finish == "length" and prompt.bound:
                tries += 1
                if tries >= TRIES:
                    error = ItemError("cut_short", f"after {prompt.max_tokens} tokens: {reply.text[-80:]!r}")
                reply = None
            if reply is not None or error is not None:
                latency_s = time.monotonic() - begun_s
                self.traffic.count(reply, latency_s)
                who = server.replica
                return Answer(key, reply, error, who.job, who.model, who.revision, latency_s)

    async def _put(self, server: Server, prompt: Prompt) -> Reply:
        """What one server answers. Raises, besides what aiohttp does, what is told by the status, and GarbledError."""
        who, engine = server.replica, self.settings.engine
        asked = call(prompt, who.dialect, engine.route, who.model)
        async with self.session.post(who.url + asked.path, data=json.dumps(asked.body).encode()) as response:
            text = await response.read()
        match response.status:
            case 200:
                return read(prompt, who.dialect, asked.path, text)
            case 429:
                raise OverloadedError
            case 424:
                raise FailedError(said(text))
            case 400 | 404 | 413 | 422:
                raise ItemError("prompt_refused", f"{response.status}: {said(text)}")
            case status:
                raise LostError(f"{status}: {said(text)}")

    async def _keep(self) -> None:
        """Looks after the pool: who is there, who is missing, and whether anything comes."""
        pool = self.settings.pool
        beat_s = ensured_s = float("-inf")
        while True:
            now_s = time.monotonic()
            self.fleet.update(await asyncio.to_thread(self.folder.replicas))
            if now_s - beat_s >= BEAT_S:
                await asyncio.to_thread(self.folder.beat_client, self.name)
                beat_s = now_s
            if not self.fleet.servers and now_s - ensured_s >= ENSURE_S:
                await asyncio.to_thread(self._start_missing)
                ensured_s = now_s
            if now_s - self.traffic.answered_s > pool.wait_minutes * 60:
                raise UnavailableError(
                    f"pool {self.folder} gave no answer for pool.wait_minutes={pool.wait_minutes:g}: "
                    f"python -m slurm serve run={self.folder.run.name} pool={self.folder.name} status"
                )
            self.traffic.tell(self.fleet)
            for _ in range(round(REFRESH_S / WAKE_S)):
                await asyncio.sleep(WAKE_S)
                self.fleet.wake()

    def _start_missing(self) -> None:
        """Has replicas started where there are none. Raises UnavailableError where that has proved in vain."""
        if words := hopeless(self.folder):
            raise UnavailableError(f"pool {self.folder} does not start: {words}")
        try:
            ensure(self.folder)
        except ClusterError as error:  # a node from which nothing can be submitted: others may
            log.warning("%s", error)


class OverloadedError(Exception):
    """The server has too much to do (429)."""


class LostError(Exception):
    """The server failed (5xx, 401): another one may not."""


class FailedError(Exception):
    """The model failed over this prompt (424)."""


def read(prompt: Prompt, dialect: str, path: str, text: bytes) -> Reply:
    try:
        return reply(prompt, dialect, path, json.loads(text))
    except ValueError as error:
        raise GarbledError(f"no JSON: {text[:200]!r}") from error


def said(text: bytes) -> str:
    return text[:500].decode(errors="replace")
