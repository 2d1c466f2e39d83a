"""What a step cost, in hours and in money where prices are set."""

from collections.abc import Callable
from dataclasses import replace

import polars as pl
import pytest

from slurm.pool.spending import Budget, Prices, Terms, agree, read_terms, set_terms
from slurm.record.manifest import Step
from stages.core.report.flow.costs import read_cost

Make = Callable[..., Step]
NONE = Budget(tokens=None, money=None)


@pytest.fixture
def asked(make: Make) -> Step:
    """A step that held two cores and a GPU for 36 s, and asked a model."""
    step = make("caption", pl.DataFrame({"video_id": ["a"]}), pool="p", config={"pool": {"model": "org/m"}})
    (done,) = step.all_done()
    counters = {"tokens_in": 1e6, "tokens_out": 2e5, "again_tokens_out": 3e5, "answers": 7.0}
    step.finish(done._replace(gpus=1, counters=counters))
    return step


def test_without_prices_there_is_no_money(asked: Step) -> None:
    cost = read_cost(asked)
    assert (cost.cpu_s, cost.gpu_s, cost.money) == (72.0, 36.0, None)
    assert read_cost(asked, Terms(prices={"other": (1.0, 1.0)})).money is None


def test_money_is_that_of_hours_and_of_tokens(asked: Step) -> None:
    assert read_cost(asked, Terms(cpu_hour=0.5)).money == pytest.approx(72 / 3600 * 0.5)
    terms = Terms(cpu_hour=0.5, gpu_hour=2.0, prices={"org/m": (3.0, 10.0)})
    assert read_cost(asked, terms).money == pytest.approx(0.01 + 0.02 + 3.0 + 5.0)
    assert read_cost(asked, Terms(gpu_hour=0.0)).money == 0.0


def test_a_command_that_says_no_prices_of_hours_leaves_those_that_were_said(asked: Step) -> None:
    usual = Prices(currency="EUR", models={})
    set_terms(asked.run, agree(asked.run, NONE, Prices(currency="EUR", models={}, cpu_hour=0.04, gpu_hour=2.0)))
    terms = agree(asked.run, NONE, usual)
    assert (terms.cpu_hour, terms.gpu_hour) == (0.04, 2.0)
    assert agree(asked.run, NONE, replace(usual, currency="USD")).cpu_hour is None  # another currency: not known
    assert read_terms(asked.run).priced
