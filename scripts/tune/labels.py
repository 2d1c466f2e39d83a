"""Labels that a person gave: read with care, and how well each threshold agrees with them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from scripts.tune.scores import Scores
from slurm.errors import InputError

YES, NO = ("1", "true", "yes", "y", "keep"), ("0", "false", "no", "n", "drop")
RESAMPLES = 1000
SEED = 0


class Scored(NamedTuple):
    """How well thresholds agree with labels. Intervals hold 95 % of the resamples."""

    curve: pl.DataFrame  # threshold, precision, recall, f1: at every value of a labelled row
    best: dict[str, float]  # the row of the highest F1; of several the strictest
    threshold_interval: tuple[float, float]
    f1_interval: tuple[float, float]  # of the best threshold
    labels: int
    kept: int  # labels that say keep
    resamples: int


def read_labels(path: Path, scores: Scores) -> pl.DataFrame:
    """id, keep (Boolean) and value of each label, in the order of the file. Raises InputError.

    A row without a value has null: no threshold keeps it.
    """
    where = f"labels={path}"
    try:
        table = pl.read_csv(path, infer_schema=False, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{where} cannot be read: {error}") from error
    table = table.rename({name: name.strip("\ufeff ") for name in table.columns})
    if missing := [name for name in ("id", "keep") if name not in table.columns]:
        raise InputError(f"{where} has no column {missing[0]}; it has: {', '.join(table.columns)}")
    said = table.select("id", keep=pl.col("keep").str.strip_chars().str.to_lowercase()).with_row_index("line", 2)
    wrong = said.filter(pl.col("id").is_null() | ~pl.col("keep").is_in([*YES, *NO]).fill_null(False))
    if len(wrong):
        raise InputError(
            f"{where} line {wrong['line'][0]}: id={wrong['id'][0]!r} keep={wrong['keep'][0]!r}; say 1 or 0, yes or no"
        )
    if not len(said):
        raise InputError(f"{where} has no labels")
    if said["id"].n_unique() < len(said):
        twice = said.filter(pl.col("id").is_duplicated())["id"].unique(maintain_order=True)
        raise InputError(f"{where}: {len(twice):,} ids stand there more than once: {listed(twice)}")
    found = said.join(scores.table.select("id", "value", there=True), on="id", how="left", maintain_order="left")
    unknown = found.filter(pl.col("there").is_null())["id"]
    if len(unknown):
        raise InputError(
            f"{where}: {len(unknown):,} of {len(said):,} ids are no {scores.base.plan.key} of {scores.base}: "
            f"{listed(unknown)}; ids there: {listed(scores.table['id'])}"
        )
    return found.select("id", "value", keep=pl.col("keep").is_in(YES))


def listed(ids: pl.Series) -> str:
    return ", ".join(ids.head(3)) + (", …" if len(ids) > 3 else "")


def score(labels: pl.DataFrame, scores: Scores) -> Scored:
    """Precision, recall and F1 of what is kept, at the value of every labelled row."""
    known = labels.drop_nulls("value").sort("value", "id", descending=[scores.keep == "above", False])
    if not len(known):
        raise InputError(f"none of the {len(labels):,} labelled rows has a number in {scores.column}")
    values, keep = known["value"].to_numpy(), known["keep"].to_numpy().astype(np.float64)
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # the last row of each threshold
    lost = labels.filter(pl.col("value").is_null())["keep"].to_numpy().astype(np.float64)
    precision, recall, f1 = rates(np.ones(len(keep)), keep, ends, float(lost.sum()))
    at = int(np.argmax(f1))
    draws = np.random.default_rng(SEED).multinomial(len(labels), np.full(len(labels), 1 / len(labels)), RESAMPLES)
    bests, f1s = np.empty(RESAMPLES), np.empty(RESAMPLES)
    for number, weights in enumerate(draws):
        positives = float(weights[len(keep) :] @ lost)
        _, _, resampled = rates(weights[: len(keep)].astype(np.float64), keep, ends, positives)
        bests[number], f1s[number] = values[ends[int(np.argmax(resampled))]], resampled[at]
    columns = {"threshold": values[ends], "precision": precision, "recall": recall, "f1": f1}
    curve = pl.DataFrame(columns)
    return Scored(
        curve=curve.sort("threshold"),
        best=curve.row(at, named=True),
        threshold_interval=interval(bests),
        f1_interval=interval(f1s),
        labels=len(labels),
        kept=int(labels["keep"].sum()),
        resamples=RESAMPLES,
    )


Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]


def rates(
    weights: Numbers, keep: Numbers, ends: "np.ndarray[tuple[int], np.dtype[np.int64]]", lost: float
) -> tuple[Numbers, Numbers, Numbers]:
    """Precision, recall and F1 where the rows up to each of `ends` are kept; 0 where nothing is there to divide by.

    `lost` are the rows to be kept that no threshold keeps.
    """
    right, kept = np.cumsum(weights * keep)[ends], np.cumsum(weights)[ends]
    wanted = float(weights @ keep) + lost
    f1 = 2 * right / np.maximum(kept + wanted, 1e-12)
    return right / np.maximum(kept, 1e-12), right / max(wanted, 1e-12), f1


def interval(values: Numbers) -> tuple[float, float]:
    """The middle 95 % of resampled values."""
    low, high = np.quantile(values, [0.025, 0.975], method="nearest")
    return float(low), float(high)
