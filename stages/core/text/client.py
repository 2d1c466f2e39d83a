"""Asynchronous client of a pool: many prompts at once, each answer with the key of its item.

Faults of a server (429, 5xx, a lost connection) move the prompt to another server; faults that may be the item's (424,
a malformed answer) are retried up to TRIES attempts; those that are (422) are not retried. An answer that its question
does not accept is asked for again, with the reason, up to TRIES times in all.
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
from secrets import token_hex
from typing import Any, NamedTuple

import aiohttp

from slurm.errors import ItemError, SpentError
from slurm.pool.registry import PoolFolder, Replica
from slurm.pool.spending import Purse
from slurm.pool.wire import GarbledError, Prompt, Reply, call
from stages.core.models.hub import name_served
from stages.core.text.balancer import LoadBalancer
from stages.core.text.chat_template import ChatTemplate
from stages.core.text.metrics import ClientMetrics, known_sum
from stages.core.text.sending import GenerationFailedError, OverloadedError, ServerFailedError, send
from stages.core.text.tokens import tokens_in, tokens_of
from stages.core.text.verdict import RejectedError, whole
from stages.core.text.watching import PoolWatcher

TRIES = 3
# Server changes for one item before the item is blamed: it kills servers, or only it fails while others are answered.
MOVES = 5
DIED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)  # during the request
LOOK_S = 2.0
GATHER_S = 0.02  # answers are handed over in groups: one by one costs a quarter more CPU
MAX_GRAMMARS = 64  # that servers are warmed up with

log = logging.getLogger("reelmill")


class Question(NamedTuple):
    """`read` makes the answer's value of a reply, or raises RejectedError; None: its text.

    `follow` makes the next question about the item of an accepted answer's value; None: there is none.
    """

    key: str  # of the item
    prompt: Prompt
    read: Callable[[Reply], Any] | None = None
    follow: Callable[[Any], "Question | None"] | None = None


class Sent(NamedTuple):
    """What came of one request: a reply, or the item's error; and the server that gave it."""

    reply: Reply | None
    error: ItemError | None
    replica: Replica
    latency_s: float  # of the last attempt


class Answer(NamedTuple):
    """`value` and the `reply` that it was read from, or the `error` of the item; and the server that answered."""

    key: str
    value: Any
    reply: Reply | None  # the last one, also where it was not accepted
    error: ItemError | None
    replica: str  # Slurm job of the server
    model: str  # without the path of a machine
    revision: str | None  # of a model in a folder a hash of its weights
    latency_s: float  # of the last attempt
    tokens_in: int | None  # of all replies to this question; None where no server reported them
    tokens_out: int | None
    tries: int  # replies that the question took


def ask_all(
    questions: Iterable[Question],
    folder: PoolFolder,
    *,
    stopping: Callable[[], bool],
    leaving: Callable[[], bool],
    note: Callable[..., object] = dict,
    slow: bool = False,
) -> Iterator[Answer]:
    """Yields an answer to each question as they arrive.

    After `stopping()` is true no new question is sent; after `leaving()` is true it ends at once.

    Questions are drawn lazily, at most as many as can be outstanding; where making one is `slow` (pictures), in a
    thread beside the requests, which must not wait for it. With the answers `note` is called with the counts
    of answers and tokens since its last call. Raises UnavailableError if the pool gives no answer for
    pool.wait_minutes, or cannot be started; SpentError when the run's budget is spent, after all that was under way.
    """
    with asyncio.Runner() as runner:
        client = Client(iter(questions), folder, stopping, slow=slow)
        runner.run(client.start())
        try:
            while not leaving() and (arrived := runner.run(client.next_answers())) is not None:
                note(**client.metrics.take())
                yield from arrived
            note(**client.metrics.take())
            if client.spent:
                raise SpentError(client.spent)
        finally:
            runner.run(client.stop())


