"""Measures what `analyze` costs: against bare decoding by ffmpeg, against the passes that it replaces, on all cores.

CPU seconds, user and system, of `measure` in a warm process (imports and a first film are behind it) and of ffmpeg's
child, in turns; a ratio is taken in each round, and its median is the figure. The videos are made first where they are
not (a quarter of an hour). `parts=bare,passes,processes` are the three; `file=VIDEO` is measured against bare decoding
too, in place of ../shared/videos.
"""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeVar

import av
from av.codec.context import ThreadType
from av.video.stream import VideoStream

from scripts.bench.inputs.films import SPEEDS, Speed, settings
from scripts.bench.inputs.samples import film, samples
from scripts.bench.lines import ROOT, Line, shared
from scripts.bench.peers.passes import PASSES
from scripts.bench.scores import score_cuts
from scripts.truth.film import Film
from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.measure.key_frames import KeyFrame
from stages.core.video.measure.one_pass import measure as measure_video
from stages.core.video.read.packets import open_video

SHARED = ROOT.parent / "shared" / "videos"
ROUNDS = 5
CHEAP_MS = {"vp9_720p": 0.65, "av1_480p": 0.47}  # a frame, decoded on the quiet machine for which 0.35 ms is the bar
MIXED = ("h264_720p", "h264_1080p", "hevc10_720p", *CHEAP_MS)
BUSY = 0.3  # load of others from which on the clock tells nothing

Video = TypeVar("Video")
Tables = Mapping[str, Sequence[Mapping[str, Any]]]  # as `measure` gives them
Costs = Mapping[tuple[str, str], Sequence[float]]  # CPU seconds a round of what was done with a video


def stream_index(video: Path) -> int:
    """The stream that `analyze` takes."""
    limits = settings("exact").limits
    with open_video(str(video), limits.max_pixels, limits.max_s) as opened:
        return opened.facts.index


def bare_s(video: Path) -> float:
    """CPU seconds of ffmpeg that decodes it."""
    wanted = ["-threads", "1", "-i", str(video), "-map", f"0:{stream_index(video)}", "-f", "null", "-"]
    return child_s([ffmpeg_path(), "-nostdin", "-v", "error", *wanted])


def child_s(command: Sequence[str]) -> float:
    """CPU seconds of a process and those that it waited for. Raises CalledProcessError."""
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, said = child.stderr, child.stderr.read() if child.stderr else b""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command, stderr=said.decode())
    return float(usage.ru_utime + usage.ru_stime)


def decode_s(video: Path) -> float:
    """CPU seconds of PyAV that decodes it and looks at nothing."""
    index, before = stream_index(video), time.process_time()
    with av.open(str(video)) as container:
        stream = container.streams[index]
        assert isinstance(stream, VideoStream)
        stream.thread_type, stream.thread_count = ThreadType.NONE, 1
        for packet in container.demux(stream):
            stream.decode(packet)
    return time.process_time() - before


def analyze_s(video: Path, speed: Speed) -> float:
    before = time.process_time()
    measured(video, speed)
    return time.process_time() - before


def measured(video: Path, speed: Speed, second_look: Literal["transnet"] | None = None) -> Tables:
    key_frames: list[KeyFrame] = []
    own = settings(speed)
    if second_look:
        own = replace(own, shots=replace(own.shots, second_look=second_look))
    return measure_video(str(video), own, key_frames.append)


def rounds(small: bool) -> int:
    return 1 if small else ROUNDS


def in_turns(videos: Mapping[str, Video], ways: Mapping[str, Callable[[Video], float]], times: int) -> Costs:
    """What each way costs with each video, a round after another."""
    costs: dict[tuple[str, str], list[float]] = {(name, way): [] for name in videos for way in ways}
    for _ in range(times):
        for name, video in videos.items():
            for way, cost in ways.items():
                costs[name, way].append(cost(video))
    return costs


