"""The rows of a release, with what the steps before it know of each."""

import re
from collections.abc import Sequence

import polars as pl

from slurm.credentials import redact
from slurm.record.manifest import Step
from stages.core.report.lineage import lineage
from stages.core.schema.catalogue import CATALOGUE
from stages.core.schema.types import REAL, TEXT, Schema

CAPTIONS = ("rewritten_caption", "refined_caption", "raw_caption")  # the last that was made counts
KNOWN: Schema = {
    **{name: CATALOGUE[name] for name in ("title", "channel", "channel_id", "url", "licence", "source", "language")},
    "duration_s": REAL,
    **dict.fromkeys(("category", "category_parent", *CAPTIONS, "path", "clip_path", "original"), TEXT),
}
YOUTUBE_IDS = ("finevideo", "youtube_commons")  # sources whose ids are YouTube's


def read_rows(step: Step, beside: Sequence[Step] = ()) -> pl.DataFrame:
    """The rows of a finished package step, in its order: its keys, `id`, PACKED and KNOWN, null where nobody says it.

    Steps `beside` may say something of the same rows, too, as one does that categorizes the videos of clips. Of `url`
    only what others can open is left: addresses of the web. No text holds a NUL; `nul` says where one did.
    """
    packed = ("shard", "media_bytes", "media_sha256")
    rows = step.kept().select(*step.plan.keys, *packed).collect()
    for name, kind in KNOWN.items():
        rows = add_column(rows, givers_of(step, beside, name), name, kind)
    texts = [name for name in rows.columns if rows.schema[name] == TEXT and name != "original"]
    public = rows["url"].str.extract(r"(https?://\S+)$").map_elements(redact, TEXT)
    ids = pl.when(pl.col("source").is_in(YOUTUBE_IDS) & pl.col(step.plan.keys[-1]).str.contains(r"^[\w-]{11}$"))
    rows = rows.with_columns(
        id=pl.col(step.plan.key),
        category=pl.coalesce("category", pl.col("original").str.json_path_match("$.content_fine_category")),
        url=pl.coalesce(public, ids.then("https://www.youtube.com/watch?v=" + pl.col(step.plan.keys[-1]))),
        nul=pl.any_horizontal(pl.col(name).str.contains("\0", literal=True).fill_null(False) for name in texts),
    )
    return rows.drop("original").with_columns(pl.col(texts).str.replace_all("\0", "", literal=True))


def givers_of(step: Step, beside: Sequence[Step], name: str) -> list[Step]:
    """The steps that give a column, of the rows themselves before what they were made of, nearest first."""
    known = [*lineage(step)[1:], *(other for one in beside for other in lineage(one))]
    givers = {other.name: other for other in known if name in other.plan.gives and other.plan.key in step.plan.keys}
    return sorted(givers.values(), key=lambda giver: step.plan.keys.index(giver.plan.key))


def add_column(rows: pl.DataFrame, givers: Sequence[Step], name: str, kind: pl.DataType) -> pl.DataFrame:
    """The rows with a column more, each value that of the first step that has one."""
    values: list[pl.Series] = []
    for giver in givers:
        key, table = giver.plan.key, giver.scan()
        if table is not None:
            known = table.select(key, pl.col(name).cast(kind, strict=False).alias(":value")).drop_nulls()
            known = known.filter(pl.col(key).is_in(rows[key].unique().implode())).unique(
                key, keep="first", maintain_order=True
            )
            joined = rows.select(key).join(known.collect(), on=key, how="left", maintain_order="left")
            values.append(joined[":value"])
    one = pl.select(pl.coalesce(values)).to_series() if values else pl.Series([None] * len(rows), dtype=kind)
    return rows.with_columns(one.alias(name))


def captions_of(rows: pl.DataFrame) -> pl.Series:
    """The caption of each row, the one that was made last; null without one."""
    return rows.select(pl.coalesce(CAPTIONS).alias("caption")).to_series()


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
