"""Measures the removal of ten videos from a release of a thousand shards: what is written anew, and what stays.

The files are random bytes: no format looks into them. Every video that goes is in a shard of its own.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from scripts.bench.lines import Line, ran, shared
from scripts.bench.package import made_files

GONE = 10  # videos
A_SHARD = 4  # videos in one


class File(NamedTuple):
    """What tells whether a file was written anew."""

    inode: int
    time_ns: int
    bytes: int


def measure(folder: Path, *, shards: int = 1000, mb: float = 0.05, small: bool = False) -> Iterator[Line]:
    shards = 20 if small else shards
    files = made_files(shared(folder) / f"opt-out-{shards}-{mb:g}", shards * A_SHARD, mb)
    for file in files:  # all of one size, so that it is known what is in which shard
        os.truncate(file, round(mb * 0.5e6))
    listed = folder / "list.parquet"
    names = [{"video_id": f"video-{file.stem}", "path": str(file), "bytes": file.stat().st_size} for file in files]
    pl.DataFrame(names).write_parquet(listed)
    run = folder / "runs" / f"of-{shards}"
    own = [f"run={run.name}", f"runs={run.parent}", "source=urls", f"input.path={listed}"]
    size = A_SHARD * mb * 0.5e6 / 1e9
    for name in ("finevideo", "webdataset"):
        words = [f"format={name}", "format.media=path", "after=ingest", f"shard_gb={size}", f"step={name}"]
        ran("-m", "stages.package", *own, *words, "chunks.size=500")
    before = {name: shards_of(run / name) for name in ("finevideo", "webdataset")}
    gone = [row["video_id"] for row in names[:: len(names) // GONE][:GONE]]
    took = ran("-m", "scripts.opt_out", f"run={run.name}", f"runs={run.parent}", f"ids={','.join(map(str, gone))}")
    how = f"{took.output.strip().splitlines()[-1]}"
    yield Line(f"{GONE} videos out of two releases of {shards:,} shards", took.wall_s, "s", how=how)
    for name, files_before in before.items():
        after = shards_of(run / name)
        written = {path: file for path, file in after.items() if file != files_before.get(path)}
        held = sum(files_before[path].bytes for path in written)
        yield Line(f"{name}: shards that were written anew", len(written), "", GONE, f"of {len(after):,}")
        yield Line(f"{name}: shards that are gone", len(files_before.keys() - after.keys()), "", 0)
        size_bytes = sum(file.bytes for file in written.values())
        all_bytes = sum(file.bytes for file in files_before.values())
        yield Line(
            f"{name}: bytes written / bytes of these", size_bytes / held, "", 1.0, f"{size_bytes:,} of {all_bytes:,}"
        )


def shards_of(step: Path) -> dict[str, File]:
    found = {}
    for path in sorted((step / "media" / "data").rglob("*.*")):
        about = path.stat()
        found[str(path)] = File(about.st_ino, about.st_mtime_ns, about.st_size)
    return found
