"""Answers that their question does not accept: asked for again, and at last the item's error."""

from pathlib import Path
from typing import Any

import pytest
from support.embedded import inside
from support.pools import model_server, registered, settings

from slurm.errors import SpentError
from slurm.pool.engine import Remote
from slurm.pool.registry import PoolFolder
from slurm.pool.spending import Ledger, Terms, set_terms
from slurm.pool.wire import Prompt, Reply
from slurm.record.done import add_counters
from stages.core.models.embedded.untrained import save
from stages.core.text.client import Answer, Question, ask_all
from stages.core.text.verdict import RejectedError


def pool(folder: Path, *words: str, **more: Any) -> PoolFolder:
    made = PoolFolder(folder / "run", "text")
    made.configure(settings(*words, **{"wait_minutes": 1.0, "timeout_s": 20.0, **more}))
    return made


@pytest.mark.parametrize("route", ["generate", "chat"])
def test_an_answer_that_is_not_accepted_is_asked_for_again_with_the_reason(tmp_path: Path, route: str) -> None:
    model = tmp_path / "model"
    save(model)
    folder = pool(tmp_path, "engine=tgi", f"engine.route={route}", f"pool.model={model}")
    seen: list[str] = []

    def read(reply: Reply) -> str:
        seen.append(reply.text)
        if len(seen) == 1:
            raise RejectedError("schema", "it has no mood")
        return reply.text.upper()

    with model_server("--model-id", str(model), key=folder.key()) as server:
        registered(folder, server, model=str(model))
        asked = [Question("a", Prompt([("user", "say words")], 8), read)]
        (answer,) = ask_all(asked, folder, stopping=lambda: False, leaving=lambda: False)
    if route == "chat":  # else the last words are those of the chat template
        assert seen == ["words", "again."]
    assert (answer.error, answer.value, answer.tries) == (None, seen[1].upper(), 2)
    assert answer.reply is not None
    assert answer.tokens_out == 2
    assert answer.tokens_in is not None
    assert answer.reply.tokens_in is not None
    assert answer.tokens_in > answer.reply.tokens_in > 4, "of both prompts, of which the second holds the first"


def test_what_is_never_accepted_is_the_items_error_and_a_refusal_is_not_asked_twice(tmp_path: Path) -> None:
    folder, counters = pool(tmp_path), dict[str, float]()

    def read(reply: Reply) -> str:
        if reply.text == "no":
            raise RejectedError("refused", "it begins like a refusal", final=True)
        raise RejectedError("invalid_json", "it is no JSON")

    def note(**values: float) -> None:
        counters.update(add_counters(counters, values))

    with model_server(key=folder.key()) as server:
        registered(folder, server)
        asked = [Question(key, Prompt([("user", f"say {key}")], 8), read) for key in ("no", "yes")]
        found = ask_all(asked, folder, stopping=lambda: False, leaving=lambda: False, note=note)
        answers = {answer.key: answer for answer in found}
    codes = {key: (answer.error.code, answer.tries) for key, answer in answers.items() if answer.error}
    assert codes == {"no": ("refused", 1), "yes": ("invalid_json", 3)}
    assert answers["yes"].reply is not None, "what it said last is kept"
    assert (counters["rejected_refused"], counters["rejected_invalid_json"]) == (1, 3)
    assert counters["tokens_out"] == 4


def test_the_pool_says_how_long_answers_may_be(tmp_path: Path) -> None:
    model = tmp_path / "model"
    save(model)
    folder = pool(tmp_path, f"pool.model={model}", max_tokens=3)
    with inside("--model-id", str(model)) as engine:
        registered(folder, Remote(f"http://127.0.0.1:{engine.port}", "", "here"), model=str(model))
        asked = [Question("a", Prompt([("user", "say much")], 8))]
        (answer,) = ask_all(asked, folder, stopping=lambda: False, leaving=lambda: False)
    assert answer.tokens_out == 3


def test_what_may_pass_is_taken_where_the_last_answer_is_no_better(tmp_path: Path) -> None:
    folder = pool(tmp_path)

    def read(reply: Reply) -> str:
        raise RejectedError("schema", "a time is none", otherwise=f"{reply.text}, all the same")

    with model_server(key=folder.key()) as server:
        registered(folder, server)
        asked = [Question("a", Prompt([("user", "say yes")], 8), read)]
        (answer,) = ask_all(asked, folder, stopping=lambda: False, leaving=lambda: False)
    assert (answer.error, answer.value, answer.tries) == (None, "again., all the same", 3)


def test_an_answer_may_be_followed_by_another_question_about_the_item(tmp_path: Path) -> None:
    folder = pool(tmp_path)

    def question(key: str, number: int) -> Question:
        def follow(value: str) -> Question | None:
            assert value == f"{key}{number}"
            return question(key, number + 1) if number < 3 else None

        return Question(key, Prompt([("user", f"say {key}{number}")], 8), None, follow)

    with model_server(key=folder.key()) as server:
        registered(folder, server)
        found = ask_all([question(key, 0) for key in "abc"], folder, stopping=lambda: False, leaving=lambda: False)
        answers = [(answer.key, answer.value) for answer in found]
    for key in "abc":
        assert [value for of, value in answers if of == key] == [f"{key}{number}" for number in range(4)]


def test_a_spent_budget_ends_it_after_what_is_under_way_and_says_so(tmp_path: Path) -> None:
    folder = pool(tmp_path, in_flight=4)
    set_terms(folder.run, Terms(tokens=60))
    answers: list[Answer] = []
    with model_server(key=folder.key()) as server:
        registered(folder, server)
        asked = (Question(f"k{n}", Prompt([("user", "say yes")], 8)) for n in range(1000))
        with pytest.raises(SpentError, match=r"budget.tokens=60 of run run is spent"):
            answers.extend(ask_all(asked, folder, stopping=lambda: False, leaving=lambda: False))
        requests = server.ask("/seen")["requests"]
    spent = Ledger(folder.run).look()
    assert sum(one.tokens_in + one.tokens_out for one in spent.values()) == 3 * requests
    assert 20 <= requests < 20 + 4, "three tokens each, and four at once"
