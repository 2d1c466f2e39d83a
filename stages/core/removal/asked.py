"""What is to be removed: which rows of a run the ids, channels and URLs name that somebody gave."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from slurm.errors import InputError
from slurm.record.files import names, scan_parts
from slurm.record.manifest import Step, steps
from slurm.record.paths import ROWS
from slurm.task.attempt import flush_file, is_readable
from stages.core.schema.types import TEXT
from stages.core.sources import youtube
from stages.core.sources.opt_out import named_by, read_opt_out
from stages.core.sources.tables import SUFFIXES

ADDRESSES = ("channel_id", "url", "path")  # columns by which a video may be named, beside its key
OTHERS = ("id", "a", "b")  # columns of side tables that name a row
ALIKE = {"alike": TEXT, "of": TEXT, "how": TEXT, "score": pl.Float64()}


class Found(NamedTuple):
    """The rows that are named. `keys` has of each key column (video_id, clip_id, …) the values in these rows."""

    videos: list[str]
    counts: dict[str, int]  # name → videos that it names; 0: unknown
    keys: dict[str, list[str]]
    addresses: list[str]  # paths and URLs of these videos, and of no other
    alike: list[dict[str, object]]  # ALIKE: rows that stay and are like one that goes


def read_names(said: str) -> list[str]:
    """The ids, channels and URLs of a list, a,b,c, or of a file. Raises InputError."""
    listed = [name.strip() for name in said.strip().removeprefix("[").removesuffix("]").split(",")]
    is_file = Path(said).suffix.lower() in SUFFIXES and len(listed) == 1 and "://" not in said
    if is_file or Path(said).is_file():
        found = read_opt_out(said, "ids")
    else:
        found = named_by(pl.Series(listed, dtype=TEXT), f"ids={said}")
    if found.is_empty():
        raise InputError(
            f"ids={said}: no id in it: say video ids, channel ids or URLs, a,b,c, or a file with one a line"
        )
    return sorted(found)


def find(run: Path, said: Sequence[str]) -> Found:
    """The rows of a run that these name."""
    known = [Step(run, name) for name in steps(run)]
    root = next((step.plan.keys[-1] for step in known if step.plan.keys and not step.plan.inputs), "video_id")
    tables = [pl.DataFrame(schema={"name": TEXT, "video": TEXT})]
    for step in known:
        if step.plan.keys == [root]:
            tables += [named_in(rows, root, said) for rows in main_tables(step)]
    named = pl.concat(tables).unique().sort("name", "video")
    counts = dict.fromkeys(said, 0) | dict(named.group_by("name").len().iter_rows())
    videos = named["video"].unique().sort().to_list()
    keys = {root: videos}
    for step in known if videos else ():
        for column, values in keys_in(step, keys):
            keys[column] = sorted({*keys.get(column, ()), *values})
    alike = alike_to(known, keys, root) if videos else []
    return Found(videos, counts, keys, addresses_of(known, root, videos), alike)


def main_tables(step: Step) -> Iterator[pl.LazyFrame]:
    """The rows of a step: those of finished chunks, and what was flushed of others."""
    if (rows := step.scan()) is not None:
        yield rows
    for folder in names(step.paths.partial):
        for chunk in names(step.paths.partial / folder):
            place = step.paths.partial / folder / chunk
            files = [place / name for name in names(place) if name.endswith(".flush") and name.count(".") == 3]
            yield from (scan_parts([flush_file(file, ROWS)]) for file in files if is_readable(file))


def named_in(rows: pl.LazyFrame, root: str, said: Sequence[str]) -> pl.DataFrame:
    """name, video of the rows of a table of videos that one of these names."""
    there, key = rows.collect_schema(), pl.col(root)
    columns = [key, key.str.extract("^(.+)#"), *(pl.col(name) for name in ADDRESSES if there.get(name) == TEXT)]
    if there.get("url") == TEXT:
        columns.append(youtube.video_id(pl.col("url")))
    paths = {str(Path(name).absolute()): name for name in said if "/" in name and "://" not in name}
    wanted = {name: name for name in said} | paths
    found = [
        rows.select(name=column, video=key).filter(pl.col("name").is_in(list(wanted))).collect() for column in columns
    ]
    return pl.concat(found).with_columns(pl.col("name").replace_strict(wanted)).unique()


def addresses_of(known: Sequence[Step], root: str, videos: Sequence[str]) -> list[str]:
    """Paths and URLs of these videos; those that others have as well are left out."""
    own: set[str] = set()
    others: set[str] = set()
    for step in known if videos else ():
        rows = step.scan() if step.plan.keys == [root] else None
        columns = [name for name in ("path", "url") if step.plan.gives.get(name) == "String"]
        for name in columns if rows is not None else ():
            assert rows is not None
            table = rows.select(name, gone=pl.col(root).is_in(videos)).drop_nulls(name).collect()
            own |= {*table.filter("gone")[name]}
            others |= {*table.filter(~pl.col("gone") & pl.col(name).is_in(sorted(own)))[name]}
    return sorted(own - others - {""})


def keys_in(step: Step, keys: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    """Key columns of a step with their values in the rows that were made of rows with these keys."""
    above = [name for name in step.plan.keys if name in keys]
    for rows in main_tables(step) if above else ():
        there = rows.collect_schema()
        wanted = [pl.col(name).is_in(keys[name]) for name in above if name in there]
        if wanted and there.get(step.plan.key) == TEXT:
            own = rows.filter(pl.any_horizontal(wanted)).select(pl.col(step.plan.key).drop_nulls().unique())
            yield step.plan.key, own.collect().to_series().to_list()
    for table, columns in step.plan.tables.items():
        named = {"span_id", "video_id"} <= columns.keys() and "video_id" in keys
        if named and (listed := step.scan(table)) is not None:
            spans = listed.filter(pl.col("video_id").is_in(keys["video_id"])).select(pl.col("span_id").unique())
            yield "span_id", spans.collect().to_series().drop_nulls().to_list()


def alike_to(known: Sequence[Step], keys: dict[str, list[str]], root: str) -> list[dict[str, object]]:
    """Rows that stay and are like one that goes, as ALIKE: by the pairs of `dedup`, or by the checksum of a file."""
    gone = sorted({value for values in keys.values() for value in values})
    found = [pl.DataFrame(schema=ALIKE)]
    for step in known:
        pairs = step.scan("pairs") if step.plan.tables.get("pairs", {}).keys() >= {"a", "b", "how", "score"} else None
        for one, other in (("a", "b"), ("b", "a")) if pairs is not None else ():
            assert pairs is not None
            there = pairs.filter(pl.col(one).is_in(gone) & ~pl.col(other).is_in(gone))
            own = there.filter(~pl.col("leaked").fill_null(False)) if "leaked" in there.collect_schema() else there
            found.append(own.select(pl.col(other).alias("alike"), pl.col(one).alias("of"), "how", "score").collect())
        rows = step.scan() if step.plan.keys == [root] and step.plan.gives.get("sha256") == "String" else None
        if rows is not None:
            table = rows.select(root, "sha256").drop_nulls().collect()
            is_gone = pl.col(root).is_in(gone)
            same = table.filter(~is_gone).join(table.filter(is_gone), on="sha256")
            found.append(same.select(alike=root, of=f"{root}_right", how=pl.lit("exact"), score=pl.lit(1.0)))
    return pl.concat(found).unique(["alike", "how"], keep="first", maintain_order=True).sort("alike", "how").to_dicts()
