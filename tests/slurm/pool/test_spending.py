"""What is spent is known from the names of files, whoever spends it; and the budget is the run's."""

from pathlib import Path

import pytest

from slurm.errors import InputError
from slurm.pool.spending import (
    Budget,
    Ledger,
    Prices,
    Purse,
    Spent,
    agree,
    budget_spent,
    check_priced,
    set_terms,
    show_spending,
)

NONE = Budget(tokens=None, money=None)
PRICES = Prices(currency="EUR", models={"org/dear": (10.0, 30.0)})


def test_what_clients_spend_is_summed_by_model_over_all_pools(tmp_path: Path) -> None:
    set_terms(tmp_path, agree(tmp_path, NONE, PRICES))
    clients = [("text", "org/dear", "node.site.org.1"), ("text", "org/dear", "node.2"), ("text@bob", "own", "node.3")]
    for pool, model, client in clients:
        purse = Purse(tmp_path, pool, model, client)
        purse.add(900, 100)
        purse.refresh()
        purse.add(100, 0)
        purse.refresh()
        assert purse.file is not None
        assert len(list(purse.file.parent.glob(f"{client}.*"))) == 1, "it is renamed"
    spent = Ledger(tmp_path).look()
    assert spent == {"org/dear": Spent(2000, 200, 26_000), "own": Spent(1000, 100, 0)}
    assert list(show_spending(tmp_path)) == [
        "org/dear: 2,000 tokens in, 200 out, 0.03 EUR",
        "own: 1,000 tokens in, 100 out",
    ]


def test_a_client_stops_by_what_it_spends_and_by_what_others_do(tmp_path: Path) -> None:
    set_terms(tmp_path, agree(tmp_path, Budget(tokens=1000, money=None)))
    one, other = (Purse(tmp_path, "text", "m", name) for name in ("one", "other"))
    one.add(400, 99)
    other.add(400, 100)
    assert one.why_none_left() is None
    for purse in (one, other, one):
        purse.refresh()
    assert one.why_none_left() is None
    one.add(0, 1)
    said = one.why_none_left()
    assert said is not None
    assert "budget.tokens=1000 of run" in said
    assert "(1,000 tokens)" in said
    one.refresh()
    assert budget_spent(tmp_path) == said
    set_terms(tmp_path, agree(tmp_path, Budget(tokens=2000, money=None)))
    one.refresh()
    assert one.why_none_left() is None, "it was raised meanwhile"


def test_what_is_set_stays_until_it_is_set_anew(tmp_path: Path) -> None:
    set_terms(tmp_path, agree(tmp_path, Budget(tokens=1000, money=2.0), PRICES))
    terms = agree(tmp_path, Budget(tokens=None, money=3.0))
    assert (terms.tokens, terms.money, terms.currency, terms.prices) == (1000, 3.0, "EUR", PRICES.models)


def test_money_stops_a_model_that_has_a_price_and_one_without_is_refused(tmp_path: Path) -> None:
    terms = agree(tmp_path, Budget(tokens=None, money=0.02), PRICES)
    set_terms(tmp_path, terms)
    check_priced(terms, "org/dear")
    with pytest.raises(InputError, match=r"what org/other costs is not known.*price=NAME"):
        check_priced(terms, "org/other")
    purse = Purse(tmp_path, "text", "org/dear", "a")
    purse.add(1000, 333)
    assert purse.why_none_left() is None
    purse.add(0, 1)
    assert "budget.money=0.02 of run" in str(purse.why_none_left())


def test_many_clients_are_read_from_names_alone(tmp_path: Path) -> None:
    folder = tmp_path / "pools" / "text" / "spent" / "m" / "1"
    folder.mkdir(parents=True)
    for number in range(2000):
        (folder / f"node.{number}.5.5.7").touch()
    (folder / "something else").touch()
    assert Ledger(tmp_path).look() == {"m": Spent(10_000, 10_000, 14_000)}
