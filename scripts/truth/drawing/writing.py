"""Writes a film to a file: raw pictures piped into ffmpeg, in one thread so that the bytes are always the same."""

import subprocess
import wave
from pathlib import Path

from scripts.truth.drawing.drawing import drawn
from scripts.truth.film import Film
from stages.core.video.cut.encode import ffmpeg_path

TICKS = 90_000  # a second, where the frame rate varies
EXACT = ("-threads", "1", "-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1")


def command(film: Film, sound: Path | None, out: Path) -> list[str]:
    """The ffmpeg call that reads raw pictures and writes the film."""
    pixels = "yuv420p" if film.encoding.bits == 8 else "yuv420p10le"
    size = f"{film.size[0]}x{film.size[1]}"
    inputs = ["-f", "rawvideo", "-pix_fmt", pixels, "-s", size, "-r", str(film.fps), "-i", "pipe:0"]
    times: list[str] = []
    if film.times_s:
        chosen = chosen_tick([round(t * TICKS) for t in film.times_s])
        times = ["-vf", f"settb=1/{TICKS},setpts={chosen}", "-enc_time_base", f"1/{TICKS}", "-fps_mode", "passthrough"]
    if sound:
        # ffmpeg leaves Opus's delay of 312 samples out of WebM's times, which every player then takes away
        webm = film.encoding.suffix == ".webm"
        delay = ["-itsoffset", "0.0065"] if webm else []
        inputs += [*delay, "-i", str(sound), "-c:a", "libopus" if webm else "aac", "-b:a", "96k"]
    return [ffmpeg_path(), "-v", "error", "-y", *inputs, *times, *film.encoding.arguments, *EXACT, str(out)]


def chosen_tick(ticks: list[int], first: int = 0) -> str:
    """ffmpeg's expression for the tick of frame N, a tree of choices, because ffmpeg refuses long sums."""
    if len(ticks) == 1:
        return str(ticks[0])
    half = len(ticks) // 2
    early, late = chosen_tick(ticks[:half], first), chosen_tick(ticks[half:], first + half)
    return f"if(lt(N\\,{first + half})\\,{early}\\,{late})"


def make(film: Film, seed: int, folder: Path) -> None:
    """Writes the film, whole or not at all; RuntimeError with ffmpeg's words when that fails."""
    unfinished = folder / f".{film.file}"
    unfinished = unfinished.with_suffix(f".part{film.encoding.suffix}")
    sound = unfinished.with_suffix(".wav") if film.sound else None
    if sound and film.sound:
        samples = film.sound(film.time_s(film.frames - 1) + float(1 / film.fps))
        with wave.open(str(sound), "wb") as written:
            written.setparams((1, 2, 48000, 0, "NONE", ""))
            written.writeframes((samples * 32767).astype("<i2").tobytes())
    with subprocess.Popen(command(film, sound, unfinished), stdin=subprocess.PIPE, stderr=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin and ffmpeg.stderr
        try:
            for picture in drawn(film, seed):
                ffmpeg.stdin.write(picture.packed(film.encoding.bits))
            ffmpeg.stdin.close()
        except BrokenPipeError:
            pass  # ffmpeg has ended; it says why
        said = ffmpeg.stderr.read().decode()
    if sound:
        sound.unlink()
    if ffmpeg.returncode != 0 or said:
        raise RuntimeError(f"{film.file}: {said.strip()[-300:]}")
    unfinished.replace(folder / film.file)
