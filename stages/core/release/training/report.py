"""What a bucket plan says of each bucket, as a table and in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.core.release.training.buckets import Bucket
from stages.core.release.training.layouts import advice
from stages.core.release.training.settings import Trainer
from stages.core.schema.types import FLAG, INT, REAL, TEXT, Row, Schema

BUCKETS: Schema = {
    "part": TEXT,  # train or validation
    "bucket": TEXT,
    "clips": INT,
    "batches": INT,  # whole ones
    "left_over": INT,  # clips that fill no batch
    "too_small": FLAG,  # for one batch
    "picture_kept": REAL,  # mean share of the picture that is not cropped
    "enlarged": INT,  # clips that are smaller than the bucket
    "frames": INT,  # of all its clips
    "frames_lost": INT,
    "without_sound": INT,  # clips
}
WHY = {
    "no_caption": "they have no caption",
    "too_short": "they have fewer frames than the smallest bucket",
    "turned": "they are stored turned, which trainers do not see: let cut write them with mode=encode",
    "not_square": "their pixels are not square, which trainers do not see: let cut write them with pixels=square",
}


@dataclass
class Tally:
    """The clips of a bucket."""

    clips: int = 0
    kept: float = 0.0
    enlarged: int = 0
    frames: int = 0
    lost: int = 0
    silent: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        self.clips += 1
        self.kept += row["picture_kept"]
        self.enlarged += row["scale"] > 1
        self.frames += row["frames"]
        self.lost += row["frames_lost"]
        self.silent += not row["has_audio"]


def rows_of(part: str, tallies: Mapping[str, Tally], options: Trainer) -> list[Row]:
    """A part's buckets by BUCKETS, smaller ones first; those that nothing falls into, too."""
    names = {*tallies, *(options.buckets if options.layout != "musubi" else ())}
    return [
        {
            "part": part,
            "bucket": name,
            "clips": tally.clips,
            "batches": tally.clips // options.batch,
            "left_over": tally.clips % options.batch,
            "too_small": tally.clips < options.batch,
            "picture_kept": tally.kept / tally.clips if tally.clips else None,
            "enlarged": tally.enlarged,
            "frames": tally.frames,
            "frames_lost": tally.lost,
            "without_sound": tally.silent,
        }
        for name in sorted(names, key=lambda name: [int(number) for number in name.split("x")])
        for tally in (tallies.get(name, Tally()),)
    ]


def describe(rows: Sequence[Row], left_out: Counter[str], buckets: Sequence[Bucket], options: Trainer) -> str:
    """The plan for a reader."""
    columns = ["part", "bucket", "clips", "batches", "left over", "picture kept", "enlarged", "frames lost", "no sound"]
    lines = [columns]
    for row in (row for row in rows if row["clips"]):
        shown: dict[str, Any] = dict(row)
        kept, share = shown["picture_kept"], shown["frames_lost"] / (shown["frames"] or 1)
        lines.append(
            [
                *(str(shown[name]) for name in ("part", "bucket", "clips", "batches", "left_over")),
                f"{kept:.1%}",
                str(shown["enlarged"]),
                f"{shown['frames_lost']} ({share:.0%})",
                str(shown["without_sound"]),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    empty = [str(row["bucket"]) for row in rows if not row["clips"] and row["part"] == "train"]
    small = [f"{row['bucket']} ({row['clips']})" for row in rows if row["too_small"] and row["clips"]]
    words = [
        f"layout={options.layout}, batches of {options.batch}",
        "",
        *table,
        "",
        *([f"Buckets with fewer clips than a batch: {', '.join(small)}"] if small else []),
        *([f"Buckets without clips: {', '.join(empty)}"] if empty else []),
        *(f"Left out, {count} clips ({reason}): {WHY[reason]}" for reason, count in sorted(left_out.items())),
        advice(options, buckets) if buckets else "No clip is left to train on.",
    ]
    return "\n".join(words) + "\n"
