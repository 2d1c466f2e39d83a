"""Finds the clips of a run that cover spans of videos which another dataset names.

FILE (.csv, .parquet or .jsonl) has the columns video_id, start_s and end_s, times in the whole video, and maybe others.
Written are its rows, each as often as there are clips with a part of it, with `clip_id`, `clip_start_s`, `clip_end_s`,
`overlap_s` and `share`, what of the row is in the clip, 0 to 1; the clips of a row, best first. One without any stays.

    python -m scripts.cover run=NAME rows=FILE out=FILE.parquet [step=NAME] [least=0.5] [kept=true] [runs=runs]
"""

import sys
from pathlib import Path

import polars as pl

from scripts.words import read_words
from slurm.ending import ending
from slurm.errors import InputError
from slurm.owner import reading
from slurm.record.manifest import Step, steps
from slurm.table import find_run, read_table, write_table

KEYS = ("run", "rows", "out", "step", "least", "kept", "runs")
SUFFIXES = (".csv", ".parquet", ".jsonl")
TIMES = {"clip_start_s": "start_s", "clip_end_s": "end_s"}
SPAN = {"video_id": pl.String(), "start_s": pl.Float64(), "end_s": pl.Float64()}


def read_rows(file: Path) -> pl.LazyFrame:
    """The rows of a file, with SPAN. Raises InputError."""
    if file.suffix not in SUFFIXES:
        raise InputError(f"rows={file}: its suffix is none of {', '.join(SUFFIXES)}")
    if not file.is_file():
        raise InputError(f"rows={file}: no such file (seen from {Path.cwd()})")
    try:
        if file.suffix == ".jsonl":
            rows = pl.scan_ndjson(file)
        else:
            rows = (pl.scan_csv if file.suffix == ".csv" else pl.scan_parquet)(file, glob=False)
        there = rows.collect_schema().names()
        if missing := [name for name in SPAN if name not in there]:
            raise InputError(f"rows={file} has no column {missing[0]}; it has: {', '.join(there)}")
        return rows.with_columns(pl.col(name).cast(kind) for name, kind in SPAN.items()).collect().lazy()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"rows={file} cannot be read: {error}") from error


def read_clips(run: Path, name: str | None, *, kept: bool) -> pl.LazyFrame:
    """clip_id, video_id and the span in the whole video of the clips of a step, the last one that has any.

    Raises InputError.
    """
    plans = {other: Step(run, other).plan for other in steps(run)}
    of_clips = [other for other, plan in plans.items() if plan.key == "clip_id"]
    spans = next((other for other in of_clips if set(TIMES.values()) <= plans[other].gives.keys()), None)
    if spans is None or (name is not None and name not in of_clips):
        raise InputError(
            f"{run}: {name or 'no step'} has no rows of clips; of its steps these do: {', '.join(of_clips)}"
        )
    ids = read_table(run, name or of_clips[-1], kept=kept).select("clip_id")
    clips = read_table(run, spans).select("clip_id", "video_id", **TIMES).join(ids, on="clip_id", how="semi")
    begun = next((other for other, plan in plans.items() if "offset_s" in plan.gives), None)
    if begun is None:
        return clips.drop_nulls()
    known = read_table(run, begun).select("video_id", "offset_s")  # of files that are parts of videos
    times = [pl.col(name) + pl.col("offset_s").fill_null(0.0) for name in TIMES]
    return clips.join(known, on="video_id", how="left").with_columns(times).drop("offset_s").drop_nulls()


def cover(rows: pl.LazyFrame, clips: pl.LazyFrame) -> pl.DataFrame:
    """The rows, numbered by `_row`, with the clips that have a part of them."""
    numbered = rows.with_row_index("_row")
    overlap_s = pl.min_horizontal("end_s", "clip_end_s") - pl.max_horizontal("start_s", "clip_start_s")
    met = (
        numbered.select("_row", *SPAN)
        .join(clips, on="video_id")
        .with_columns(overlap_s=overlap_s)
        .filter(pl.col("overlap_s") > 0)
        .with_columns(share=pl.col("overlap_s") / (pl.col("end_s") - pl.col("start_s")))
        .select("_row", "clip_id", "clip_start_s", "clip_end_s", "overlap_s", "share")
    )
    found = numbered.join(met, on="_row", how="left")
    return found.sort("_row", -pl.col("share"), "clip_start_s", "clip_id").collect()


def main(words: list[str]) -> None:
    if {"--help", "-h"} & {*words}:
        print(__doc__)
        return
    said = read_words(words, KEYS, ("run", "rows", "out"))
    try:
        least = float(said.get("least", "0.5"))
    except ValueError:
        least = -1.0
    if not 0 <= least <= 1:
        raise InputError(f"least={said['least']}: a share from 0 to 1, please")
    if (kept := said.get("kept", "true")) not in ("true", "false"):
        raise InputError(f"kept={kept}: true or false, please")
    run = find_run(Path(said["runs"]) / said["run"] if "runs" in said else said["run"])
    rows = read_rows(Path(said["rows"]))
    with reading():
        found = cover(rows, read_clips(run, said.get("step"), kept=kept == "true"))
    write_table(found.drop("_row").lazy(), Path(said["out"]))
    best = found.group_by("_row").agg(pl.col("share").max().fill_null(0.0))["share"]
    well, any_of_it = int((best >= least).sum()), int((best > 0).sum())
    print(f"{well:,} of {len(best):,} rows have a clip with {least:.0%} of them, {any_of_it:,} any")


if __name__ == "__main__":
    with ending("nothing is changed by this"):
        main(sys.argv[1:])
