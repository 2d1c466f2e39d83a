"""Measures package against `cp`, `sync` and `sha256sum` over the same files, from a cold page cache, in turns.

The files are random bytes of the size of FineVideo's videos: no format looks into them. Memory is that of a process
that packs one shard, over what it holds after its imports.
"""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import polars as pl

from scripts.bench.lines import ROOT, Line, each, ran, shared

MEMORY = """
import sys
from pathlib import Path
from pydantic import TypeAdapter
import polars as pl
import yaml
from stages.core.release.formats import FORMATS
from stages.core.release.media import Item
from stages.core.release.settings import Format
from stages.core.release.shards import Shard

def kib(name):
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1])

name, files, out = sys.argv[1:]
options = TypeAdapter(Format).validate_python(yaml.safe_load(Path(f"conf/format/{name}.yaml").read_text()))
paths = sorted(Path(files).iterdir())
items = [Item(path.stem, str(path), path.stat().st_size) for path in paths]
table = pl.DataFrame({"video_id": [path.stem for path in paths], "title": [path.stem for path in paths]})
before = kib("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
FORMATS[name].pack(Shard(Path(out), 0, 0, FORMATS[name].SUFFIX), items, table, options)
print((kib("VmHWM") - before) / 1024)
"""
BAR, BAR_MIB = 0.5, 450


def measure(
    folder: Path, *, gb: float = 4.0, mb: float = 14.0, shard_gb: float = 2.0, times: int = 3, small: bool = False
) -> Iterator[Line]:
    gb, mb, times = (0.02, 1.0, 1) if small else (gb, mb, times)
    files = made_files(shared(folder) / f"package-{gb:g}-{mb:g}", round(gb * 1000 / mb), mb)
    listed = folder / "list.parquet"
    names = [{"video_id": path.stem, "path": str(path), "bytes": path.stat().st_size} for path in files]
    pl.DataFrame(names).write_parquet(listed)
    run = f"{gb:g}-{mb:g}"
    own = [f"run={run}", f"runs={folder / 'runs'}", "source=urls", f"input.path={listed}"]
    ran("-m", "stages.ingest", *own)
    for name in ("finevideo", "webdataset", "clips"):
        words = [f"format={name}", "format.media=path", "after=ingest", f"shard_gb={shard_gb}", f"step={name}"]
        walls: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(times):
            forget(files)
            walls["theirs"].append(copied(files, folder / "copy"))
            forget(files)
            shutil.rmtree(folder / "runs" / run / name, ignore_errors=True)
            walls["ours"].append(ran("-m", "stages.package", *own, *words, "cluster.cpus=1").wall_s)
        shutil.rmtree(folder / "runs" / run / name)
        ratio = median(theirs / ours for ours, theirs in zip(*walls.values(), strict=True))
        how = f"{each(walls['theirs'])} s / {each(walls['ours'])} s; {gb:g} GB"
        yield Line(f"{name}: cp + sync + sha256sum / package", ratio, "", BAR, how, at_least=True)
        yield memory(name, files[: round(shard_gb * 1000 / mb)], folder)


def memory(name: str, files: list[Path], folder: Path) -> Line:
    """The memory of a process that packs these files into one shard."""
    links, out = folder / "links", folder / "shard"
    for left in (links, out):  # by a round that failed
        shutil.rmtree(left, ignore_errors=True)
    links.mkdir()
    for path in files:
        (links / path.name).symlink_to(path)
    words = [sys.executable, "-c", MEMORY, name, str(links), str(out)]
    said = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, check=True
    )
    shutil.rmtree(links)
    shutil.rmtree(out)
    return Line(f"{name}: memory of a shard", float(said.stdout), "MiB", BAR_MIB, "over what its imports take")


def made_files(folder: Path, count: int, mb: float) -> list[Path]:
    """So many files of about this size, of random bytes; made once."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(1)
    files = [folder / f"v{number:05d}.mp4" for number in range(count)]
    for path in files:
        size = round(mb * 1e6 * rng.uniform(0.5, 1.5))
        if not path.exists():
            path.write_bytes(os.urandom(size))
    os.sync()
    return files


def forget(files: list[Path]) -> None:
    """Takes the files out of the page cache."""
    for path in files:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def copied(files: list[Path], out: Path) -> float:
    """Seconds for a copy of the files that is on the disk, and their checksums."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    start_s = time.perf_counter()
    subprocess.run(["cp", *files, out], check=True)
    subprocess.run(["sync", "-f", out], check=True)
    subprocess.run(["sha256sum", *sorted(out.iterdir())], stdout=subprocess.DEVNULL, check=True)
    wall_s = time.perf_counter() - start_s
    shutil.rmtree(out)
    return wall_s
