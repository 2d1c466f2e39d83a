"""Measures `caption`: its own work beside a server that answers in 200 ms, and what the pictures of a clip cost.

The first: the rate of the stage, key frames in, against that at which the same requests run when they were made before.
The second: CPU time of the pictures of a clip of 30 s, against decoding the clip once, by PyAV on one thread.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Literal

import av
import numpy as np
import polars as pl
from support.described import FINE, made_run
from support.pools import free_port, registered, settings, up
from support.runs import command
from support.steps import finish, made_step

from scripts.bench.lines import Line
from slurm.pool.engine import Remote
from slurm.pool.registry import PoolFolder
from stages.caption import Asking, Config, make_form
from stages.core.command_line.points import points_of
from stages.core.command_line.words import read_line
from stages.core.schema.types import Row
from stages.core.text.client import Question, ask_all
from stages.core.text.prompts import Prompts
from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.measure.key_frames import encode_jpeg
from stages.core.video.sample.by_decord import look_at, open_reader
from stages.core.video.sample.parts import Part
from stages.core.video.sample.pictures import take_pictures
from stages.core.video.sample.settings import Frames, Limits

PICTURES, CLIPS_A_VIDEO = 6, 20
LIMITS = Limits(10**8, 10**5)
CLIP = (10.0, 40.0)  # seconds
READERS: tuple[Literal["decord", "pyav"], ...] = ("decord", "pyav")
DENSE = 64  # pictures, so that hardly anything of the clip can be skipped


def measure(folder: Path, *, clips: int = 1600, rounds: int = 3, small: bool = False) -> Iterator[Line]:
    clips, rounds, delay_s = (120, 1, 0.02) if small else (clips, rounds, 0.2)
    yield from own_work(folder, clips, rounds, delay_s)
    yield from sampling(folder, rounds, small)


def own_work(folder: Path, clips: int, rounds: int, delay_s: float) -> Iterator[Line]:
    ratios, rates = [], []
    with stub(delay_s) as server:
        for _ in range(rounds):
            run = make_run(folder / f"run{time.time_ns()}", clips)
            words = [
                "run=r", f"runs={run.parent}", "after=split", "frames.source=key", "engine=endpoint",
                "engine.dialect=tgi", f"engine.url={server.url}", "pool.model=stub", "chunks.size=100000",
            ]  # fmt: skip
            done = command("stages.caption", *words, "cluster.executor=debug", "language=null")
            if done.returncode:
                raise RuntimeError(done.stderr)
            stage = rate(server, clips, skip=1)
            step = points_of(read_line([*words, "language=null"], "stages.caption"))[0].order[-1]
            questions = prepare(step.config, run, clips)
            pool = PoolFolder(folder / f"pool{time.time_ns()}" / "r", "vision")
            pool.configure(settings("pool=vision", "engine=tgi"))
            registered(pool, server)
            answers = sum(
                a.error is None for a in ask_all(questions, pool, stopping=lambda: False, leaving=lambda: False)
            )
            if answers != clips:
                raise RuntimeError(f"{answers} answers to {clips} requests")
            rates.append((stage, rate(server, clips)))
            ratios.append(rates[-1][0] / rates[-1][1])
    how = ", ".join(f"{one:.1f} / {other:.1f}" for one, other in rates)
    what = f"rate of caption / of its {clips:,} requests made before, server of {delay_s:g} s and 16 slots"
    yield Line(what, median(ratios), "", 0.95, how, at_least=True)


def rate(server: Remote, clips: int, skip: int = 0) -> float:
    """Answers a second since the last time."""
    with urllib.request.urlopen(f"{server.url}/span?reset=1&skip={skip}") as answer:
        told = json.load(answer)
    if told["answers"] != clips:
        raise RuntimeError(f"{told} for {clips} requests")
    return float(clips / told["seconds"])


def make_run(folder: Path, clips: int) -> Path:
    """Clips of six key frames each, of videos that are not there."""
    videos = -(-clips // CLIPS_A_VIDEO)
    named = [
        (f"c{n}", f"v{n // CLIPS_A_VIDEO}", n % CLIPS_A_VIDEO * 6.0, n % CLIPS_A_VIDEO * 6.0 + 6) for n in range(clips)
    ]
    run = made_run(folder / "r", {f"v{n}": "/none" for n in range(videos)}, named)
    gives = dict.fromkeys(("video_id", *FINE), "String")
    frame = {"video_id": "String", "shot": "Int64", "time_s": "Float64", "jpeg": "Binary"}
    step = made_step(
        run, "analyze", stage="analyze", n=1, inputs=["ingest"], aligned=True, keys=["video_id"], gives=gives,
        tables={"key_frames": frame},
    )  # fmt: skip
    jpegs = [picture(seed) for seed in range(8)]
    kept = pl.DataFrame(
        [(f"v{n // 120}", 0, float(n % 120), jpegs[n % 8]) for n in range(videos * 120)],
        schema={"video_id": pl.String, "shot": pl.Int64, "time_s": pl.Float64, "jpeg": pl.Binary},
        orient="row",
    )
    rows = pl.DataFrame({"video_id": [f"v{n}" for n in range(videos)]})
    finish(step, 0, rows.with_columns(**{name: pl.lit(None, pl.String) for name in FINE}), key_frames=kept)
    record = json.loads((run / "split" / "step.json").read_text())
    record["inputs"] = ["analyze"]
    (run / "split" / "step.json").write_text(json.dumps(record))
    return run


def picture(seed: int) -> bytes:
    """A JPEG of 512 x 288 of about 40 KB, as key frames are."""
    random = np.random.default_rng(seed)
    rough = random.integers(0, 255, (36, 64, 3), np.uint8)
    smooth = np.kron(rough, np.ones((8, 8, 1), np.uint8))
    return encode_jpeg((smooth // 2 + random.integers(0, 60, smooth.shape, np.uint8)).astype(np.uint8), 85)


def prepare(config: Config, run: Path, clips: int) -> list[Question]:
    """The requests of the stage."""
    asking = Asking(config, make_form(config), Prompts(Path(config.template)))
    made = []
    for n in range(clips):
        jpegs = [picture_of(n, number) for number in range(PICTURES)]
        start_s = n % CLIPS_A_VIDEO * 6.0
        taken: Row = {"times_s": [start_s + number for number in range(PICTURES)], "jpegs": jpegs}
        made.append(asking.question(f"c{n} 0", Part(n, 0, 1, start_s, start_s + 6), taken, {}))
    return made


PICTURES_OF: dict[int, bytes] = {}


def picture_of(clip: int, number: int) -> bytes:
    seed = (clip * PICTURES + number) % 8
    if seed not in PICTURES_OF:
        PICTURES_OF[seed] = picture(seed)
    return PICTURES_OF[seed]


@contextmanager
def stub(delay_s: float) -> Iterator[Remote]:
    port = free_port()
    words = ["--port", str(port), "--delay-s", str(delay_s), "--slots", "16"]
    with subprocess.Popen([sys.executable, "-m", "scripts.bench.inputs.stub_server", *words]) as process:
        try:
            server = Remote(f"http://127.0.0.1:{port}", "", "here")
            up(server)
            yield server
        finally:
            process.kill()


def sampling(folder: Path, rounds: int, small: bool) -> Iterator[Line]:
    clip = (1.0, 4.0) if small else CLIP
    for name, gop in (("sync frames 2 s apart", 60), ("one sync frame", 10**5)):
        film = make_film(folder / f"film{gop}{small}.mp4", gop, small)
        for reader in READERS:
            for most, bar, against in ((PICTURES, 3.0, "the clip"), (DENSE, 1.1, "once from the sync frame before it")):
                frames = Frames("even", most, 512, 85, None, reader)
                pairs = [(cpu_s(decode, film, clip), cpu_s(take, film, clip, frames)) for _ in range(rounds)]
                whole, taken = median(one for one, _ in pairs), median(other for _, other in pairs)
                how = f"{taken:.2f} s of CPU, {whole:.2f} s"
                if most == PICTURES and gop == 60:
                    yield Line(
                        f"{name}, {reader}: decoding {against} / {most} pictures of it",
                        whole / taken,
                        "",
                        bar,
                        how,
                        True,
                    )
                elif most == DENSE or gop != 60:
                    what = f"{name}, {reader}: {most} pictures / decoding {against if most == DENSE else 'once'}"
                    yield Line(what, taken / whole, "", 1.1, how)


def take(film: Path, clip: tuple[float, float], frames: Frames) -> None:
    look_at.cache_clear()
    open_reader.cache_clear()
    part: Row = {"number": 0, "start_s": clip[0], "end_s": clip[1]}
    taken = take_pictures({"name": "a", "file": str(film), "parts": [part]}, frames, LIMITS)["parts"]
    assert isinstance(taken, list)
    assert "jpegs" in taken[0]


def decode(film: Path, clip: tuple[float, float]) -> None:
    """All frames from the sync frame before the clip to its end."""
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        assert stream.time_base is not None
        container.seek(int(clip[0] / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.time >= clip[1]:
                break


def cpu_s(work: Callable[..., None], *given: object) -> float:
    begun_s = time.process_time()
    work(*given)
    return time.process_time() - begun_s


def make_film(path: Path, gop: int, small: bool) -> Path:
    if not path.exists():
        size, length_s = ("320x180", 6) if small else ("1280x720", 60)
        source = ["-f", "lavfi", "-i", f"mandelbrot=size={size}:rate=30", "-t", str(length_s)]
        coding = [
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-b:v",
            "3M",
            "-g",
            str(gop),
            "-keyint_min",
            str(min(gop, 60)),
            "-sc_threshold",
            "0",
        ]
        subprocess.run(
            [ffmpeg_path(), "-v", "error", "-y", *source, *coding, "-pix_fmt", "yuv420p", str(path)], check=True
        )
    return path