def ratio(costs: Costs, names: Sequence[str], way: str, other: str) -> float:
    """Median over the rounds of one way's cost with all these videos over the other's."""
    both = ([sum(values) for values in zip(*(costs[name, by] for name in names), strict=True)] for by in (way, other))
    return float(median(a / b for a, b in zip(*both, strict=True)))


def added_ms(costs: Costs, name: str, way: str, other: str, frames: int) -> float:
    """Median over the rounds of what one way costs more than the other, in ms a frame."""
    return 1000 * median(a - b for a, b in zip(costs[name, way], costs[name, other], strict=True)) / frames


def per_frame_ms(costs: Costs, name: str, way: str, frames: int) -> float:
    return 1000 * median(costs[name, way]) / frames


OURS: dict[str, Callable[[Path], float]] = {
    "exact": lambda video: analyze_s(video, "exact"),
    "fast": lambda video: analyze_s(video, "fast"),
    "draft": lambda video: analyze_s(video, "draft"),
}


def bare(made: Mapping[str, Path], files: Sequence[Path], small: bool) -> Iterator[Line]:
    """Ours against ffmpeg's own decoding, and PyAV's, of every sample."""
    videos = {**made, **{path.name: path for path in files}}
    tables: dict[tuple[str, str], Tables] = {
        (name, speed): measured(video, speed) for name, video in videos.items() for speed in SPEEDS
    }
    frames = {name: int(tables[name, "exact"]["rows"][0]["frames"]) for name in videos}
    costs = in_turns(videos, {"ffmpeg": bare_s, "PyAV": decode_s, **OURS}, rounds(small))

    def parts(name: str, *ways: str) -> str:
        return ", ".join(f"{way} {per_frame_ms(costs, name, way, frames[name]):.2f}" for way in ways) + " ms a frame"

    for name in videos:
        bar = 1.15 if name in ("h264_720p", "h264_1080p") else None
        yield Line(
            f"exact / ffmpeg, {name}",
            ratio(costs, [name], "exact", "ffmpeg"),
            "",
            bar,
            parts(name, "ffmpeg", "PyAV", "exact"),
        )
    yield Line("exact / ffmpeg, sum of the five", ratio(costs, MIXED, "exact", "ffmpeg"), "", 1.2)
    for name in videos:
        added = added_ms(costs, name, "exact", "PyAV", frames[name])
        yield Line(f"exact - PyAV, a frame, {name}", added, "ms", 0.35 if name in CHEAP_MS else None)
        own_ms = per_frame_ms(costs, name, "exact", frames[name])
        yield Line(f"exact, CPU a frame, {name}", own_ms, "ms", against=1.02)
    for name, quiet_ms in CHEAP_MS.items():
        share = ratio(costs, [name], "exact", "PyAV") - 1
        yield Line(f"(exact - PyAV) / PyAV, {name}", share, "", 0.35 / quiet_ms, f"0.35 of {quiet_ms} ms there")
    for speed, of, bar in (("fast", ("h264",), 0.95), ("draft", ("h264", "hevc"), 0.7)):
        for name in videos:
            how = f"{parts(name, speed)}; {lost(tables[name, 'exact'], tables[name, speed], film(small))}"
            value = ratio(costs, [name], speed, "ffmpeg")
            yield Line(f"{speed} / ffmpeg, {name}", value, "", bar if name.startswith(of) else None, how)


def lost(exact: Tables, other: Tables, shown: Film) -> str:
    """How many cuts a speed finds: of the film's own, or in other videos of those that exact finds; and its motion."""
    frames, (all_found, found) = exact["rows"][0]["frames"], (cuts(tables) for tables in (exact, other))
    true = [end for _, end, _ in shown.borders()] if frames == shown.frames else all_found
    near = [score_cuts(true, [], found, strict=False, tolerance=within) for within in (0, 2)]
    motion = other["rows"][0]["motion"] / max(1e-9, exact["rows"][0]["motion"]) - 1
    hits = " and ".join(str(score.hits) for score in near)
    return f"{hits} of {len(true)} cuts to the frame and within 2, {len(near[1].wrong)} wrong; motion {motion:+.1%}"


