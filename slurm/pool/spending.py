"""What the answers of a run's model servers have cost, by model, and the budget at which no more is asked.

<run>/budget.json            the most that may be spent, and the prices (`Terms`); written by the commands that say so
<run>/pools/<pool>/spent/<model>/<hour>/<client>.<tokens in>.<tokens out>.<money>
                             an empty file that its client renames as it spends; money in millionths. So that all that
                             was spent is known from names: one listing for the thousands of clients of an hour, and
                             none for an hour in which nothing changed

What is rejected, asked for again or replaced later was paid for, too, and stays in these names.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, NamedTuple
from urllib.parse import quote, unquote

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from slurm.errors import InputError
from slurm.record.files import names
from slurm.record.formats import read_record, write_record

STRICT = ConfigDict(extra="forbid")
MILLION = 1_000_000
HOUR_S = 3600
SETTLED_S = 5.0  # two changes of a folder within its clock's tick look like one

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@checked(frozen=True, config=STRICT)
class Budget:
    """The most that all answers of a run may cost, of all models together; null: no limit, or the one that is set."""

    tokens: Annotated[int, Field(gt=0)] | None  # read and written
    money: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None


@checked(frozen=True, config=STRICT)
class Prices:
    """Values are in conf/price/*.yaml. Model → money for a million tokens: of those it reads, of those it writes.

    Files that were written before there were prices of hours do not say any.
    """

    currency: str
    models: dict[str, tuple[Price, Price]]
    cpu_hour: Price | None = None  # of one core
    gpu_hour: Price | None = None


@dataclass(frozen=True)
class Terms:
    """The budget of a run, and the prices of the models of its pools."""

    tokens: int | None = None
    money: float | None = None
    currency: str = ""
    prices: dict[str, tuple[float, float]] = field(default_factory=dict)
    cpu_hour: float | None = None  # what an hour of a core costs; None: nobody has said so
    gpu_hour: float | None = None

    @property
    def limited(self) -> bool:
        """Whether there is a budget."""
        return self.tokens is not None or self.money is not None

    @property
    def priced(self) -> bool:
        """Whether hours of machines have a price."""
        return self.cpu_hour is not None or self.gpu_hour is not None


class Spent(NamedTuple):
    """What answers cost; `money` in millionths."""

    tokens_in: int = 0
    tokens_out: int = 0
    money: int = 0

    def plus(self, other: "Spent") -> "Spent":
        return Spent(*map(sum, zip(self, other, strict=True)))


class Ledger:
    """What a run has spent, as of the last look."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.terms = read_terms(run)
        self.hours: dict[Path, tuple[float, dict[str, Spent]]] = {}  # folder → its mtime, and what its clients spent

    def look(self) -> dict[str, Spent]:
        """What each model's answers have cost so far; the terms are read again, too."""
        self.terms = read_terms(self.run)
        total: dict[str, Spent] = {}
        for model, spent in self.clients():
            total[model] = total.get(model, Spent()).plus(spent)
        return total

    def clients(self) -> Iterator[tuple[str, Spent]]:
        """The model of each client, and what it has spent."""
        pools = self.run / "pools"
        models = [(pools / pool / "spent", model) for pool in names(pools) for model in names(pools / pool / "spent")]
        for folder, model in models:
            for hour in names(folder / model):
                yield from ((unquote(model), spent) for spent in self.in_hour(folder / model / hour))

    def in_hour(self, folder: Path) -> Iterable[Spent]:
        """What each client of an hour has spent; listed again where a name has changed since."""
        changed_s = folder.stat().st_mtime
        if folder not in self.hours or self.hours[folder][0] != changed_s or time.time() - changed_s < SETTLED_S:
            self.hours[folder] = changed_s, dict(map(read_name, names(folder)))  # a name that is just changed: once
        return self.hours[folder][1].values()

    def why_none_left(self, spent: Spent) -> str | None:
        """What is to be said where the budget is spent; None where there is something left."""
        terms, tokens, run = self.terms, spent.tokens_in + spent.tokens_out, self.run.name
        if terms.tokens is not None and tokens >= terms.tokens:
            what = f"budget.tokens={terms.tokens} of run {run} is spent ({tokens:,} tokens)"
            return f"{what}: python -m slurm resume run={run} budget.tokens=MORE goes on"
        if terms.money is not None and spent.money >= terms.money * MILLION:
            what = f"budget.money={terms.money:g} of run {run} is spent ({show_money(spent, terms)})"
            return f"{what}: python -m slurm resume run={run} budget.money=MORE goes on"
        return None


class Purse:
    """What one client spends, beside what all others have spent."""

    def __init__(self, run: Path, pool: str, model: str, client: str) -> None:
        self.ledger = Ledger(run)
        hour = f"{int(time.time()) // HOUR_S}"
        self.folder = run / "pools" / pool / "spent" / quote(model, safe="") / hour
        self.client, self.price = client, self.ledger.terms.prices.get(model, (0.0, 0.0))
        self.tokens_in = self.tokens_out = 0
        self.file: Path | None = None
        self.others = Spent()
        self.refresh()

    @property
    def own(self) -> Spent:
        price_in, price_out = self.price
        return Spent(self.tokens_in, self.tokens_out, round(self.tokens_in * price_in + self.tokens_out * price_out))

    @property
    def limited(self) -> bool:
        """Whether there is a budget."""
        return self.ledger.terms.limited

    def add(self, tokens_in: int, tokens_out: int) -> None:
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out

    def why_none_left(self) -> str | None:
        """Why nothing more may be asked, by what is known of others since the last refresh; None: it may."""
        return self.ledger.why_none_left(self.others.plus(self.own))

    def refresh(self) -> None:
        """Makes known what this client has spent, and learns of the others, where there is a budget."""
        spent = self.own
        if spent != Spent():
            self.save(spent)
        self.ledger.terms = read_terms(self.ledger.run)
        if self.limited:
            total = sum_of(self.ledger.look())
            known = Spent(*read_name(self.file.name)[1]) if self.file else Spent()
            self.others = Spent(*(whole - mine for whole, mine in zip(total, known, strict=True)))

    def save(self, spent: Spent) -> None:
        new = self.folder / f"{self.client}.{spent.tokens_in}.{spent.tokens_out}.{spent.money}"
        if new == self.file:
            return
        if self.file is None or not self.file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            new.touch()
        else:
            self.file.rename(new)
        self.file = new


def read_name(name: str) -> tuple[str, Spent]:
    """The client of a file, and what it has spent; nothing for a name that is none of these."""
    client, *numbers = name.rsplit(".", 3)
    known = len(numbers) == 3 and all(map(str.isdigit, numbers))
    return (client, Spent(*map(int, numbers))) if known else (name, Spent())


def sum_of(models: Mapping[str, Spent]) -> Spent:
    total = Spent()
    for spent in models.values():
        total = total.plus(spent)
    return total


def read_terms(run: Path) -> Terms:
    """The terms of a run; those without a limit where nobody has set any."""
    try:
        return read_record(run / "budget.json", Terms, decides=False)
    except FileNotFoundError:
        return Terms()


def budget_spent(run: Path) -> str | None:
    """What is to be said where the run's budget is spent; None where there is something left, or no limit."""
    ledger = Ledger(run)
    return ledger.why_none_left(sum_of(ledger.look())) if ledger.terms.limited else None


def agree(run: Path, budget: Budget, prices: Prices | None = None) -> Terms:
    """The terms of a run with a new budget and new prices as far as they say any; writes nothing."""
    terms = read_terms(run)
    terms = replace(terms, tokens=budget.tokens or terms.tokens, money=budget.money or terms.money)
    if prices is None:
        return terms
    same = prices.currency == terms.currency  # a command that says no prices of hours leaves those that were said
    hours = {
        name: getattr(terms, name) if getattr(prices, name) is None and same else getattr(prices, name)
        for name in ("cpu_hour", "gpu_hour")
    }
    return replace(terms, currency=prices.currency, prices=dict(prices.models), **hours)


def check_priced(terms: Terms, model: str) -> None:
    """Raises InputError for a budget of money where nobody knows what the model costs."""
    if terms.money is not None and model not in terms.prices:
        raise InputError(
            f"budget.money={terms.money:g}: what {model} costs is not known: write it into a file conf/price/NAME.yaml "
            f"as conf/price/usual.yaml shows, and say price=NAME; or say budget.tokens="
        )


def set_terms(run: Path, terms: Terms) -> None:
    write_record(run / "budget.json", terms)


def show_spending(run: Path) -> Iterator[str]:
    """A line for each model whose answers cost something, and one for the budget."""
    ledger = Ledger(run)
    models = ledger.look()
    for model, spent in models.items():
        paid = f", {show_money(spent, ledger.terms)}" if spent.money else ""
        yield f"{model}: {spent.tokens_in:,} tokens in, {spent.tokens_out:,} out{paid}"
    total, terms = sum_of(models), ledger.terms
    if why := ledger.why_none_left(total):
        yield why
        return
    if terms.tokens is not None:
        yield f"budget.tokens={terms.tokens}: {(total.tokens_in + total.tokens_out) / terms.tokens:.1%} is spent"
    if terms.money is not None:
        yield f"budget.money={terms.money:g}: {total.money / MILLION / terms.money:.1%} is spent"


def show_money(spent: Spent, terms: Terms) -> str:
    return f"{spent.money / MILLION:,.2f} {terms.currency}".strip()
