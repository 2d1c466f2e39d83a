"""Measures the memory of an `analyze` step over one long video: of the worker that decodes it, and of its task.

The step is run as a user runs it, here, in one worker. Peaks are each process's own account of its resident memory
(VmHWM). The three hours of 1080p are made first where they are not; measuring them takes half an hour. `file=VIDEO`
measures another one.
"""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from scripts.bench.inputs.samples import long_video, samples
from scripts.bench.lines import ROOT, Line, shared
from slurm.record.manifest import Step

BAR_MB = 400
ROLES = {"worker": "multiprocessing.spawn", "task": "slurm.scheduler.begin"}  # by what their command lines hold


class Process(NamedTuple):
    parent: int
    command: str
    peak_mb: float


def measure(folder: Path, *, file: str = "", small: bool = False) -> Iterator[Line]:
    films = shared(folder)
    videos = [Path(file).absolute()] if file else [samples(films, small)["h264_1080p"]]
    if not (file or small):
        videos.append(long_video(films))
    for video in videos:
        yield from step_over(video, folder)


def step_over(video: Path, runs: Path) -> Iterator[Line]:
    """The peak of every role; how many frames and MB of key frames there were, and minutes that it took."""
    run = f"{video.stem}{len(list(runs.iterdir()))}"
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
    minutes = (time.monotonic() - start_s) / 60
    rows, pictures = (Step(runs / run, "analyze").scan(name) for name in ("rows", "key_frames"))
    assert rows is not None
    assert pictures is not None
    frames = rows.select("frames").collect().item()
    pictures_mb = pictures.select(pl.col("jpeg").bin.size().sum()).collect().item() / 1e6
    how = f"{frames:,} frames, {pictures_mb:.0f} MB of key frames, {minutes:.1f} min"
    for role in ROLES:
        yield Line(f"peak memory of the {role} of `analyze`, {video.stem}", peaks_mb[role], "MB", BAR_MB, how)


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
