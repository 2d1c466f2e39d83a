"""Answers of servers that swap, delay and drop them, with 500 requests under way: each comes home, once."""

import json
from pathlib import Path

import pytest
from support.pools import model_server, registered, settings

from slurm.pool.registry import PoolFolder
from slurm.pool.wire import Prompt
from stages.core.text.caption.form import Form, Judged
from stages.core.text.client import Question, ask_all

COUNT = 1500


@pytest.mark.slow
@pytest.mark.parametrize("slow", [False, True])
def test_every_answer_comes_home_whatever_the_servers_mix_up(tmp_path: Path, slow: bool) -> None:
    folder = PoolFolder(tmp_path / "run", "vision")
    folder.configure(settings("pool=vision", "engine=tgi", in_flight=500, wait_minutes=1.0, timeout_s=20.0))
    form = Form({"short": 20, "motion": 20}, {}, {}, Judged(None, []))
    asked = [
        Question(f"clip_{n} 0", Prompt([("user", f"Describe clip_{n}")], 50, [b"jpeg"], schema=form.schema), form.read)
        for n in range(COUNT)
    ]
    with model_server("--delay-s", "0.2", key=folder.key()) as good, model_server(
        "--delay-s", "0.1", "--fault", "mixed", key=folder.key()
    ) as bad:  # fmt: skip
        registered(folder, good, bad)
        found = list(ask_all(iter(asked), folder, stopping=lambda: False, leaving=lambda: False, slow=slow))
        seen = [server.ask("/seen") for server in (good, bad)]
    assert sorted(answer.key for answer in found) == sorted(question.key for question in asked)
    for answer in found:
        name = answer.key.split()[0]
        assert answer.value == {"caption_short": name, "caption_motion": name}, answer.error
        assert answer.reply is not None
        assert json.loads(answer.reply.text)["short"] == name
    assert sum(server["most_at_once"] for server in seen) >= 400
    assert seen[1]["requests"] > 0
