"""Films of the ground-truth corpus: shots joined by cuts and transitions, and the truth about them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from scripts.truth.drawing.props import Prop
from scripts.truth.drawing.scenes import Scene


@dataclass(frozen=True)
class Encoding:
    """How a film is encoded: ffprobe's name of the codec, the file's suffix, ffmpeg's arguments, bits a sample."""

    codec: str
    suffix: str
    arguments: tuple[str, ...]
    bits: int = 8


@dataclass(frozen=True)
class Joint:
    """How two shots are joined: a cut, or a transition of `frames` frames that are purely neither shot.

    `how` is black or white for a fade; left, right, up, diagonal or iris for a wipe, whose edge is `soft` widths wide;
    linear or eased for a dissolve. A fade stays at its colour for `hold` frames; `lean` is the share of
    its other frames in which the old shot fades out (1: the new one begins at once).
    """

    kind: str = "cut"
    frames: int = 0
    how: str = "linear"
    soft: float = 0
    hold: int = 0
    lean: float = 0.5


@dataclass(frozen=True)
class Film:
    """A film. `times_s` are its frames' times where the frame rate varies; `clock` maps film time to scene time."""

    name: str
    group: str
    shots: tuple[tuple[Scene, int], ...]
    encoding: Encoding
    joints: tuple[Joint, ...] = ()
    fps: Fraction = Fraction(25)
    size: tuple[int, int] = (640, 360)
    grain: float = 1.5
    grain_chroma: float = 0.0
    over: tuple[Prop, ...] = ()
    opens: int = 0
    closes: int = 0
    times_s: tuple[float, ...] = ()
    clock: Callable[[float], float] = float
    sound: Callable[[float], np.ndarray] | None = None
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """The file's name."""
        return self.name + self.encoding.suffix

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return sum(frames for _, frames in self.shots) + sum(joint.frames for joint in self.joints)

    def time_s(self, frame: int) -> float:
        """When a frame is shown."""
        return self.times_s[frame] if self.times_s else float(frame / self.fps)

    def borders(self) -> list[tuple[int, int, Joint]]:
        """Of each joint the first frame not purely of the old shot, the first purely of the new one, and the joint."""
        found, at = [], 0
        for (_, frames), joint in zip(self.shots, self.joints, strict=False):
            at += frames
            found.append((at, at + joint.frames, joint))
            at += joint.frames
        return found

    def truth(self) -> dict[str, object]:
        """The film's entry in truth.json."""
        borders = self.borders()
        times = {"times_s": [round(t, 6) for t in self.times_s]} if self.times_s else {}
        fades = [[0, self.opens, "fade"]] if self.opens else []
        return {
            "name": self.file,
            "group": self.group,
            "fps": f"{self.fps.numerator}/{self.fps.denominator}",
            "width_px": self.size[0],
            "height_px": self.size[1],
            "frames": self.frames,
            "codec": self.encoding.codec,
            "cuts": [end for start, end, joint in borders if joint.kind == "cut"],
            "gradual": [[start, end, joint.kind] for start, end, joint in borders if joint.kind != "cut"],
            "end_fades": fades + ([[self.frames - self.closes, self.frames, "fade"]] if self.closes else []),
            "shots": len(self.shots),
            "motion": [],
            "freezes": [],
            "frozen_share": None,
            "noise_db": None,
            "notes": "",
            **times,
            **self.facts,
        }
