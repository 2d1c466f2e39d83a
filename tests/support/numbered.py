"""Films whose frames show their numbers and flash while a tone beeps, and what is seen and heard when they are read.

160x96, 150 frames: the upper third is white while it beeps, for 0.2 s at each whole second of 25 fps, else dark; below,
eight columns show the frame's number in binary, lowest bit left.
"""

import subprocess
from itertools import islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from stages.core.video.cut.clip import Clip, Cutting, cut
from stages.core.video.cut.encode import Encoding, ffmpeg_path
from stages.core.video.read.packets import open_video

WIDTH, HEIGHT, FRAMES, FPS = 160, 96, 150, 25
SMART = Cutting("smart", Encoding("libx264", 18, "ultrafast", 1), None, 96_000, 10**8, 10**5)
ENCODE = Cutting("encode", SMART.encoding, None, 96_000, 10**8, 10**5)
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-sc_threshold", "0")
Gray = NDArray[np.uint8]


def ffmpeg(*arguments: str | Path) -> bytes:
    """What ffmpeg writes to its output."""
    words = [ffmpeg_path(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(words, check=True, capture_output=True, timeout=300).stdout


class Films:
    """Encodings of the one film, made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.master = folder / "master.mkv"
        bits = "if(mod(floor(N/pow(2,floor(X/20))),2),200,40)"
        flash = f"if(gte(N,{FPS})*lt(mod(N,{FPS}),5),235,20)"
        picture = (
            f"color=black:s={WIDTH}x{HEIGHT}:r={FPS},trim=end_frame={FRAMES},geq=lum='if(lt(Y,32),{flash},{bits})'"
        )
        beep = "volume='gte(t,1)*lt(mod(t,1),0.2)':eval=frame"
        sound = f"sine=frequency=1000:sample_rate=48000:duration={FRAMES / FPS},asetnsamples=64,{beep}"
        inputs = ["-f", "lavfi", "-i", f"{picture}:cb=128:cr=128", "-f", "lavfi", "-i", sound]
        ffmpeg(*inputs, "-c:v", "ffv1", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le", self.master)

    def __call__(self, name: str, *coding: str, source: Path | None = None, skip_s: float = 0) -> Path:
        """The film, encoded so, in a file of that name; `source`: what it is made of, from `skip_s` on."""
        out = self.folder / name
        if not out.exists():
            ffmpeg("-ss", str(skip_s), "-i", source or self.master, *coding, out)
        return out


def number(gray: Gray) -> int:
    """The number that a frame shows, [height, width]."""
    columns = gray[gray.shape[0] // 2 :].astype(float).reshape(-1, 8, gray.shape[1] // 8).mean(axis=(0, 2))
    return int((columns > 120) @ (2 ** np.arange(8)))


def grays(path: Path) -> list[tuple[float, Gray]]:
    """Times and frames as PyAV decodes them."""
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [(frame.time, np.asarray(frame.to_ndarray(format="gray"), np.uint8)) for frame in frames]


def numbers(path: Path) -> list[int]:
    return [number(gray) for _, gray in grays(path)]


def numbers_by_ffmpeg(path: Path) -> list[int]:
    """Those of a clip of the film's own size."""
    raw = ffmpeg("-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-")
    return [number(gray) for gray in np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH)]


def numbers_by_decord(path: Path) -> list[int]:
    """In order; the last, a middle and the first frame are also sought, and must be the same."""
    from decord import VideoReader

    reader = VideoReader(str(path), num_threads=1)
    found = [number(frame.mean(axis=2)) for frame in reader.get_batch(range(len(reader))).asnumpy()]
    for n in (len(found) - 1, len(found) // 2, 0):
        assert number(reader[n].asnumpy().mean(axis=2)) == found[n], f"frame {n} when it is sought"
    return found


def flash_s(path: Path) -> float:
    """When the first flash is seen."""
    return next(time_s for time_s, gray in grays(path) if gray[: gray.shape[0] // 4].mean() > 128)


def beep_s(path: Path) -> float:
    """When the first beep is heard, by PyAV."""
    with av.open(str(path)) as container:
        sound = list(container.decode(audio=0))
    loudness = [np.abs(np.asarray(frame.to_ndarray(), np.float32)).max(axis=0) for frame in sound]
    return float(sound[0].time or 0) + first_loud(np.concatenate(loudness)) / sound[0].sample_rate


def first_loud(samples: NDArray[np.float32]) -> int:
    return int(np.argmax(np.abs(samples) > 0.04))


def times_s(path: Path, count: int = FRAMES) -> list[float]:
    """The frames' times as `analyze` has them, and when the last one is over."""
    with open_video(str(path), 10**8, 10**5) as video:
        found = [time_s for time_s, _ in islice(video.frames(), count)]
        return [*found, found[-1] + float(1 / video.facts.fps)]


def cut_frames(source: Path, first: int, end: int, out: Path, how: Cutting = SMART) -> Clip:
    """The clip of these frames, by the times that analyze would give for them."""
    at = times_s(source)
    return cut(str(source), at[first], at[end], out, how)
