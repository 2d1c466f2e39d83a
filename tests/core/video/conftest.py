"""Clips with known truth, made with ffmpeg's own sources."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.core.video.cut.encode import ffmpeg_path

Make = Callable[..., Path]

TINTS = ("red", "blue", "white", "green", "yellow")


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """make(name, picture, *arguments, sound=seconds): a file of that name from a lavfi picture, made once a session."""
    folder = tmp_path_factory.mktemp("clips")

    def made(name: str, picture: str, *arguments: str, sound: float = 0) -> Path:
        out = folder / name
        if not out.exists():
            tone = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={sound}"] if sound else []
            command = [
                ffmpeg_path(),
                "-nostdin",
                "-v",
                "error",
                "-f",
                "lavfi",
                "-i",
                picture,
                *tone,
                *arguments,
                str(out),
            ]
            subprocess.run(command, check=True, capture_output=True)
        return out

    return made


@pytest.fixture(scope="session")
def three_shots(make: Make) -> Path:
    """25 fps, 160x90: red to frame 30, blue to frame 75, white to frame 120; sound 4.8 s."""
    shots = (f"color={tint}:s=160x90:r=25,trim=end_frame={n}" for tint, n in zip(TINTS, (30, 45, 45), strict=False))
    chains = ";".join(f"{shot}[s{n}]" for n, shot in enumerate(shots))
    return make("three_shots.mp4", f"{chains};[s0][s1][s2]concat=n=3", "-pix_fmt", "yuv420p", sound=4.8)


@pytest.fixture(scope="session")
def numbered(make: Make) -> Path:
    """25 fps, 160x96, 100 frames, key frame every 50; frame n shows n in binary as eight columns, lowest bit left."""
    bits = "geq=lum='if(mod(floor(N/pow(2,floor(X/20))),2),200,40)':cb=128:cr=128"
    coded = ("-pix_fmt", "yuv420p", "-g", "50", "-bf", "2")
    return make("numbered.mp4", f"color=black:s=160x96:r=25,trim=end_frame=100,{bits}", *coded, sound=4)


@pytest.fixture(scope="session")
def wall(make: Make) -> Callable[[float], Path]:
    """wall(speed): 2 s of a textured wall, 320x180 at 25 fps, panned by so many frame widths per second."""

    def panned(speed: float) -> Path:
        width = 1280 + round(abs(speed) * 1280 * 2) + 4
        layer = "color=gray:s={}x{}:r=25,noise=alls=100:all_seed={},format=gray,scale={}x720:flags=bicubic"
        fine = layer.format(width // 32, 720 // 32, 1, width)
        coarse = layer.format(width // 160, 720 // 160, 2, width)
        travel = f"{abs(speed) * 1280}*n/25"
        x = travel if speed >= 0 else f"{width - 1280}-{travel}"
        picture = (
            f"{fine}[a];{coarse}[b];[a][b]blend=all_mode=average,trim=end_frame=1,loop=-1:1,setpts=N/25/TB,"
            f"trim=end_frame=50,crop=1280:720:{x}:0,scale=320:180:flags=area,setsar=1"
        )
        return make(f"wall{speed}.mp4", picture, "-pix_fmt", "yuv420p", "-preset", "veryfast")

    return panned
