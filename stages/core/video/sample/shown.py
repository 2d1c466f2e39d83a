"""What a model is shown of each item: its parts, and their pictures as worker processes have made them."""

from collections.abc import Iterator, Sequence
from typing import cast

import polars as pl

from slurm.errors import ItemError
from stages.core.frames.choose import choose_frames
from stages.core.runner.work import Rows
from stages.core.schema.types import Row
from stages.core.video.sample.parts import Part, kept_jobs, split_clip, split_job, video_jobs
from stages.core.video.sample.pictures import work_on
from stages.core.video.sample.settings import KEPT, Frames, Limits

NONE_KEPT = "no key frame of it was kept"
AFTER_S = 0.001  # a video ends so long after its last key frame, where nothing else is known of it


class Shown:
    """The pictures of the items of a chunk."""

    def __init__(self, rows: Rows, items: Sequence[Row], frames: Frames, limits: Limits) -> None:
        self.rows, self.items, self.frames, self.limits = rows, items, frames, limits
        self.decodes = frames.source == "even"

    def split(self, part_s: float) -> tuple[list[Part], dict[int, ItemError]]:
        """The parts of all items, in order, and why other items have none, by their numbers."""
        parts: list[Part] = []
        ends, bad = self._find_ends()
        for number, row in enumerate(self.items):
            try:
                if self.decodes and not row["path"]:
                    raise ItemError("not_downloaded", f"no file of its video: {row.get('url')}")
                if number in ends:
                    parts += split_clip(number, row, ends[number], part_s)
                elif number not in bad and not self.rows.stopping:
                    raise ItemError("no_frames", NONE_KEPT)
            except ItemError as error:
                bad[number] = error
        return parts, bad

    def _find_ends(self) -> tuple[dict[int, float], dict[int, ItemError]]:
        """When each item ends, of whole videos as their files say; and those of which that cannot be known."""
        ends = {n: cast(float, row["end_s"]) for n, row in enumerate(self.items) if row.get("end_s") is not None}
        bad: dict[int, ItemError] = {}
        whole = [n for n in range(len(self.items)) if n not in ends]
        if whole and not self.decodes:
            last = self.rows.side(KEPT[self.frames.source]).group_by("video_id").agg(pl.col("time_s").max())
            last_s = dict(last.select("video_id", "time_s").iter_rows())
            ends |= {n: last_s[video] + AFTER_S for n in whole if (video := self.items[n]["video_id"]) in last_s}
        elif whole:
            jobs: list[Row] = [{"path": self.items[n]["path"], "number": n} for n in whole if self.items[n]["path"]]
            for result in self.rows.give(work_on, jobs, self.frames, self.limits):
                number = cast(int, result.row["number"])
                if result.error is not None:
                    bad[number] = ItemError(result.error, result.detail or "")
                else:
                    (found,) = cast(Sequence[Row], result.tables["rows"])
                    ends[number] = cast(float, found["end_s"])
        return ends, bad

    def take(self, parts: Sequence[Part]) -> Iterator[tuple[Part, Row | ItemError]]:
        """The pictures of each part (`times_s`, `jpegs`) as they are ready, or why there are none."""
        jobs = list(video_jobs(self.items, parts) if self.decodes else self.find_kept(parts))
        there = {cast(int, part["number"]) for job in jobs for part in cast(list[Row], job["parts"])}
        for place in sorted(set(range(len(parts))) - there):
            yield parts[place], ItemError("no_frames", NONE_KEPT)
        for result in self.rows.give_whole(work_on, jobs, self.frames, self.limits, split=split_job):
            if result.error is not None:
                for part in cast(list[Row], result.row["parts"]):
                    yield parts[cast(int, part["number"])], ItemError(result.error, result.detail or "")
                continue
            for taken in cast(Sequence[Row], result.tables["parts"]):
                error = ItemError(str(taken["error"]), str(taken["error_detail"])) if "error" in taken else None
                yield parts[cast(int, taken["number"])], error or taken

    def find_kept(self, parts: Sequence[Part]) -> Iterator[Row]:
        """Jobs of the parts of which a step before has kept pictures."""
        spans = pl.DataFrame(
            [(self.items[part.item]["video_id"], part.start_s, part.end_s) for part in parts],
            schema={"video_id": pl.String, "start_s": pl.Float64, "end_s": pl.Float64},
            orient="row",
        )
        frames = self.rows.places(KEPT[self.frames.source], ["video_id", "time_s"])
        return kept_jobs(parts, choose_frames(spans, frames, self.frames.most))