class Client:
    """The pool client of one task."""

    def __init__(
        self, questions: Iterator[Question], folder: PoolFolder, stopping: Callable[[], bool], *, slow: bool = False
    ) -> None:
        self.questions, self.folder, self.stopping = questions, folder, stopping
        self.drawing = asyncio.Lock() if slow else None  # held while a thread draws a question
        self.settings = folder.settings
        self.balancer = LoadBalancer(self.settings.pool.in_flight, self.settings.serves)
        self.name = f"{os.uname().nodename}.{os.getpid()}"
        self.done: list[Answer] = []
        self.grammars: set[int] = set()  # hashes of those that servers are warmed up with
        self.metrics = ClientMetrics(folder.name)
        self.purse = Purse(folder.run, folder.root.name, self.settings.pool.model, f"{self.name}.{token_hex(4)}")
        self.spent: str | None = None  # why nothing more is asked, where the budget is spent

    @cached_property
    def template(self) -> ChatTemplate:
        return ChatTemplate(self.settings.pool.model, self.settings.pool.revision)

    async def start(self) -> None:
        key, pool = self.folder.key(), self.settings.pool
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=pool.timeout_s, sock_connect=10),
            headers={"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {}),
        )
        self.news = asyncio.Event()
        self.balancer.update(self.folder.replicas())
        watcher = PoolWatcher(self.folder, self.name, self.balancer, self.metrics, self.purse)
        self.keeper = asyncio.create_task(watcher.watch())
        self.work = asyncio.gather(*(self._ask_questions() for _ in range(pool.in_flight)))
        self.work.add_done_callback(lambda _: self.news.set())

    async def next_answers(self) -> list[Answer] | None:
        """The answers since the last call, maybe none; None after the last. Raises what the tasks raised."""
        if not self.done:
            for task in (self.keeper, self.work):
                if task.done():
                    task.result()
            if self.work.done():
                return None
            self.news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), LOOK_S)
            await asyncio.sleep(GATHER_S)
        arrived, self.done = self.done, []
        return arrived

    async def stop(self) -> None:
        self.keeper.cancel()
        self.work.cancel()
        await asyncio.gather(self.keeper, self.work, return_exceptions=True)
        await self.session.close()
        self.purse.refresh()
        self.folder.remove_client(self.name)

    async def _ask_questions(self) -> None:
        while (first := await self._draw()) is not None:
            question: Question | None = first
            while question is not None:
                answer = await self._ask(question)
                if answer is None:
                    return
                self.done.append(answer)  # not before the await: `next_answers` replaces the list
                self.news.set()
                question = question.follow(answer.value) if question.follow and answer.error is None else None
                if self.stopping():
                    return

    async def _draw(self) -> Question | None:
        """The next question, of those that all workers share; None after the last, or where nothing new is sent."""
        if self.drawing is None:
            return next(self.questions, None)
        async with self.drawing:
            return None if self.stopping() else await asyncio.to_thread(next, self.questions, None)

    def _warm_up(self, prompt: Prompt) -> None:
        """Registers the prompt's grammar, so that servers that start later compile it first, which takes seconds."""
        if not prompt.bound or len(self.grammars) >= MAX_GRAMMARS:
            return
        grammar = hash((tuple(prompt.choices or ()), json.dumps(prompt.schema)))
        if grammar not in self.grammars:
            self.grammars.add(grammar)
            engine, model = self.settings.engine, self.settings.pool.model
            shortest = replace(prompt, max_tokens=1, images=())  # a whole answer may take minutes
            request = call(shortest, engine.dialect, engine.route, model)
            self.folder.warm(json.dumps([prompt.choices, prompt.schema]), request)

    async def _ask(self, question: Question) -> Answer | None:
        """The answer to one question; one that is not accepted is asked for again, with the reason.

        None where the budget is spent before it is answered.
        """
        prompt, replies = question.prompt, list[Reply]()
        while True:
            sent = await self._send(self._as_pool_asks(prompt), question.key)
            if sent is None:
                return None
            value, error = None, sent.error
            if sent.reply is not None:
                replies.append(sent.reply)
                self.metrics.count_reply(sent.reply)
                self.purse.add(*tokens_of(sent.reply, prompt))
                try:
                    value = read(question, sent.reply)
                except RejectedError as rejected:
                    self.metrics.count_rejected(rejected.code)
                    if not rejected.final and len(replies) < TRIES:
                        prompt = replace(question.prompt, rejected=rejected.conversation(sent.reply))
                        continue
                    value = rejected.otherwise
                    error = rejected.item_error(sent.reply) if value is None else None
            self.metrics.count_answer(sent.latency_s)
            return Answer(
                question.key,
                value,
                replies[-1] if replies else None,
                error,
                sent.replica.job,
                name_served(sent.replica.model),
                sent.replica.revision,
                sent.latency_s,
                known_sum([reply.tokens_in for reply in replies]),
                known_sum([reply.tokens_out for reply in replies]),
                len(replies),
            )

    def _as_pool_asks(self, prompt: Prompt) -> Prompt:
        """The prompt with what the pool's keys say of it, as text for servers that do not apply the chat template."""
        pool = self.settings.pool
        prompt = replace(prompt, max_tokens=pool.max_tokens or prompt.max_tokens, thinking=pool.thinking)
        if self.settings.engine.route == "generate" and not prompt.images and (prompt.text is None or prompt.rejected):
            prompt = replace(prompt, text=self.template(prompt.turns, prompt.thinking))
        self._warm_up(prompt)
        return prompt

    async def _send(self, prompt: Prompt, key: str) -> Sent | None:
        """The reply of a server to one request, after retries on others; or the item's error.

        None where the budget is spent before it is sent.
        """
        moves = deaths = failures = 0
        answered = self.metrics.answers
        while True:
            server = await self.balancer.acquire()
            if why := self.purse.why_none_left():
                self.balancer.release(server)
                self.spent = why
                return None
            begun_s = time.monotonic()
            reply: Reply | None = None
            error: ItemError | None = None
            try:
                reply = await send(self.session, server, prompt, self.settings.engine.route, key)
                server.record_success()
            except OverloadedError:
                server.record_overload()
            except (aiohttp.ClientError, TimeoutError, OSError, ServerFailedError) as lost:
                server.record_failure()
                moves += 1
                deaths += isinstance(lost, DIED) and not isinstance(lost, aiohttp.ClientConnectorError)
                if deaths > MOVES or (moves > MOVES and self.metrics.answers > answered):
                    error = ItemError("no_answer", f"{moves} servers failed on it, the last with {lost!r}")
            except (GarbledError, GenerationFailedError) as failed:
                if isinstance(failed, GarbledError):
                    server.record_failure()
                    self.purse.add(tokens_in(prompt), 0)
                failures += 1
                if failures >= TRIES:
                    error = ItemError("no_answer", str(failed))
            except ItemError as refused:
                error = refused
            finally:
                self.balancer.release(server)
            if reply is not None or error is not None:
                return Sent(reply, error, server.replica, time.monotonic() - begun_s)


def read(question: Question, reply: Reply) -> Any:
    """The value of a reply. Raises RejectedError; a bound answer that was truncated is none, whoever reads it."""
    if question.prompt.bound:
        whole(reply)
    return reply.text if question.read is None else question.read(reply)
