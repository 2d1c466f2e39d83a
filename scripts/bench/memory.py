"""Measures the memory of an `analyze` step over one long video: of the worker that decodes it, and of its task.

The step is run as a user runs it, here, in one worker. Peaks are each process's own account of its resident memory
(VmHWM). The three hours of 1080p are made first where they are not; measuring them takes half an hour.

    python -m scripts.bench.memory [videos=FOLDER] [FILE …]
"""

import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from scripts.bench.inputs.samples import long_video, samples
from slurm.record.manifest import Step

ROOT = Path(__file__).parents[2]
BAR_MB = 400
ROLES = {"worker": "multiprocessing.spawn", "task": "submitit.core._submit"}  # by what their command lines hold


class Process(NamedTuple):
    parent: int
    command: str
    peak_mb: float


def main(words: Sequence[str]) -> int:
    folder = next((word.partition("=")[2] for word in words if word.startswith("videos=")), "")
    table = Table(title="peak memory of a step of `analyze`, MB", box=SIMPLE_HEAD)
    for title in ("video", "frames", "pictures", "minutes", *ROLES, "bar"):
        table.add_column(title, justify="left" if title == "video" else "right")
    with tempfile.TemporaryDirectory(prefix="reelmill-bench-memory-") as temporary:
        videos = [Path(word) for word in words if not word.startswith("videos=")]
        if missing := [video for video in videos if not video.exists()]:
            print(f"no file {str(missing[0])!r}", file=sys.stderr)
            return 1
        for video in videos or list(made(Path(folder or temporary))):
            table.add_row(video.name, *measured(video, Path(temporary)), f"< {BAR_MB}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return 0


def made(folder: Path) -> Iterator[Path]:
    yield samples(folder)["h264_1080p"]
    yield long_video(folder)


def measured(video: Path, runs: Path) -> list[str]:
    """Frames, MB of key frames, minutes, and the peak of every role."""
    run = video.stem
    listed = runs / f"{run}.txt"
    listed.write_text(f"{video.absolute()}\n")
    settings = [f"run={run}", f"runs={runs}", "cluster=local", "cluster.cpus=1"]
    ingest, analyze = ([sys.executable, "-m", f"stages.{stage}", *settings] for stage in ("ingest", "analyze"))
    subprocess.run([*ingest, f"input.path={listed}"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    start_s = time.monotonic()
    step = subprocess.Popen(analyze, cwd=ROOT, stdout=subprocess.DEVNULL)
    peaks_mb: dict[str, float] = defaultdict(float)
    while step.poll() is None:
        processes = running()
        for pid, process in processes.items():
            for role, words in ROLES.items():
                if words in process.command and step.pid in ancestors(pid, processes):
                    peaks_mb[role] = max(peaks_mb[role], process.peak_mb)
        time.sleep(0.1)
    if step.returncode:
        raise subprocess.CalledProcessError(step.returncode, "stages.analyze")
    rows, pictures = (Step(runs / run, "analyze").scan(name) for name in ("rows", "key_frames"))
    assert rows is not None
    assert pictures is not None
    frames = rows.select("frames").collect().item()
    pictures_mb = pictures.select(pl.col("jpeg").bin.size().sum()).collect().item() / 1e6
    minutes = (time.monotonic() - start_s) / 60
    return [f"{frames:,}", f"{pictures_mb:.0f}", f"{minutes:.1f}", *(f"{peaks_mb[role]:.0f}" for role in ROLES)]


def running() -> dict[int, Process]:
    """The processes of this machine by their ids."""
    found: dict[int, Process] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                told = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
                command = (folder / "cmdline").read_text().replace("\0", " ")
            except (FileNotFoundError, ProcessLookupError):  # it has ended
                continue
            peak_kib = int(told.get("VmHWM", "0").split()[0])
            found[int(folder.name)] = Process(int(told["PPid"]), command, peak_kib * 1024 / 1e6)
    return found


def ancestors(pid: int, processes: Mapping[int, Process]) -> list[int]:
    found: list[int] = []
    while pid in processes:
        pid = processes[pid].parent
        found.append(pid)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
