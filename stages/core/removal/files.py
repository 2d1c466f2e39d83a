"""The files that a removal takes away or cleans: media, what was replaced, what killed tasks left, and logs."""

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from slurm.errors import InputError, ItemError
from slurm.record.files import names, replacing, scan_parts, write_table
from slurm.record.manifest import Step, steps
from slurm.record.merge import ITEM
from slurm.record.paths import ROWS
from slurm.task.attempt import is_readable
from stages.core.removal.counts import records_of
from stages.core.removal.releases import STAGE
from stages.core.removal.task import Task
from stages.core.storage.store import file_name, find_files

LINES = ("attempts", "submissions", "logs")  # folders of a step with what programs wrote
PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
SWEEPS = "sweeps"
WORDS = ("detail", "words")  # of a record, that a person reads


def store_roots(run: Path) -> list[str]:
    """The places where the steps of a run have kept the videos that they fetched; also steps that were replaced."""
    roots = set()
    for name in steps(run):
        step = Step(run, name)
        plans = [step.plan, *filter(None, map(step.former_plan, names(step.paths.superseded)))]
        for plan in plans:
            if isinstance(store := plan.config.get("store"), dict):
                roots.add(str(store.get("root") or step.paths.media))
    return sorted(roots)


def media_of(run: Path, task: Task) -> Iterator[str]:
    """Paths and addresses of the media files of rows that go, in stores and in the folders of steps.

    Raises InputError where a store cannot be reached.
    """
    for root in store_roots(run):
        try:
            yield from find_files(root, task.videos)
        except ItemError as error:
            raise InputError(f"store {root} cannot be reached, so nothing was changed: {error.detail}") from error
    staging = {file_name(f"{run / name}/{chunk}") for name in steps(run) for chunk in range(Step(run, name).plan.n)}
    for folder in (Path(root) for root in store_roots(run) if "://" not in root):
        for store in sorted(folder.glob("*/.partial")):
            yield from (str(store / name) for name in names(store) if name in staging)
    for name in steps(run):
        step = Step(run, name)
        if step.plan.stage == STAGE:
            continue
        if step.plan.media:
            yield from named_media(step, task)
        yield from map(str, named_files(step.paths.media, task))
    yield from map(str, named_files(run / ".superseded", task))


def named_media(step: Step, task: Task) -> Iterator[str]:
    """The files in the step's media folder that rows which go name; the run may have been moved since."""
    column, rows = str(step.plan.media), step.scan()
    goes = None if rows is None else task.goes(rows.collect_schema())
    if rows is None or goes is None:
        return
    for path in rows.filter(goes).select(pl.col(column).drop_nulls()).collect().to_series():
        inside = path.rpartition(f"/{step.name}/media/")[2]
        if (file := step.paths.media / inside).is_file():
            yield str(file)


def named_files(folder: Path, task: Task) -> list[Path]:
    """The files in a folder and below whose names mention what goes."""
    return sorted(path for path in walk(folder) if task.mentions.in_text(path.name))


