"""Which texts of a table should alarm its reader, and on how many rows they stand.

The texts are streamed, and of each two hashes are kept. Nearly equal texts and loops are looked for in a seeded sample.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from stages.core.text.alarms.flags import breaks_off, find_looping, refuses
from stages.core.text.alarms.fold import folded, opening
from stages.core.text.alarms.near import group_near
from stages.core.text.alarms.settings import Alarms, Kind

SHOWN = 5  # texts of a kind
IDS = 3  # rows of a text that are named
SEED = 1
CODES = ("refused", "repetition", "truncated")  # of rows that failed


class Example(NamedTuple):
    """A text, the number of rows on which it stands (or one like it), and the first of them."""

    text: str
    rows: int
    ids: list[str]


class Alarm(NamedTuple):
    """So many `rows` of `of` rows have a text of this kind; examples with most rows first."""

    column: str
    kind: Kind
    rows: int
    of: int
    examples: list[Example]

    @property
    def share(self) -> float:
        return self.rows / self.of if self.of else 0.0


def find_alarms(rows: pl.LazyFrame, key: str, settings: Alarms) -> list[Alarm]:
    """An alarm of each kind for each text column, also those with no rows. A row without a text counts in none.

    `rows` has the key, the columns and, where rows may have failed, `error`.
    """
    return [alarm for column in settings.columns for alarm in find_in_column(rows, key, column, settings)]


def find_in_column(rows: pl.LazyFrame, key: str, column: str, settings: Alarms) -> Iterator[Alarm]:
    failed = pl.col("error") if "error" in rows.collect_schema() else pl.lit(None, pl.String)
    text = pl.when(failed.is_null()).then(column)
    numbered = rows.select(id=pl.col(key).cast(pl.String), text=text, code=failed).with_row_index("row")
    marks = mark(numbered, settings)
    texts, of = marks.filter("there"), len(marks)
    same, starts = (count_frequent(texts, kind, of, settings) for kind in ("same", "opening"))
    sampled = choose(texts["row"], settings.sample)
    bad = {kind: texts.filter(kind)["row"] for kind in ("refused", "truncated")}
    named = [ids.explode() for ids in (same["ids"], starts["ids"])] + [found.head(SHOWN) for found in bad.values()]
    wanted = pl.concat([sampled, *named]).unique()
    read = numbered.filter(pl.col("row").is_in(wanted.implode())).select("row", "id", "text")
    known = read.collect(engine="streaming")
    sample = known.filter(pl.col("row").is_in(sampled.implode())).with_columns(words=folded(pl.col("text")))
    looping = find_looping(sample)
    scale = len(texts) / max(1, len(sample))
    codes = {kind: int((marks["code"] == kind).sum()) for kind in CODES}
    yield Alarm(column, "same", int(same["rows"].sum()), of, examples(same, known))
    yield find_near(sample, column, settings)
    yield Alarm(column, "opening", int(starts["rows"].sum()), of, examples(starts, known))
    yield Alarm(column, "refused", len(bad["refused"]) + codes["refused"], of, single(bad["refused"], known))
    repeated = round(len(looping) * scale) + codes["repetition"]
    yield Alarm(column, "repetition", repeated, of, single(looping["row"], known))
    yield Alarm(column, "truncated", len(bad["truncated"]) + codes["truncated"], of, single(bad["truncated"], known))


def mark(numbered: pl.LazyFrame, settings: Alarms) -> pl.DataFrame:
    """What is known of each row with a text, or with one of CODES: hashes of its text and opening, and what is wrong."""
    words = pl.col("words")
    first = opening(words, settings.opening_words)
    return (
        numbered.select("row", "text", words=folded(pl.col("text")), code=pl.when(pl.col("code").is_in(CODES)).then("code"))
        .select(
            "row",
            "code",
            there=words.is_not_null(),
            same=words.hash(SEED),
            opening=pl.when(first.is_not_null()).then(first.hash(SEED)),
            refused=refuses(pl.col("text"), settings.refusals),
            truncated=breaks_off(pl.col("text")),
        )
        .filter(pl.col("there") | pl.col("code").is_not_null())
        .collect(engine="streaming")
    )


def count_frequent(texts: pl.DataFrame, kind: str, of: int, settings: Alarms) -> pl.DataFrame:
    """Of each frequent text or opening: its number of `rows`, and the first of them, `ids`; most frequent first."""
    often = settings.often.same if kind == "same" else settings.often.opening
    known = texts.select("row", value=kind).filter(pl.col("value").is_not_null())
    frequent = known.group_by("value").len("rows").filter(is_frequent(of, often, settings))
    first = known.join(frequent, on="value", how="semi").group_by("value").agg(ids=pl.col("row").head(IDS))
    counted = frequent.join(first, on="value").select("rows", "ids")
    return counted.sort("rows", pl.col("ids").list.first(), descending=[True, False])


def is_frequent(of: int, often: float, settings: Alarms) -> pl.Expr:
    return (pl.col("rows") >= settings.least_rows) & (pl.col("rows") > often * of)


def choose(rows: pl.Series, count: int) -> pl.Series:
    """So many of the rows, in their order: always the same ones."""
    if len(rows) <= count:
        return rows
    return rows[np.sort(np.random.default_rng(SEED).choice(len(rows), count, replace=False))]


def find_near(sample: pl.DataFrame, column: str, settings: Alarms) -> Alarm:
    """The texts of a sample that are nearly equal to many others of it, and not all of them equal."""
    distinct = sample.select("words").unique(maintain_order=True)
    groups = distinct.with_columns(group=pl.Series(group_near(distinct["words"]), dtype=pl.Int64))
    counted = (
        sample.join(groups, on="words", maintain_order="left")
        .group_by("group", maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col("row").head(IDS).alias("ids"), different=pl.col("words").n_unique())
        .filter(pl.col("different") > 1, is_frequent(len(sample), settings.often.near, settings))
        .sort("rows", descending=True, maintain_order=True)
    )
    return Alarm(column, "near", int(counted["rows"].sum()), len(sample), examples(counted, sample))


def examples(counted: pl.DataFrame, known: pl.DataFrame) -> list[Example]:
    """The first texts of what was counted (`rows`, `ids`), by the rows whose `id` and `text` are known."""
    found = []
    for rows, ids in counted.head(SHOWN).select("rows", "ids").iter_rows():
        own = known.filter(pl.col("row").is_in(ids)).sort("row")
        found.append(Example(own["text"][0], rows, own["id"].to_list()))
    return found


def single(rows: pl.Series, known: pl.DataFrame) -> list[Example]:
    own = known.filter(pl.col("row").is_in(rows.head(SHOWN).implode())).sort("row")
    return [Example(text, 1, [name]) for name, text in own.select("id", "text").iter_rows()]
