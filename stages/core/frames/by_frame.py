"""A row a frame: the frames of each item go to workers that look at them, and are gathered by item again."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import polars as pl

from slurm.errors import InputError, ItemError
from slurm.task.attempt import Output
from stages.core.frames.choose import choose_frames, make_jobs, split_job, spread_frames
from stages.core.frames.settings import Frames
from stages.core.runner.work import Rows
from stages.core.schema.types import Row


def look_at_frames(rows: Rows, chosen: Frames, load: Callable[..., Any], settings: object) -> Iterator[Output]:
    """Each item with a row a frame: `frame_id`, its keys, `time_s`, and what the scorers say or an error.

    `load` gives the scorers of a stage's settings, see `one_pass.Load`. An item without a frame fails.
    """
    key, items = rows.keys[0], rows.table.to_dicts()
    frames = find_frames(rows, chosen)
    owners, numbers = frames["item"].to_list(), frames["number"].to_list()
    left = Counter(owners)
    for number, row in enumerate(items):
        if number not in left:
            yield rows.failed(row, why_none(row, chosen))
    done: dict[int, list[tuple[int, Row]]] = defaultdict(list)
    for place, row in look(rows, list(make_jobs(frames, chosen.side_px)), load, settings):
        item = owners[place]
        done[item].append((numbers[place], row))
        left[item] -= 1
        if left[item]:
            continue
        own: Row = {name: items[item][name] for name in rows.keys}
        seen = [one for _, one in sorted(done.pop(item), key=lambda one: one[0])]
        if all(one["time_s"] is None for one in seen):  # its video cannot be read
            yield rows.failed(items[item], ItemError(str(seen[0]["error"]), str(seen[0]["error_detail"])))
            continue
        if chosen.source == "even":  # a clip of few frames shows one of them at several times: that is one row
            unread = [one for one in seen if one["time_s"] is None]
            distinct = [*{one["time_s"]: one for one in seen if one["time_s"] is not None}.values(), *unread]
        else:
            distinct = seen
        table: list[Row] = [{"frame_id": f"{own[key]}_f{n:05d}", **own, **one} for n, one in enumerate(distinct)]
        yield Output([str(own[key])], {"rows": table}, failed=int(any("error" in row for row in table)))


def why_none(row: Row, chosen: Frames) -> ItemError:
    """Why an item has no frame."""
    if chosen.source != "even":
        return ItemError("no_frames", f"{chosen.source} has none of it")
    if row["path"]:
        return ItemError("bad_value", f"start_s={row.get('start_s')}, end_s={row.get('end_s')}")
    return ItemError("not_downloaded", "no file of its video")


def find_frames(rows: Rows, chosen: Frames) -> pl.DataFrame:
    """The frames of each item, as `choose` gives them."""
    if chosen.source == "even":
        return spread_frames(rows.table, cast(int, chosen.most))
    columns = ["video_id", "time_s", *(["shot"] if chosen.source == "key_frames" else [])]
    return choose_frames(rows.table, rows.places(chosen.source, columns), chosen.most)


def look(rows: Rows, jobs: Sequence[Row], load: Callable[..., Any], settings: object) -> Iterator[tuple[int, Row]]:
    """Each frame's place among all, with what was seen in it or its error; one that kills its worker fails alone."""
    from stages.core.frames.one_pass import look_at

    given = (load, settings, rows.cores, rows.gpus)
    for job, tables, error, detail in rows.give_whole(look_at, jobs, *given, split=split_job):
        places, times_s = cast(list[int], job["places"]), cast(list[float | None], job["time_s"])
        if error is not None:
            for place, time_s in zip(places, times_s, strict=True):
                yield place, {"time_s": time_s, "error": error, "error_detail": detail}
            continue
        yield from zip(places, cast(Sequence[Row], tables["frames"]), strict=True)
        for counters in cast(Sequence[Mapping[str, float]], tables["counters"]):
            rows.note(**counters)


def check_frames(chosen: Frames, batch: int) -> None:
    """Raises InputError for what can be told before submission."""
    if batch < 1:
        raise InputError(f"batch={batch} is below 1")
    if chosen.most is not None and chosen.most < 1:
        raise InputError(f"frames.most={chosen.most} is below 1; null is all")
    if chosen.source == "even" and chosen.most is None:
        raise InputError("frames.source=even needs frames.most: how many frames of a clip (or video) are decoded")
    if chosen.side_px < 1:
        raise InputError(f"frames.side_px={chosen.side_px} is below 1")


def tables_read(chosen: Frames) -> Sequence[str]:
    """The side tables that the frames are in."""
    return () if chosen.source == "even" else (chosen.source,)


def columns_read(chosen: Frames) -> Sequence[str]:
    """The columns of the items by which frames are found."""
    return ("path",) if chosen.source == "even" else ()
