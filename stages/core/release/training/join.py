"""The files of a trainer's whole folder, out of the lists of its chunks.

    train/videos.txt train/prompts.txt     a clip and its caption a line
    train/metadata.jsonl                   the same as JSON, and in which bucket it falls, and whether it has sound
    train/training.json, dataset.toml      the buckets, as the trainer is told of them
    plan.txt, buckets.csv                  what falls into each bucket, and what of it is not trained on
    clips.csv                              the same of each clip; of those that are left out why

A chunk writes its list, then looks whether all have one. Whoever comes last makes these files, out of the lists alone
and in their order, so they have the same bytes whoever that is. Where two come last, or lists change meanwhile, it
looks again: so what stays is made of the lists that stay. A step of its own would need a second command for a folder.
"""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import polars as pl

from slurm.record.files import names, replacing
from slurm.record.paths import bucket, chunk_name
from stages.core.release.training.buckets import Bucket
from stages.core.release.training.layouts import LAYOUTS, start_files
from stages.core.release.training.report import BUCKETS, Tally, describe, rows_of
from stages.core.release.training.settings import Trainer
from stages.core.schema.types import FLAG, INT, REAL, TEXT, Schema

PLAN: Schema = {  # of each clip; null: what was not looked at, since it is left out
    "id": TEXT,
    "left_out": TEXT,  # null: it is there
    "part": TEXT,  # train or validation
    "file": TEXT,  # its path in the release
    "bucket": TEXT,  # width x height x frames of what is trained on
    "folder": TEXT,  # the config's bucket: the same, unless the trainer makes sizes of its own
    "width_px": INT,
    "height_px": INT,
    "fps": REAL,
    "frames": INT,
    "picture_kept": REAL,  # share of the picture that is not cropped
    "scale": REAL,  # above 1: enlarged
    "frames_used": INT,
    "frames_lost": INT,  # cut off at the end; by finetrainers left out in between
    "has_audio": FLAG,
    "caption": TEXT,
}
NOT_IN_CSV = ("folder", "caption")


def list_of(folder: Path, chunk: int) -> Path:
    """A chunk's rows of PLAN."""
    return folder / "lists" / bucket(chunk) / f"{chunk_name(chunk)}.parquet"


def join(folder: Path, chunks: int, options: Trainer) -> None:
    """Writes the files of the whole folder if each of so many chunks has a list."""
    lists = find_lists(folder)
    while {list_of(folder, chunk) for chunk in range(chunks)} <= set(lists):
        before = stamps(lists)
        write_whole(folder, lists, options)
        lists = find_lists(folder)
        if stamps(lists) == before:
            return


def find_lists(folder: Path) -> list[Path]:
    """The lists that there are, in the order of chunks."""
    places = folder / "lists"
    return [places / place / name for place in names(places) for name in names(places / place)]


def stamps(lists: list[Path]) -> dict[Path, tuple[int, ...]]:
    """What tells that a list was written again."""
    facts = {path: path.stat() for path in lists}
    return {path: (stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in facts.items()}


def write_whole(folder: Path, lists: list[Path], options: Trainer) -> None:
    """Reads a list after another: no more than one is in memory."""
    tallies: dict[str, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    used: dict[str, set[Bucket]] = defaultdict(set)
    left_out: Counter[str] = Counter()
    parts = ["train", *(["validation"] if options.validation_share else [])]
    with ExitStack() as files:
        opened = {part: open_lists(files, folder / part, options) for part in parts}
        table = csv.writer(text_file(files, folder / "clips.csv"), lineterminator="\n")
        columns = [name for name in PLAN if name not in NOT_IN_CSV]
        table.writerow(columns)
        for row in rows_in(lists):
            table.writerow(row[name] for name in columns)
            if row["left_out"] is not None:
                left_out[row["left_out"]] += 1
                continue
            tallies[row["part"]][row["bucket"]].add(row)
            used[row["part"]].add(Bucket(*map(int, row["folder"].split("x"))))
            write_lines(opened[row["part"]], row, options)
    for part in parts:
        for name, text in start_files(options, sorted(used[part])).items():
            write_text(folder / part / name, text)
    rows = [row for part in parts for row in rows_of(part, tallies[part], options)]
    with replacing(folder / "buckets.csv") as temporary:
        pl.DataFrame(rows, BUCKETS).write_csv(temporary)
    write_text(folder / "plan.txt", describe(rows, left_out, sorted(used["train"]), options))


def open_lists(files: ExitStack, folder: Path, options: Trainer) -> dict[str, IO[str]]:
    """The files of a part of the folder with a line a clip, which appear when all of them are written."""
    lists = ["videos.txt", "prompts.txt", *(["metadata.jsonl"] if LAYOUTS[options.layout].video else [])]
    return {name: text_file(files, folder / name) for name in lists}


def text_file(files: ExitStack, path: Path) -> IO[str]:
    temporary = files.enter_context(replacing(path))
    return files.enter_context(temporary.open("w", encoding="utf-8", errors="replace", newline="\n"))


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def rows_in(lists: list[Path]) -> Iterator[Mapping[str, Any]]:
    for path in lists:
        yield from pl.read_parquet(path).iter_rows(named=True)


def write_lines(files: Mapping[str, IO[str]], row: Mapping[str, Any], options: Trainer) -> None:
    """A clip's lines; its path is seen from the folder with these files."""
    video = row["file"].partition("/")[2]
    files["videos.txt"].write(video + "\n")
    files["prompts.txt"].write(row["caption"] + "\n")
    if name := LAYOUTS[options.layout].video:
        known = {name: video, **{key: row[key] for key in ("caption", "bucket", "has_audio", "id")}}
        files["metadata.jsonl"].write(json.dumps(known, ensure_ascii=False) + "\n")
