"""Posters: of each item a small JPEG of the frame that is nearest to its middle, of as many items as are asked for."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import polars as pl

from stages.core.explorer.chunks import PER_FOLDER
from stages.core.explorer.layout import Layout
from stages.core.video.read.jpegs import read_jpegs

SIDE_PX, QUALITY = 320, 72
AT_ONCE = 256  # pictures of a file that are read together
PLACE = {"row": pl.UInt32(), "file": pl.UInt32(), "number": pl.UInt32()}


def poster_path(row: int) -> str:
    return f"posters/{row // PER_FOLDER:03d}/{row:06d}.jpg"


def write_posters(folder: Path, layout: Layout, items: pl.DataFrame, most: int) -> set[int]:
    """Writes the posters of the first items; gives the rows that have one."""
    source = next(((step, name) for name in ("key_frames", "sync_frames") if (step := layout.table(name))), None)
    if source is None or not most:
        return set()
    files = source[0].files(source[1])
    written = set()
    for row, jpeg in read_pictures(files, choose_frames(files, spans_of(layout, items.head(most)))):
        small = shrink(jpeg)
        if small is not None:
            path = folder / poster_path(row)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(small)
            written.add(row)
    return written


def spans_of(layout: Layout, items: pl.DataFrame) -> pl.DataFrame:
    """`row`, `video_id`, `start_s` and `end_s` of the items; null: a whole video."""
    spans = pl.DataFrame(schema={"id": pl.String(), "start_s": pl.Float64(), "end_s": pl.Float64()})
    for step in layout.clips:
        rows = step.scan() if {"start_s", "end_s"} <= step.plan.gives.keys() else None
        if rows is not None:
            own = rows.select(id="clip_id", start_s="start_s", end_s="end_s")
            spans = own.filter(pl.col("id").is_in(items["id"].implode())).unique("id", keep="first").collect()
            break
    return items.select("row", "id", "video_id").join(spans, on="id", how="left", maintain_order="left")


def choose_frames(files: list[Path], spans: pl.DataFrame) -> pl.DataFrame:
    """PLACE of the picture of each item: preferably one within its span, the nearest to the middle."""
    videos = spans["video_id"].unique()
    found = [pl.DataFrame(schema={"video_id": pl.String(), "time_s": pl.Float64(), "file": pl.UInt32(), "number": pl.UInt32()})]
    for number, file in enumerate(files):
        table = pl.scan_parquet(file, glob=False, hive_partitioning=False).select("video_id", "time_s")
        rows = table.with_row_index("number").filter(pl.col("video_id").is_in(videos.implode())).collect()
        found.append(rows.select("video_id", "time_s", pl.lit(number, pl.UInt32).alias("file"), "number"))
    frames = pl.concat(found)
    start, end, time = pl.col("start_s"), pl.col("end_s"), pl.col("time_s")
    ends = (time.min() + time.max()) / 2
    far = (time - ((start + end) / 2).fill_null(ends.over("row"))).abs()
    outside = ~time.is_between(start, end)
    joined = spans.join(frames, on="video_id", maintain_order="left_right")
    joined = joined.with_columns(far=far, outside=outside.fill_null(False)).sort("outside", "far", maintain_order=True)
    return joined.unique("row", keep="first", maintain_order=True).select(PLACE.keys())


def read_pictures(files: list[Path], places: pl.DataFrame) -> Iterator[tuple[int, bytes]]:
    """The row and the picture of each item, file by file."""
    for (file,), own in places.sort("file", "number", "row").partition_by("file", as_dict=True, maintain_order=True).items():
        for some in own.iter_slices(AT_ONCE):
            jpegs = read_jpegs(files[int(file)], set(some["number"]))
            for row, number in some.select("row", "number").iter_rows():
                if (jpeg := jpegs[number]) is not None:
                    yield row, jpeg


def shrink(jpeg: bytes) -> bytes | None:
    """A small picture of it; None of what is no picture."""
    from PIL import Image

    try:
        with Image.open(BytesIO(jpeg)) as picture:
            picture.draft("RGB", (SIDE_PX, SIDE_PX))
            small = picture.convert("RGB")
            small.thumbnail((SIDE_PX, SIDE_PX))
            out = BytesIO()
            small.save(out, "JPEG", quality=QUALITY)
            return out.getvalue()
    except (OSError, ValueError):
        return None
