"""Copies of films as they are met: encoded anew, scaled, cropped, with a logo, cut out of a longer one."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import av

from scripts.bench.inputs.samples import encode

INTRO_S = 3.0
INTRO = f"testsrc2=s=640x360:r=25:d={INTRO_S}"  # of a series: the same before every film

LOGO = (
    "drawbox=x=iw*0.82:y=ih*0.05:w=iw*0.14:h=ih*0.12:color=yellow:t=fill,"
    "drawbox=x=iw*0.84:y=ih*0.07:w=iw*0.05:h=ih*0.08:color=red:t=fill"
)


class Copy(NamedTuple):
    """ffmpeg's filters and its constant rate factor; what part of the film is left, as shares of its length."""

    filters: str = "null"
    crf: int = 26
    start: float = 0.0
    end: float = 1.0


COPIES: Mapping[str, Copy] = {
    "crf35": Copy(crf=35),
    "half": Copy("scale=trunc(iw/4)*2:trunc(ih/4)*2"),
    "brighter": Copy("eq=brightness=0.1"),
    "darker": Copy("eq=brightness=-0.1"),
    "cut_out": Copy(crf=28, start=0.27, end=0.77),
    "trimmed": Copy(crf=28, start=0.06, end=0.93),
    "crop": Copy("crop=trunc(iw*0.95/2)*2:trunc(ih*0.95/2)*2"),
    "crop_corner": Copy("crop=trunc(iw*0.95/2)*2:trunc(ih*0.95/2)*2:0:0"),
    "logo": Copy(LOGO),
    "with_intro": Copy(f"[in]scale=640:360,setsar=1,fps=25[film];{INTRO}[intro];[intro][film]concat=n=2"),
}


def make_copy(film: Path, kind: str, out: Path) -> Path:
    """The copy of a film, which is made where it is missing."""
    if not out.exists():
        how, length_s = COPIES[kind], duration_s(film)
        seek = ["-ss", f"{how.start * length_s:.3f}"] if how.start else []
        length = ["-t", f"{(how.end - how.start) * length_s:.3f}"] if how.end - how.start < 1 else []
        codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", str(how.crf), "-pix_fmt", "yuv420p"]
        encode([*seek, "-i", str(film), *length, "-an", "-vf", how.filters, *codec], out)
    return out


def duration_s(film: Path) -> float:
    with av.open(str(film)) as container:
        return (container.duration or 0) / 1e6
