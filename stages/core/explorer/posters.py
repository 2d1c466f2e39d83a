"""Posters: of the first items the frame that is nearest to the middle, small, sixteen of them in a JPEG."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from stages.core.explorer.chunks import PER_FOLDER
from stages.core.explorer.layout import Layout
from stages.core.video.read.jpegs import read_jpegs

if TYPE_CHECKING:
    from PIL import Image

TILE_PX = (320, 180)
ACROSS = 4  # tiles in a line of a sheet, and lines
SHEET = ACROSS * ACROSS
QUALITY = 72
AT_ONCE = 32 * SHEET  # pictures that are read together
PLACE = {"row": pl.UInt32(), "file": pl.UInt32(), "number": pl.UInt32()}


def write_posters(folder: Path, layout: Layout, items: pl.DataFrame, most: int) -> set[int]:
    """Writes the posters of the first items, some in a sheet; gives the rows that have one."""
    from PIL import Image

    source = next(((step, name) for name in ("key_frames", "sync_frames") if (step := layout.table(name))), None)
    if source is None or not most:
        return set()
    files, written = source[0].files(source[1]), set()
    chosen = choose_frames(files, spans_of(layout, items.head(most)))
    for some in (
        chosen.sort("row").with_columns(part=pl.col("row") // AT_ONCE).partition_by("part", maintain_order=True)
    ):
        sheets: dict[int, Image.Image] = {}
        for row, jpeg in read_pictures(files, some):
            if row // SHEET not in sheets:
                sheets[row // SHEET] = Image.new("RGB", (ACROSS * TILE_PX[0], ACROSS * TILE_PX[1]))
            if lay_in(sheets[row // SHEET], row % SHEET, jpeg):
                written.add(row)
        for number, sheet in sheets.items():
            path = folder / f"posters/{number // PER_FOLDER:03d}/{number:06d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            sheet.save(path, "JPEG", quality=QUALITY)
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
    found = [
        pl.DataFrame(
            schema={"video_id": pl.String(), "time_s": pl.Float64(), "file": pl.UInt32(), "number": pl.UInt32()}
        )
    ]
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
    for (file,), own in places.partition_by("file", as_dict=True, maintain_order=True).items():
        jpegs = read_jpegs(files[int(file)], set(own["number"]))
        for row, number in own.select("row", "number").iter_rows():
            if (jpeg := jpegs[number]) is not None:
                yield row, jpeg


def lay_in(sheet: "Image.Image", tile: int, jpeg: bytes) -> bool:
    """Draws a picture into a tile of a sheet, as large as it fits; whether it is a picture."""
    from PIL import Image

    try:
        with Image.open(BytesIO(jpeg)) as picture:
            picture.draft("RGB", TILE_PX)
            small = picture.convert("RGB")
    except (OSError, ValueError):
        return False
    share = min(TILE_PX[0] / small.width, TILE_PX[1] / small.height)
    size = max(1, round(small.width * share)), max(1, round(small.height * share))
    small = small.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    line, column = divmod(tile, ACROSS)
    left, top = column * TILE_PX[0] + (TILE_PX[0] - size[0]) // 2, line * TILE_PX[1] + (TILE_PX[1] - size[1]) // 2
    sheet.paste(small, (left, top))
    return True