def cuts(tables: Tables) -> list[int]:
    return [row["start_frame"] for row in tables["changes"] if row["taken"] and row["kind"] == "cut"]


def passes(made: Mapping[str, Path], _: Sequence[Path], small: bool) -> Iterator[Line]:
    """The passes that it replaces, all together, against ours."""
    videos = {name: path for name, path in made.items() if name.startswith("h264_7" if small else "h264")}
    old: dict[str, Callable[[Path], float]] = {name: running(name) for name in PASSES}
    costs = in_turns(videos, {"ffmpeg": bare_s, **old, "exact": OURS["exact"], "fast": OURS["fast"]}, rounds(small))
    both: dict[tuple[str, str], Sequence[float]] = dict(costs)
    for name in videos:
        both[name, "old"] = [sum(values) for values in zip(*(costs[name, way] for way in old), strict=True)]
    for speed, bar in (("exact", 6.5), ("fast", 8)):
        yield Line(f"the old passes / {speed}, H.264", ratio(both, list(videos), "old", speed), "", bar, at_least=True)
        for name in videos:
            yield Line(f"… / {speed}, {name} alone", ratio(both, [name], "old", speed), "", bar, at_least=True)
    for name in videos:
        times = ", ".join(f"{way} {ratio(both, [name], way, 'ffmpeg'):.2f}" for way in old)
        yield Line(f"the old passes / ffmpeg, {name}", ratio(both, [name], "old", "ffmpeg"), "", None, times)


def running(name: str) -> Callable[[Path], float]:
    return lambda video: child_s([sys.executable, "-m", "scripts.bench.peers.passes", name, str(video)])


def processes(made: Mapping[str, Path], _: Sequence[Path], small: bool) -> Iterator[Line]:
    """Work done in a second by as many processes as there are cores, over that of one."""
    cores = os.cpu_count() or 1
    video = str(made["h264_720p"])
    others = min(os.getloadavg()[0], cores)
    pairs = [(together(video, 1), together(video, cores)) for _ in range(rounds(small))]
    clock = median(cores * one[0] / many[0] for one, many in pairs)
    cpu = median(cores * one[1] / many[1] for one, many in pairs)
    busy = others > BUSY
    note = (
        f"load {others:.1f} of others: the clock says {clock:.2f}, so CPU seconds of one / of each"
        if busy
        else "by the clock"
    )
    yield Line(f"{cores} processes on {cores} cores", cpu if busy else clock, "", 0.95 * cores, note, at_least=True)


def together(video: str, count: int) -> tuple[float, float]:
    """Seconds, and CPU seconds of each, that so many processes take for a video each, from when all are warm."""
    context = multiprocessing.get_context("spawn")
    barrier, told = context.Barrier(count + 1), context.Queue()
    children = [context.Process(target=one_of_many, args=(video, barrier, told)) for _ in range(count)]
    for child in children:
        child.start()
    barrier.wait()
    start_s = time.perf_counter()
    cpu_s = [told.get() for _ in children]
    wall_s = time.perf_counter() - start_s
    for child in children:
        child.join()
    return wall_s, sum(cpu_s) / count


def one_of_many(video: str, barrier: Barrier, told: "multiprocessing.Queue[float]") -> None:
    analyze_s(Path(video), "fast")
    barrier.wait()
    told.put(analyze_s(Path(video), "exact"))


PARTS = {function.__name__: function for function in (bare, passes, processes)}


def measure(
    folder: Path, *, parts: str = "bare,passes,processes", file: str = "", small: bool = False
) -> Iterator[Line]:
    made = samples(shared(folder), small)  # for every tree
    more = [Path(file).absolute()] if file else [] if small else sorted(SHARED.glob("*.mp4"))
    for part in parts.split(","):
        yield from PARTS[part](made, more, small)
