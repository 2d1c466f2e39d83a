"""The format `lvd2m`: CSV files with the columns of LVD-2M, a line a clip; no media.

Source: the CSV files of https://github.com/SilentView/LVD-2M. `total score` is the mean optical flow in pixels, which
motion_flow gives, else the score that was read. What is not known is empty.
"""

from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from slurm.errors import ItemError
from stages.core.release.media import Item
from stages.core.release.settings import Lvd2m
from stages.core.release.shards import Rewritten, Shard, damaged, read_beside, write_anew, write_shard
from stages.core.schema.types import INT, REAL, TEXT, Schema

SUFFIX = ".csv"
CAPTIONS = ("raw_caption", "refined_caption", "rewritten_caption")
READ = ("span_id", "span_source", "span_start_s", "span_end_s", "score", "orig_caption", "scene_cut")
TAKES = (
    *(*CAPTIONS, *READ, "orig_start_s", "orig_end_s"),
    *("url", "source", "flow", "fps", "offset_s", "start_frame", "end_frame"),
)
LINE: Schema = {
    **dict.fromkeys((*CAPTIONS, "key", "video_id", "url", "dataset_src", "orig_caption"), TEXT),
    "total score": REAL,
    "span": TEXT,
    "video_time": REAL,  # s
    "orig_span": TEXT,
    "scene_cut": TEXT,
}
INDEX: Schema = {"id": TEXT, "file": TEXT, "row": INT}
SAME_FRAMES = 0.75  # times that differ by less are of the same frame, rounded by whoever wrote them


def needs(options: Lvd2m) -> dict[str, str]:
    """The columns without which it is none, with the keys that ask for them."""
    return dict.fromkeys(("start_s", "end_s"), "format=lvd2m")


def takes(options: Lvd2m) -> tuple[str, ...]:
    return TAKES


def pack(
    shard: Shard, items: Sequence[Item], table: pl.DataFrame, options: Lvd2m
) -> list[dict[str, object] | ItemError]:
    """Writes a file with these rows; gives of each its place in INDEX."""
    places = [{"id": item.key, "file": shard.name, "row": row} for row, item in enumerate(items)]
    lines = pl.DataFrame([line_of(row) for row in table.iter_rows(named=True)], LINE)

    def write(path: Path) -> dict[str, pl.DataFrame]:
        lines.with_columns(pl.col(TEXT).str.replace_all("\0", "", literal=True)).write_csv(path)
        return {"index": pl.DataFrame(places, INDEX)}

    write_shard(shard, write)
    return [{**place, "bytes": None, "sha256": None} for place in places]


def leave_out(shard: Shard, gone: Collection[str], options: Lvd2m) -> Rewritten:
    """The file without the lines of the clips with these ids. Raises InputError if it is damaged."""
    index = read_beside(shard, "index")
    header, *lines = split_lines(shard.path.read_bytes())
    if len(lines) != len(index):
        raise damaged(shard, f"{len(lines)} lines, {len(index)} in its index")
    kept = index.filter(~pl.col("id").is_in(list(gone)))

    def write(path: Path) -> Mapping[str, pl.DataFrame]:
        path.write_bytes(b"".join([header, *(lines[row] for row in kept["row"])]))
        return {"index": kept.with_columns(row=pl.int_range(pl.len(), dtype=INT))}

    return write_anew(shard, write)


def split_lines(content: bytes) -> list[bytes]:
    """The lines of a CSV file, each with its end; a line break in quotes ends none."""
    found: list[bytes] = []
    is_open = False
    for line in BytesIO(content):
        found[-1:] = [found[-1] + line] if is_open else [*found[-1:], line]
        is_open ^= line.count(b'"') % 2 == 1
    return found


def line_of(row: Mapping[str, Any]) -> dict[str, object]:
    """A clip as a line, by LINE."""
    start_s, end_s = span_of(row)
    orig_s = row.get("orig_start_s"), row.get("orig_end_s")
    flow = row.get("flow")
    known = {name: row.get(name) for name in (*CAPTIONS, "video_id", "url", "orig_caption")}
    return {
        **known,
        "key": row.get("span_id") or f"{row['video_id']}.{row.get('start_frame')}_{row.get('end_frame')}",
        "dataset_src": row.get("span_source") or row.get("source"),
        "total score": row.get("score") if flow is None else flow,
        "span": pair(start_s, end_s),
        "video_time": round(end_s - start_s, 3),
        "orig_span": None if None in orig_s else pair(*map(float, orig_s)),  # type: ignore[arg-type]
        "scene_cut": None if row.get("scene_cut") is None else str(row["scene_cut"]),
    }


def span_of(row: Mapping[str, Any]) -> tuple[float, float]:
    """Start and end in the whole video, s: as the catalogue wrote them, where that is the same frames."""
    offset_s, within_s = row.get("offset_s") or 0.0, SAME_FRAMES / (row.get("fps") or 25)
    times_s = row["start_s"] + offset_s, row["end_s"] + offset_s
    written_s = row.get("span_start_s"), row.get("span_end_s")
    if None in written_s or any(abs(a - b) > within_s for a, b in zip(times_s, written_s, strict=True)):
        return times_s
    return written_s[0], written_s[1]  # type: ignore[return-value]


def pair(start_s: float, end_s: float) -> str:
    """['0:01:20.880', '0:01:33.983']."""
    return str([clock(start_s), clock(end_s)])


def clock(time_s: float) -> str:
    minutes, ms = divmod(round(time_s * 1000), 60_000)
    return f"{minutes // 60}:{minutes % 60:02d}:{ms // 1000:02d}.{ms % 1000:03d}"
