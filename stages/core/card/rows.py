"""The rows of a release, with what the steps before it know of each."""

import re
from collections.abc import Sequence

import polars as pl

from slurm.credentials import redact
from slurm.record.manifest import Step
from stages.core.report.flow.lineage import lineage
from stages.core.schema.catalogue import CATALOGUE
from stages.core.schema.types import INT, REAL, TEXT, Schema

CAPTIONS = ("rewritten_caption", "refined_caption", "raw_caption")  # the last that was made counts
KNOWN: Schema = {
    **{name: CATALOGUE[name] for name in ("title", "channel", "channel_id", "url", "licence", "source", "language")},
    "duration_s": REAL,
    **dict.fromkeys(("category", "path", "clip_path"), TEXT),
}
FINE_CATEGORY = pl.col("original").str.json_path_match("$.content_fine_category")  # as FineVideo has said
YOUTUBE_IDS = ("finevideo", "youtube_commons")  # sources whose ids are YouTube's


def read_rows(step: Step, beside: Sequence[Step] = ()) -> pl.DataFrame:
    """The rows of a finished package step, in its order: its keys, `id`, PACKED and KNOWN, null where nobody says it;
    and `caption_words`, how long its caption is.

    Steps `beside` may say something of the same rows, too, as one does that categorizes the videos of clips. Of `url`
    only what others can open is left: addresses of the web. No text holds a NUL; `nul` says where one did.
    """
    packed = ("shard", "media_bytes", "media_sha256")
    rows = step.kept().select(*step.plan.keys, *packed).collect()
    for name, kind in KNOWN.items():
        rows = rows.with_columns(read_column(rows, givers_of(step, beside, name), pl.col(name), kind).alias(name))
    fine = read_column(rows, givers_of(step, beside, "original"), FINE_CATEGORY, TEXT)
    words = [
        read_column(rows, givers_of(step, beside, name), pl.col(name).str.split(" ").list.len(), INT)
        for name in CAPTIONS
    ]
    texts = [name for name in rows.columns if rows.schema[name] == TEXT]
    public = rows["url"].str.extract(r"(https?://\S+)$").map_elements(redact, TEXT)
    ids = pl.when(pl.col("source").is_in(YOUTUBE_IDS) & pl.col(step.plan.keys[-1]).str.contains(r"^[\w-]{11}$"))
    rows = rows.with_columns(
        id=pl.col(step.plan.key),
        category=pl.coalesce("category", fine),
        caption_words=pl.coalesce(words),
        url=pl.coalesce(public, ids.then("https://www.youtube.com/watch?v=" + pl.col(step.plan.keys[-1]))),
        nul=pl.any_horizontal(pl.col(name).str.contains("\0", literal=True).fill_null(False) for name in texts),
    )
    return rows.with_columns(pl.col(texts).str.replace_all("\0", "", literal=True))


def givers_of(step: Step, beside: Sequence[Step], name: str) -> list[Step]:
    """The steps that give a column, of the rows themselves before what they were made of, nearest first."""
    known = [*lineage(step)[1:], *(other for one in beside for other in lineage(one))]
    givers = {other.name: other for other in known if name in other.plan.gives and other.plan.key in step.plan.keys}
    return sorted(givers.values(), key=lambda giver: step.plan.keys.index(giver.plan.key))


def read_column(rows: pl.DataFrame, givers: Sequence[Step], value: pl.Expr, kind: pl.DataType) -> pl.Series:
    """A value for each row: that of the first step that has one. Of long texts no more is in memory than this."""
    values: list[pl.Series] = []
    for giver in givers:
        key, table = giver.plan.key, giver.scan()
        if table is not None:
            known = table.select(key, value.cast(kind, strict=False).alias(":value")).drop_nulls()
            known = known.filter(pl.col(key).is_in(rows[key].unique().implode())).unique(
                key, keep="first", maintain_order=True
            )
            joined = rows.select(key).join(known.collect(), on=key, how="left", maintain_order="left")
            values.append(joined[":value"])
    return pl.select(pl.coalesce(values)).to_series() if values else pl.Series([None] * len(rows), dtype=kind)


def read_captions(rows: pl.DataFrame, step: Step, beside: Sequence[Step]) -> pl.Series:
    """The caption of each of these rows, the one that was made last, without NUL; null without one."""
    made = [read_column(rows, givers_of(step, beside, name), pl.col(name), TEXT) for name in CAPTIONS]
    return pl.select(pl.coalesce(made).str.replace_all("\0", "", literal=True).alias("caption")).to_series()


def attribution_of(rows: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Whom each row is from: config, id, channel, title, url, licence, source."""
    columns = ("config", "id", "channel", "title", "url", "licence", "source")
    return pl.concat([table.select(columns) for table in rows])


def sha256_by_shard(step: Step) -> dict[str, str]:
    """The checksum of each file that the package's own lists name, by its path in the release."""
    found: dict[str, str] = {}
    for path in sorted((step.paths.media / "index").glob("*/*.sha256")):
        for line in path.read_text().splitlines():
            if match := re.fullmatch(r"([0-9a-f]{64})  (.+)", line):
                found[match[2]] = match[1]
    return found
