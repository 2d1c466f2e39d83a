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


class Seen(NamedTuple):
    """What is known of a column: `marks` of each row that counts, frequent texts and openings, rows of a sample."""

    marks: pl.DataFrame
    same: pl.DataFrame
    opening: pl.DataFrame
    refused: pl.Series
    truncated: pl.Series
    sample: pl.Series

    def wanted(self) -> pl.Series:
        """The rows whose texts are needed."""
        frequent = [counted["ids"].explode() for counted in (self.same, self.opening)]
        return pl.concat([self.sample, *frequent, self.refused.head(SHOWN), self.truncated.head(SHOWN)]).unique()


def find_alarms(rows: pl.LazyFrame, key: str, settings: Alarms) -> list[Alarm]:
    """An alarm of each kind for each text column, also those with no rows. A row without a text counts in none.

    `rows` has the key, the columns and, where rows may have failed, `error`. They are read twice.
    """
    if not settings.columns:
        return []
    failed = pl.col("error") if "error" in rows.collect_schema() else pl.lit(None, pl.String)
    texts = {column: pl.when(failed.is_null()).then(column) for column in settings.columns}
    code = pl.when(failed.is_in(CODES)).then(failed)
    numbered = rows.select(pl.col(key).cast(pl.String).alias("id"), code.alias("code"), **texts).with_row_index("row")
    marked = [marks(column, settings) for column in settings.columns]
    marked_rows = numbered.select("row", "code", *marked).collect(engine="streaming")
    seen = {column: see(marked_rows, column, settings) for column in settings.columns}
    wanted = pl.concat([one.wanted() for one in seen.values()]).unique()
    known = numbered.filter(pl.col("row").is_in(wanted.implode())).collect(engine="streaming")
    return [alarm for column, one in seen.items() for alarm in tell(one, column, known, settings)]


def marks(column: str, settings: Alarms) -> pl.Expr:
    """What is known of each text, as a struct: hashes of it and of its opening, and what is wrong with it."""
    words = folded(pl.col(column))
    first = opening(words, settings.opening_words)
    return pl.struct(
        there=words.is_not_null(),
        same=words.hash(SEED),
        opening=pl.when(first.is_not_null()).then(first.hash(SEED)),
        refused=refuses(pl.col(column), settings.refusals),
        truncated=breaks_off(pl.col(column)),
    ).alias(column)


def see(marked_rows: pl.DataFrame, column: str, settings: Alarms) -> Seen:
    counts = pl.col("there") | pl.col("code").is_not_null()
    own = marked_rows.select("row", "code", column).unnest(column).filter(counts)
    texts = own.filter("there")
    same, starts = (count_frequent(texts, kind, len(own), settings) for kind in ("same", "opening"))
    refused, truncated = (texts.filter(kind)["row"] for kind in ("refused", "truncated"))
    return Seen(own.select("code", "there"), same, starts, refused, truncated, choose(texts["row"], settings.sample))


def tell(seen: Seen, column: str, table: pl.DataFrame, settings: Alarms) -> Iterator[Alarm]:
    """The alarms of a column; `table` has `row`, `id` and the texts of the rows that are needed."""
    of, texts = len(seen.marks), int(seen.marks["there"].sum())
    known = table.select("row", "id", text=column)
    sample = known.filter(pl.col("row").is_in(seen.sample.implode())).with_columns(words=folded(pl.col("text")))
    looping = find_looping(sample)["row"]
    failed = {kind: int((seen.marks["code"] == kind).sum()) for kind in CODES}
    yield Alarm(column, "same", int(seen.same["rows"].sum()), of, examples(seen.same, known))
    yield find_near(sample, column, settings)
    yield Alarm(column, "opening", int(seen.opening["rows"].sum()), of, examples(seen.opening, known))
    yield Alarm(column, "refused", len(seen.refused) + failed["refused"], of, single(seen.refused, known))
    repeated = round(len(looping) * texts / max(1, len(sample)))
    yield Alarm(column, "repetition", repeated + failed["repetition"], of, single(looping, known))
    yield Alarm(column, "truncated", len(seen.truncated) + failed["truncated"], of, single(seen.truncated, known))


def count_frequent(texts: pl.DataFrame, kind: str, of: int, settings: Alarms) -> pl.DataFrame:
    """Of each frequent text or opening: its number of `rows`, and the first of them, `ids`; most frequent first.

    An opening of texts that are all equal is left out: they count as the same text.
    """
    often = settings.often.same if kind == "same" else settings.often.opening
    known = texts.select("row", "same", value=kind).filter(pl.col("value").is_not_null())
    frequent = known.group_by("value").len("rows").filter(is_frequent(of, often, settings))
    first = (
        known.join(frequent, on="value", how="semi")
        .group_by("value")
        .agg(ids=pl.col("row").head(IDS), different=pl.col("same").n_unique())
    )
    counted = frequent.join(first, on="value").filter((pl.col("different") > 1) | (kind == "same"))
    return counted.select("rows", "ids").sort("rows", pl.col("ids").list.first(), descending=[True, False])


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
