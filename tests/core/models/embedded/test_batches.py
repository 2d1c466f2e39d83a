"""Many requests at once: rows that do not disturb each other, a full house, and clients that go away."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator, Sequence

import pytest
import torch
from support.embedded import Engine, inside, prompt, until

from stages.core.models.embedded.api import RequestError
from stages.core.models.embedded.batching import Batcher
from stages.core.models.embedded.decoding import Answer, Job

LONG = 2000  # tokens that keep a small server busy for seconds
ANSWER = Answer("calm", [5], [0.0], "eos_token", None)


@pytest.fixture(scope="module")
def small(engine: Engine) -> Iterator[Engine]:
    model = engine.get("/info").body["model_id"]
    with inside("--model-id", model, "--max-concurrent-requests", "2", "--payload-limit", "1000") as small:
        yield small


def test_an_answer_is_the_same_alone_and_in_a_batch(engine: Engine) -> None:
    alone = [engine.generate(prompt(number), max_new_tokens=12).body for number in range(16)]
    together = [answer.body for answer in engine.together(16, max_new_tokens=12)]
    for one, other in zip(alone, together, strict=True):
        assert one["generated_text"] == other["generated_text"]
        first, second = ([token["logprob"] for token in body["details"]["tokens"]] for body in (one, other))
        assert first == pytest.approx(second, abs=1e-4)
    assert len({body["generated_text"] for body in alone}) > 4  # else a mix-up would not be seen


def test_many_at_once_take_less_time_than_one_after_the_other(engine: Engine) -> None:
    start_s = time.perf_counter()
    for number in range(32):
        engine.generate(prompt(number), max_new_tokens=20)
    alone_s = time.perf_counter() - start_s
    engine.together(32, max_new_tokens=20)
    assert time.perf_counter() - start_s - alone_s < alone_s


def test_a_full_server_refuses_at_once_and_a_client_that_leaves_makes_room(small: Engine) -> None:
    before = small.metric("tgi_request_count")
    leaving = [begin(small, LONG) for _ in range(2)]
    until(lambda: small.metric("tgi_request_count") == before + 2)
    status, body = small.generate("A man")
    assert (status, body["error_type"]) == (429, "overloaded")
    assert small.get("/health").status == 200
    for connection in leaving:
        connection.close()
    until(lambda: small.generate("A man", max_new_tokens=1).status == 200)
    assert small.metric("tgi_queue_size") == 0


def test_a_body_over_the_limit_is_too_large(small: Engine) -> None:
    status, body = small.generate("a" * 2000)
    assert status == 413
    assert "--payload-limit 1000" in body["error"]


def begin(engine: Engine, tokens: int) -> socket.socket:
    """A connection on which so many tokens are asked for."""
    connection = socket.create_connection(("127.0.0.1", engine.port))
    parameters = {"max_new_tokens": tokens, "grammar": {"type": "regex", "value": f"[ab]{{{tokens}}}"}}
    body = json.dumps({"inputs": "A man", "parameters": parameters}).encode()
    connection.sendall(b"POST /generate HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    return connection


class Model:
    """Answers at once, but for jobs that are as long as `bad`: these break the batch."""

    def __init__(self, bad: int | None = None) -> None:
        self.bad, self.batches = bad, list[list[int]]()

    def run(self, jobs: Sequence[Job]) -> None:
        self.batches.append([job.max_new_tokens for job in jobs])
        time.sleep(0.02)
        if self.bad in self.batches[-1]:
            raise RuntimeError("no memory")
        for job in jobs:
            job.settle(ANSWER)


def job(tokens: int, **more: torch.Tensor) -> Job:
    return Job({"input_ids": torch.ones(1, 3), **more}, tokens, None, (), None)


def answers(batches: Batcher, jobs: Sequence[Job]) -> list[Answer | BaseException]:
    async def work() -> list[Answer | BaseException]:
        working = asyncio.create_task(batches.work())
        found = await asyncio.gather(*map(batches.answer, jobs), return_exceptions=True)
        working.cancel()
        return found

    return asyncio.run(work())


def test_a_row_that_breaks_its_batch_is_refused_and_its_mates_are_answered() -> None:
    model = Model(bad=2)
    one, two, three = answers(Batcher(model.run, 64, 1000), [job(1), job(2), job(3)])
    assert one == three == ANSWER
    assert isinstance(two, RequestError)
    assert (two.status, two.error_type) == (424, "generation")
    assert "no memory" in two.words


def test_a_batch_is_no_larger_than_its_limits_and_takes_only_what_fits_together() -> None:
    model = Model()
    answers(Batcher(model.run, 2, 1000), [job(number) for number in range(5)])
    assert [len(batch) for batch in model.batches] == [2, 2, 1]
    model = Model()
    answers(Batcher(model.run, 64, 40), [job(7), job(7), job(27), job(1)])
    assert model.batches == [[7, 7], [27], [1]]
    model = Model()
    seeing = {"pixel_values": torch.ones(1, 3, 2, 2)}
    answers(Batcher(model.run, 64, 1000), [job(1), job(2, **seeing), job(3), job(4, **seeing)])
    assert model.batches == [[1, 3], [2, 4]]


def test_a_job_whose_client_left_is_never_started() -> None:
    model = Model()

    async def work() -> None:
        batches = Batcher(model.run, 1, 1000)
        waiting = [asyncio.create_task(batches.answer(job(number))) for number in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        working = asyncio.create_task(batches.work())
        await asyncio.gather(waiting[0], waiting[2])
        working.cancel()

    asyncio.run(work())
    assert model.batches == [[0], [2]]