def walk(folder: Path) -> Iterator[Path]:
    """All files in a folder and below, hidden ones too; links are files, and are not followed."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(files))
        yield from (Path(place, name) for name in folders if Path(place, name).is_symlink())


# what is not needed any more


def unneeded(run: Path, task: Task) -> Iterator[Path]:
    """Files of a run that nothing needs and that may have something of what goes: they are removed as a whole."""
    for path in walk(run):
        if path.name.startswith(".") and path.name.endswith(".tmp"):
            yield path  # of a process that was killed while it wrote
    for path in walk(run / ".superseded"):
        if has_rows(path, task) if path.suffix == ".parquet" else task.mentions.in_bytes(path.read_bytes()):
            yield path
    for name in steps(run):
        step = Step(run, name)
        records = records_of(step).values()
        parts = {step.paths.part(done.part, table) for done in records for table in (ROWS, *done.tables)}
        for root in (step.paths.parts, step.paths.tables):
            yield from (path for path in walk(root) if path not in parts)
        yield from (path for path in walk(step.paths.logs) if ".pkl" in path.name)
        yield step.paths.cache
    for pool in names(run / "pools"):  # requests that were made of a row
        yield from walk(run / "pools" / pool / "warm")
    for path in walk(run / SWEEPS / "tune"):
        if task.mentions.in_bytes(path.read_bytes()):
            yield path


def has_rows(path: Path, task: Task) -> bool:
    """Whether a table has rows that go; also if it cannot be read."""
    if not is_readable(path):
        return True
    rows = scan_parts([path])
    goes = task.goes(rows.collect_schema())
    return goes is not None and bool(rows.select(goes.any()).collect().item())


def outdated_sweeps(run: Path, task: Task) -> Iterator[Path]:
    """The folders with tables of sweeps of which points had rows that go."""
    points = {name.partition("@")[0] for name in task.rows if "@" in name and task.rows[name]}
    for folder in sorted((run / SWEEPS).glob("*/")):
        table = folder / "points.parquet"
        if table.is_file() and points & {*pl.read_parquet(table, columns=["step"])["step"]}:
            yield folder


# what is cleaned


def clean_partial(step: Step, task: Task) -> None:
    """Takes the rows out of what unfinished chunks have flushed."""
    pieces = {hashlib.sha256(name.encode()).hexdigest()[:16] for name in task.gone}
    for path in walk(step.paths.partial):
        piece = path.name.partition("-")[2][:16]
        if (path.suffix == ".flush" and not is_readable(path)) or piece in pieces:
            path.unlink()
        elif path.suffix == ".flush":
            rows = scan_parts([path])
            columns = rows.collect_schema()
            tests = [pl.col(ITEM).is_in(sorted(task.gone))] if ITEM in columns else []
            tests += [test for test in [task.goes(columns)] if test is not None]
            goes = pl.any_horizontal(tests) if tests else None
            if goes is not None and rows.select(goes.fill_null(False).any()).collect().item():
                write_table(path, rows.filter(~goes.fill_null(False)).collect())


def clean_lines(run: Path, task: Task) -> int:
    """Masks names in logs, and in what events and messages say; gives the number of files."""
    places = [run / name / folder for name in steps(run) for folder in LINES]
    places += [
        run / "pools" / pool / folder for pool in names(run / "pools") for folder in ("logs", "ended", "launches")
    ]
    return sum(clean(path, task) for place in places for path in walk(place) if not path.is_symlink())


def masked(path: Path, content: bytes, task: Task) -> bytes:
    """A file's content without the names. Of what programs read again only the words for people are touched."""
    if path.suffix not in (".json", ".jsonl"):
        return task.mentions.masked(content)
    lines = content.split(b"\n")
    return b"\n".join(masked_words(line, task) if task.mentions.in_words(line) else line for line in lines)


def masked_words(line: bytes, task: Task) -> bytes:
    try:
        record = json.loads(line)
    except ValueError:  # torn
        return task.mentions.masked(line)
    words = {name: record[name] for name in WORDS if isinstance(record, dict) and isinstance(record.get(name), str)}
    changed = {name: task.mentions.masked(text.encode()).decode() for name, text in words.items()}
    return json.dumps({**record, **changed}).encode() if changed != words else line


def clean(path: Path, task: Task) -> bool:
    """Masks the names in a file of lines, which may be packed; whether there were some."""
    kind = PACKED.get(path.suffix)
    content = path.read_bytes()
    plain = content
    if kind:
        try:
            plain = gzip.decompress(content) if kind == "gzip" else unpacked(content, kind)
        except (OSError, EOFError, pa.ArrowInvalid):  # it is none, or torn: seen by the proof
            return False
    without = masked(path, plain, task)
    if without == plain:
        return False
    mode = path.stat().st_mode & 0o777
    with replacing(path) as temporary:
        temporary.write_bytes(packed(without, kind) if kind else without)
        temporary.chmod(mode)
    return True


def unpacked(content: bytes, kind: str) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(content), kind) as stream:
        return bytes(stream.read())


def packed(content: bytes, kind: str) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, kind) as stream:
        stream.write(content)
    return bytes(out.getvalue())
