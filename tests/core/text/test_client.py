"""Prompts to servers that are slow, full, broken, gone or of another model: each item gets its own answer."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.pools import MODEL, free_port, model_process, model_server, registered, settings

from slurm.errors import UnavailableError
from slurm.pool.engine import Remote
from slurm.pool.registry import PoolFolder
from slurm.pool.wire import Prompt
from slurm.record.done import add_counters
from stages.core.text.client import Answer, Question, ask_all


def pool(folder: Path, *words: str, **more: Any) -> PoolFolder:
    made = PoolFolder(folder / "run", "text")
    made.configure(settings(*words, **{"wait_minutes": 1.0, "timeout_s": 20.0, "in_flight": 32, **more}))
    return made


def ask(folder: PoolFolder, texts: dict[str, str], **prompt: Any) -> dict[str, Answer]:
    """The answers by item; each exactly once."""
    asked = (Question(key, Prompt([("user", text)], 8, **prompt)) for key, text in texts.items())
    found = list(ask_all(asked, folder, stopping=lambda: False, leaving=lambda: False))
    assert len({answer.key for answer in found}) == len(found)
    return {answer.key: answer for answer in found}


def questions(count: int) -> dict[str, str]:
    return {f"item{n}": f"say word{n}" for n in range(count)}


def all_right(found: dict[str, Answer], count: int) -> bool:
    texts = {key: answer.reply.text for key, answer in found.items() if answer.reply}
    return texts == {f"item{n}": f"word{n}" for n in range(count)}


@pytest.mark.parametrize("words", [("engine=embedded",), ("engine=vllm",)], ids=["tgi", "openai"])
def test_each_item_gets_its_own_answer_in_a_form_that_the_servers_api_has(tmp_path: Path, words: tuple[str]) -> None:
    folder = pool(tmp_path, *words)
    dialect = folder.settings.engine.dialect
    strict = ["--strict"] if dialect == "tgi" else []
    with model_server("--dialect", dialect, *strict, key=folder.key()) as server:
        registered(folder, server)
        found = ask(folder, questions(200))
        assert all_right(found, 200)
        first = found["item0"]
        assert (first.model, first.revision, first.replica) == (MODEL, "abc", "job0")
        assert first.reply is not None
        assert (first.reply.finish, first.reply.tokens_in, first.reply.tokens_out) == ("end", 2, 1)
        assert first.reply.logprob == -0.5
        assert 0 < first.latency_s < 5
        chosen = ask(folder, {"a": "which?"}, choices=["rock & roll", "jazz"], images=[b"jpeg", b"jpeg"])
        assert chosen["a"].reply is not None
        assert chosen["a"].reply.text == "rock & roll"
        schema = {"type": "object", "properties": {"mood": {"enum": ["calm"]}}, "required": ["mood"]}
        written = ask(folder, {"a": "which?"}, schema=schema)
        assert written["a"].reply is not None
        assert written["a"].reply.text == '{"mood": "calm"}'
        assert server.ask("/seen")["malformed"] == 0


def test_a_server_without_room_is_asked_less_and_no_item_pays_for_it(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    with model_server("--delay-s", "0.02", "--max-concurrent-requests", "4", key=folder.key()) as server:
        registered(folder, server)
        assert all_right(ask(folder, questions(200)), 200)


@pytest.mark.parametrize("fault", ["overloaded", "broken", "garbage", "silent"])
def test_beside_a_server_that_fails_another_one_does_it_all(tmp_path: Path, fault: str) -> None:
    folder = pool(tmp_path, timeout_s=2.0)
    with model_server(key=folder.key()) as good, model_server("--fault", fault, key=folder.key()) as bad:
        registered(folder, good, bad)
        found = ask(folder, questions(300))
        assert all_right(found, 300)
        assert {answer.replica for answer in found.values()} == {"job0"}


def test_what_no_model_takes_is_the_items_error_and_the_others_go_on(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    with model_server(key=folder.key()) as server:
        registered(folder, server)
        found = ask(folder, {**questions(20), "bad": "too-long", "sick": "fails-always"})
    codes = {key: answer.error.code for key, answer in found.items() if answer.error}
    assert codes == {"bad": "prompt_refused", "sick": "no_answer"}
    assert len(found) == 22


def test_an_answer_that_is_cut_short_is_none_where_its_form_is_bound(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    with model_server("--fault", "cut", key=folder.key()) as server:
        registered(folder, server)
        bound = ask(folder, {"a": "which?"}, choices=["x"])["a"]
        free = ask(folder, {"a": "say much"})["a"]
    assert bound.error is not None
    assert bound.error.code == "truncated"
    assert bound.tries == 3
    assert free.reply is not None
    assert free.reply.finish == "length"


def test_an_answer_to_another_request_is_none(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    with model_server(key=folder.key()) as good, model_server("--fault", "swapped", key=folder.key()) as bad:
        registered(folder, good, bad)
        found = ask(folder, questions(100))
    assert all_right(found, 100)
    assert {answer.replica for answer in found.values()} == {"job0"}


@pytest.mark.parametrize("others", [60, 0])
def test_an_item_that_kills_servers_is_found_out(tmp_path: Path, others: int) -> None:
    folder = pool(tmp_path, wait_minutes=5.0)
    stop, port = threading.Event(), free_port()

    def restart() -> None:
        while not stop.is_set():
            with model_process(port, key=folder.key()) as server:
                while server.poll() is None and not stop.wait(0.05):
                    pass

    thread = threading.Thread(target=restart)
    thread.start()
    try:
        registered(folder, Remote(f"http://127.0.0.1:{port}", folder.key(), "here"))
        found = ask(folder, {**questions(others), "bomb": "kills-the-server"})
    finally:
        stop.set()
        thread.join()
    assert found.pop("bomb").error is not None
    assert all_right(found, others)


def test_each_grammar_is_registered_with_servers_once(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    with model_server(key=folder.key()) as server:
        registered(folder, server)
        ask(folder, questions(5))
        assert folder.warm_requests() == []
        for choices in (["rock", "jazz"], ["rock", "pop"], ["rock", "jazz"]):
            ask(folder, questions(5), choices=choices)
        told = folder.warm_requests()
        assert len(told) == 2
        for request in told:
            assert request.body["max_tokens"] == 1, "a grammar is compiled for one token as for all"
            assert server.ask(request.path, request.body) is not None


def test_the_done_record_has_the_counts_of_answers_and_the_longest_queue(tmp_path: Path) -> None:
    folder, counters = pool(tmp_path), dict[str, float]()
    with model_server(key=folder.key()) as server, model_server(key=folder.key()) as other:
        registered(folder, server, other)
        for replica, queued in zip(folder.replicas(), (3, 4), strict=True):
            folder.register(replica._replace(queued=queued))

        def note(**values: float) -> None:
            counters.update(add_counters(counters, values))

        asked = (Question(key, Prompt([("user", text)], 8)) for key, text in questions(20).items())
        assert len(list(ask_all(asked, folder, stopping=lambda: False, leaving=lambda: False, note=note))) == 20
    assert (counters["answers"], counters["tokens_out"], counters["most_queued"]) == (20, 20, 7)


def test_a_slow_server_keeps_no_fast_one_waiting(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    with ExitStack() as ends:
        fast, slow = (ends.enter_context(model_server("--delay-s", s, key=folder.key())) for s in ("0.05", "0.5"))
        registered(folder, fast, slow)
        found = ask(folder, questions(600))
    assert all_right(found, 600)
    by_fast = sum(answer.replica == "job0" for answer in found.values())
    assert by_fast > 0.85 * 600


def test_servers_come_and_go_while_the_work_goes_on(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    with ExitStack() as ends:
        servers = [ends.enter_context(model_server("--delay-s", "0.05", key=folder.key())) for _ in range(3)]

        def change() -> None:
            for some in ([servers[0]], [servers[1], servers[2]], [], [servers[2]]):
                registered(folder, *some)
                time.sleep(3)

        thread = threading.Thread(target=change)
        thread.start()
        found = ask(folder, questions(4000))
        thread.join()
    assert all_right(found, 4000)


def test_nothing_is_sent_to_a_server_of_another_model_or_without_the_key(tmp_path: Path) -> None:
    folder = pool(tmp_path, wait_minutes=0.05)
    with model_server(key="another") as locked, model_server(key=folder.key()) as other:
        registered(folder, other, model="other/model")
        with pytest.raises(UnavailableError, match="no answer for"):
            ask(folder, questions(3))
        assert other.ask("/seen")["requests"] == 0
        registered(folder, locked)
        with pytest.raises(UnavailableError, match="status"):
            ask(folder, questions(3))


def test_no_more_items_are_taken_than_can_be_under_way(tmp_path: Path) -> None:
    folder = pool(tmp_path, in_flight=8)
    taken: list[int] = []

    def endless() -> Iterator[Question]:
        for n in range(10**9):
            taken.append(n)
            yield Question(str(n), Prompt([("user", f"say {n}")], 8))

    with model_server("--delay-s", "0.01", key=folder.key()) as server:
        registered(folder, server)
        found: list[Answer] = []
        for answer in ask_all(endless(), folder, stopping=lambda: len(found) > 50, leaving=lambda: False):
            found.append(answer)
        assert server.ask("/seen")["most_at_once"] <= 8
    assert sorted(int(answer.key) for answer in found) == taken, "what was taken was answered"
    assert len(found) < 1000, "it stopped"


def test_when_it_must_leave_it_waits_for_nothing(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    with model_server("--fault", "silent", key=folder.key()) as server:
        registered(folder, server)
        begun_s = time.monotonic()
        asked = [Question("a", Prompt([("user", "hello")], 8))]

        def late() -> bool:
            return time.monotonic() > begun_s + 1

        assert list(ask_all(asked, folder, stopping=late, leaving=late)) == []
        assert time.monotonic() - begun_s < 10
