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
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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
WHOLE = "plan.txt"  # the last of the files that are written: with it the folder is whole
NOT_IN_CSV = ("folder", "caption")


def list_of(folder: Path, chunk: int) -> Path:
    """A chunk's rows of PLAN."""
    return folder / "lists" / bucket(chunk) / f"{chunk_name(chunk)}.parquet"


def join(
    folder: Path,
    chunks: int,
    options: Trainer,
    gone: Collection[str] = (),
    place: Callable[[Path], Path] = lambda path: path,
) -> list[Path]:
    """Writes the files of the whole folder, at their `place`, if each of so many chunks has a list; gives their names.

    Clips with the ids in `gone` are left out.
    """
    lists, files = find_lists(folder), Files(folder, place)
    while lists and {list_of(folder, chunk) for chunk in range(chunks)} <= set(lists):
        before = stamps(lists)
        files = Files(folder, place)
        write_whole(files, lists, options, gone)
        lists = find_lists(folder)
        if stamps(lists) == before:
            break
    return files.names


class Files:
    """The files of the whole folder, each whole or not at all; `names` are those that were written."""

    def __init__(self, folder: Path, place: Callable[[Path], Path]) -> None:
        self.folder, self._place = folder, place
        self.names: list[Path] = []

    @contextmanager
    def written(self, name: str) -> Iterator[IO[str]]:
        path = self.folder / name
        with (
            replacing(self._place(path)) as temporary,
            temporary.open("w", encoding="utf-8", errors="replace", newline="\n") as file,
        ):
            yield file
        self.names.append(path)


def find_lists(folder: Path) -> list[Path]:
    """The lists that there are, in the order of chunks."""
    places = folder / "lists"
    return [places / place / name for place in names(places) for name in names(places / place)]


def stamps(lists: list[Path]) -> dict[Path, tuple[int, ...]]:
    """What tells that a list was written again."""
    facts = {path: path.stat() for path in lists}
    return {path: (stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in facts.items()}


def write_whole(files: Files, lists: list[Path], options: Trainer, gone: Collection[str]) -> None:
    """Reads a list after another: no more than one is in memory."""
    tallies: dict[str, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    used: dict[str, set[Bucket]] = defaultdict(set)
    left_out: Counter[str] = Counter()
    parts = ["train", *(["validation"] if options.validation_share else [])]
    own = ["videos.txt", "prompts.txt", *(["metadata.jsonl"] if LAYOUTS[options.layout].video else [])]
    with ExitStack() as open_files:
        opened = {
            part: {name: open_files.enter_context(files.written(f"{part}/{name}")) for name in own} for part in parts
        }
        table = csv.writer(open_files.enter_context(files.written("clips.csv")), lineterminator="\n")
        columns = [name for name in PLAN if name not in NOT_IN_CSV]
        table.writerow(columns)
        for row in rows_in(lists, gone):
            table.writerow(row[name] for name in columns)
            if row["left_out"] is not None:
                left_out[row["left_out"]] += 1
                continue
            tallies[row["part"]][row["bucket"]].add(row)
            used[row["part"]].add(Bucket(*map(int, row["folder"].split("x"))))
            write_lines(opened[row["part"]], row, options)
    rows = [row for part in parts for row in rows_of(part, tallies[part], options)]
    texts = {
        **{f"{part}/{name}": text for part in parts for name, text in start_files(options, sorted(used[part])).items()},
        "buckets.csv": pl.DataFrame(rows, BUCKETS).write_csv(),
        WHOLE: describe(rows, left_out, sorted(used["train"]), options),
    }
    for name, text in texts.items():
        with files.written(name) as file:
            file.write(text)


def rows_in(lists: list[Path], gone: Collection[str]) -> Iterator[Mapping[str, Any]]:
    for path in lists:
        table = pl.read_parquet(path, glob=False, hive_partitioning=False)
        yield from table.filter(~pl.col("id").is_in(list(gone))).iter_rows(named=True)


def write_lines(files: Mapping[str, IO[str]], row: Mapping[str, Any], options: Trainer) -> None:
    """A clip's lines; its path is seen from the folder with these files."""
    video = row["file"].partition("/")[2]
    files["videos.txt"].write(video + "\n")
    files["prompts.txt"].write(row["caption"] + "\n")
    if name := LAYOUTS[options.layout].video:
        known = {name: video, **{key: row[key] for key in ("caption", "bucket", "has_audio", "id")}}
        files["metadata.jsonl"].write(json.dumps(known, ensure_ascii=False) + "\n")
