"""The format `clips`: Parquet with the columns of video-dataset-scripts, a row a clip, and the clip files beside it.

    data/<bucket>/train-<chunk>-<shard>.parquet       the rows; `file` and `frames` are paths in the release
    clips/<bucket>/<chunk>/<key>.mp4                  the clip files
    frames/<bucket>/<chunk>/<key>_<n>.jpg             the key frames that analyze kept of each clip

Source: the scripts of https://github.com/huggingface/video-dataset-scripts. A list has a value for each frame that was
looked at, in the order of time, as `frames` has; boxes and corners are in pixels of the frame. What is not known is
null. Of what those scripts leave out, there is where the clip is from, and `nsfw_status` has its probability.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from slurm.errors import ItemError
from slurm.record.files import replacing
from stages.core.release.media import Item, copy_media
from stages.core.release.settings import Clips
from stages.core.release.shards import (
    Rewritten,
    Shard,
    damaged,
    index_of,
    own_folder,
    read_beside,
    remove_unnamed,
    write_anew,
    write_shard,
)
from stages.core.release.webdataset import key_of
from stages.core.schema.types import INT, REAL, TEXT, TEXTS, Row, Schema

SUFFIX = ".parquet"
FOLDERS = ("clips", "frames")
SHOT = ("color", "lighting", "lighting_type", "composition")
OWN = ("video_id", "start_s", "end_s", "url", "fps", "width_px", "height_px", "has_audio")
TAKES = (*OWN, "motion", "key_frames.time_s", "key_frames.jpeg")
LISTS = ("time_s", "caption", "detailed_caption", "regions", "texts", "watermark", "aesthetic", "nsfw", *SHOT)
BOXES = pl.List(pl.List(INT))
ROW: Schema = {
    "file": TEXT,
    "frames": TEXTS,  # null: a frame that was looked at and not kept
    "caption": TEXTS,
    "detailed_caption": TEXTS,
    "region_caption": pl.List(pl.Struct({"bboxes": BOXES, "labels": TEXTS})),  # left, top, right, bottom
    "ocr": pl.List(pl.Struct({"quad_boxes": BOXES, "labels": TEXTS})),  # four corners, x and y in turn
    "pwatermark": pl.List(REAL),
    "aesthetic_score": pl.List(REAL),
    "nsfw_status": TEXTS,  # nsfw or normal
    "nsfw_probability": pl.List(REAL),
    "motion": REAL,  # mean speed of all pixels in frame widths a second; it has no sign
    **dict.fromkeys(SHOT, TEXTS),
    "id": TEXT,
    "video_id": TEXT,
    "start_s": REAL,
    "end_s": REAL,
    "url": TEXT,
    "fps": REAL,
    "width_px": INT,
    "height_px": INT,
    "has_audio": pl.Boolean(),
}
INDEX: Schema = {  # where each row lies, and its files
    "id": TEXT,
    "file": TEXT,  # the path of the clip in the release
    "frames": TEXTS,
    "table": TEXT,  # the path of the Parquet file
    "row": INT,
    "bytes": INT,  # of the clip
    "sha256": TEXT,  # of the clip
}

CARD = """configs:
- config_name: default
  data_files:
  - split: train
    path: data/*/*.parquet
"""


def needs(options: Clips) -> dict[str, str]:
    """The columns without which it is none, with the keys that ask for them."""
    return {}


def takes(options: Clips) -> tuple[str, ...]:
    return TAKES


def takes_lists(options: Clips) -> tuple[str, ...]:
    return LISTS


def pack(
    shard: Shard, items: Sequence[Item], table: pl.DataFrame, options: Clips
) -> list[dict[str, object] | ItemError]:
    """Writes the clips of these rows and a shard with what is known of them; gives of each its place, or its error."""
    results: list[dict[str, object] | ItemError] = []
    rows: list[Row] = []
    places: list[Row] = []
    for item, row in zip(items, table.iter_rows(named=True), strict=True):
        try:
            media = write_clip(shard, item)
            frames = write_frames(shard, item, row)
        except ItemError as error:
            results.append(error)
            continue
        of_row = {
            "id": item.key,
            "table": shard.name,
            "row": len(rows),
            "frames": [name for name in frames or [] if name],
        }
        places.append({**media, **of_row})
        results.append({**media, **of_row, "file": shard.name})
        rows.append(row_of(row) | {"id": item.key, "file": media["file"], "frames": frames})

    def write(path: Path) -> dict[str, pl.DataFrame]:
        pl.DataFrame(rows, ROW).write_parquet(path, compression="zstd")
        return {"index": pl.DataFrame(places, INDEX)}

    write_shard(shard, write)
    return results


def leave_out(shard: Shard, gone: Collection[str], options: Clips) -> Rewritten:
    """The shard without the rows with these ids, and their files. Raises InputError if it is damaged."""
    index, unwanted = read_beside(shard, "index"), pl.col("id").is_in(list(gone))
    table = pl.read_parquet(shard.path, glob=False, hive_partitioning=False)
    if not table["id"].equals(index["id"]):
        raise damaged(shard, "it has other rows than its index")

    def write(path: Path) -> dict[str, pl.DataFrame]:
        table.filter(~unwanted).write_parquet(path, compression="zstd")
        return {"index": index.filter(~unwanted).with_columns(row=pl.int_range(pl.len(), dtype=INT))}

    rewritten = write_anew(shard, write)
    goes = index.filter(unwanted)
    files = [*goes["file"], *goes["frames"].explode().drop_nulls()]
    return rewritten._replace(unneeded=[*rewritten.unneeded, *(shard.folder / name for name in files)])


def close(folder: Path, chunk: int, chunks: int, options: Clips) -> None:
    """Removes the files of the chunk that no row of it names any more, and says where the rows are.

    Without that `datasets` would take clips for the data where their names begin with train or test. Every chunk says
    the same.
    """
    index = index_of(folder, chunk)
    named = {name for column in ("file", "frames") if len(index) for name in index[column].explode()}
    remove_unnamed(folder, named, (f"{own_folder(place, chunk)}/*" for place in FOLDERS))
    with replacing(folder / ".huggingface.yaml") as temporary:
        temporary.write_text(CARD)


def write_clip(shard: Shard, item: Item) -> dict[str, object]:
    """The clip, whole or not at all; gives its place. Raises ItemError."""
    suffix = PurePosixPath(str(item.address)).suffix.lower() or ".mp4"
    file = f"{own_folder('clips', shard.chunk)}/{key_of(item.key)}{suffix}"
    media = copy_media(item, shard.folder / file)
    return {"file": file, "bytes": media.bytes, "sha256": media.sha256}


def write_frames(shard: Shard, item: Item, row: Mapping[str, Any]) -> list[str | None] | None:
    """The pictures of the frames that were looked at, else of all key frames, as files; gives their places."""
    times_s, jpegs = row.get("key_frames.time_s"), row.get("key_frames.jpeg")
    kept = {time_s: jpeg for time_s, jpeg in zip(times_s or [], jpegs or [], strict=True) if jpeg}
    looked_at = row.get("time_s") or times_s
    if looked_at is None:
        return None
    names: list[str | None] = []
    for number, time_s in enumerate(looked_at):
        name = f"{own_folder('frames', shard.chunk)}/{key_of(item.key)}_{number}.jpg" if time_s in kept else None
        names.append(name)
        if name is not None:
            with replacing(shard.folder / name) as temporary:
                temporary.write_bytes(kept[time_s])
    return names


def row_of(row: Mapping[str, Any]) -> Row:
    """What is known of a clip, by ROW."""
    nsfw, motion = row.get("nsfw"), row.get("motion")
    speeds = [speed for speed in (motion if isinstance(motion, list) else [motion]) if speed is not None]
    return {
        **{name: row.get(name) for name in (*OWN, *SHOT, "caption", "detailed_caption")},
        "region_caption": boxed(row.get("regions"), "bboxes", "box", "label"),
        "ocr": boxed(row.get("texts"), "quad_boxes", "corners", "text"),
        "pwatermark": row.get("watermark"),
        "aesthetic_score": row.get("aesthetic"),
        "nsfw_status": nsfw and [None if value is None else status(value) for value in nsfw],
        "nsfw_probability": nsfw,
        "motion": sum(speeds) / len(speeds) if speeds else None,
    }


def status(probability: float) -> str:
    """The label that the classifier finds more probable."""
    return "nsfw" if probability > 1 - probability else "normal"


def boxed(frames: list[list[Row] | None] | None, boxes: str, box: str, label: str) -> list[Row | None] | None:
    """Of each frame its boxes and their labels, side by side, as Florence-2's own processor gives them."""
    if frames is None:
        return None
    return [
        None if found is None else {boxes: [one[box] for one in found], "labels": [one[label] for one in found]}
        for found in frames
    ]
