"""Videos that are to be released, and datasets in FineVideo's format with them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from support.runs import planned

from slurm.record.manifest import Step
from stages.core.runner.pipeline import submit_steps
from stages.core.video.cut.encode import ffmpeg_path

SMALL = ("format=finevideo", "format.row_group_mb=0.1", "cluster.executor=debug")
NAMES = [f"v{number}" for number in range(8)]


def make_video(out: Path, seconds: float = 1.0, *, noise: int = 0, size: str = "64x48") -> Path:
    """A video of 10 fps with sound; with `noise` it takes more bytes."""
    out.parent.mkdir(parents=True, exist_ok=True)
    picture = f"testsrc=s={size}:r=10:d={seconds},noise=alls={noise}:allf=t:all_seed={len(out.stem)},format=yuv420p"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", f"sine=frequency=300:duration={seconds}"]
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-fflags", "+bitexact", "-threads", "1"]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", "-y", *inputs, *coded, str(out)], check=True)
    return out


def make_videos(folder: Path) -> dict[str, Path]:
    """Eight videos of about 40 kB, by their ids."""
    return {name: make_video(folder / f"{name}.mp4", noise=20 + number) for number, name in enumerate(NAMES)}


class Release:
    """A run that packs a list of videos; `rows` may be changed before it is packed."""

    def __init__(self, folder: Path, videos: dict[str, Path], form: Sequence[str] = SMALL) -> None:
        self.folder, self.list, self.form = folder, folder / "list.parquet", form
        folder.mkdir(parents=True, exist_ok=True)
        self.rows: dict[str, dict[str, Any]] = {
            name: {"video_id": name, "path": str(file), "bytes": file.stat().st_size, "title": f"Title of {name}"}
            for name, file in videos.items()
        }
        self.run = folder / "runs" / "r"

    def words(self, *more: str) -> list[str]:
        pl.DataFrame([*self.rows.values()]).write_parquet(self.list)
        own = ["run=r", f"runs={self.folder / 'runs'}", "source=urls", f"input.path={self.list}", "after=ingest"]
        return [*own, "chunks.size=4", "shard_gb=0.0001", *self.form, *more]

    def pack(self, *more: str) -> pl.DataFrame:
        """All rows of the step, once it is done."""
        assert submit_steps(planned("package", *self.words(*more))) == 0
        return self.table()

    def table(self) -> pl.DataFrame:
        rows = Step(self.run, "package").scan()
        assert rows is not None
        return rows.collect()

    @property
    def media(self) -> Path:
        return self.run / "package" / "media"


def span(start: str, end: str) -> dict[str, str]:
    return {"start_timestamp": f"00:00:{start}", "end_timestamp": f"00:00:{end}"}


def annotation(title: str, *, full: bool = True) -> dict[str, Any]:
    """An annotation in FineVideo's schema; `full`: no list is empty."""
    at = span("00.000", "01.000")
    scene = {
        "sceneId": 1,
        "title": f"{title}: first",
        "timestamps": at,
        "cast": ["Sara"] * full,
        "activities": [{"description": "walks", "timestamp": at}] * full,
        "props": [{"name": "hat", "timestamp": at}] * full,
        "videoEditingDetails": [{"description": "cut", "timestamps": at}] * full,
        "mood": {
            "description": "calm",
            "keyMoments": [{"timestamp": "00:00:00.500", "changeDescription": "wakes"}] * full,
        },
        "narrativeProgression": [{"description": "it begins", "timestamp": "00:00:00.100"}] * full,
        "characterInteraction": [{"characters": ["Sara", "Ben"], "description": "talk"}] * full,
        "thematicElements": "wörk",
        "contextualRelevance": "much",
        "dynamismScore": 0.75,
        "audioVisualCorrelation": 1.0,
    }
    return {
        "title": title,
        "description": "…",
        "characterList": [{"characterId": "1", "name": "Sara", "description": "tall"}] * full,
        "scenes": [scene, {**scene, "sceneId": 2}],
        "storylines": {
            "description": "one",
            "scenes": [1, 2],
            "climax": {"description": "end", "timestamp": "00:00:00.900"},
        },
        "qAndA": [{"question": f"{n}?", "answer": "yes"} for n in range(5)],
        "trimmingSuggestions": [{"description": "dull", "timestamps": at}] * full,
        "fps": 29.97,
    }


def known(name: str, **other: object) -> dict[str, Any]:
    """A video's `json`, field for field as FineVideo has it."""
    return {
        "resolution": "64x48",
        "duration_seconds": 1,
        "content_parent_category": "Education",
        "content_fine_category": "Engineering Projects",
        "youtube_title": f"Title of {name}",
        "youtube_description": "How, it is done\nand why: 例",
        "youtube_channel": "Heavy Metal",
        "youtube_categories": ["Education", "How-to"],
        "youtube_tags": ["training", "heavy, equipment", "NA"],
        "youtube_view_count": 89462,
        "youtube_comment_count": 12,
        "youtube_like_count": 0,
        "youtube_channel_follower_count": 1000,
        "youtube_age_limit": 0,
        "youtube_upload_date": "20160511",
        "text_to_speech": "We are in West Bank.",
        "text_to_speech_word_count": 5,
        "timecoded_text_to_speech": [
            {"start": "00:00:00.000", "end": "00:00:00.546", "text": "We are"},
            {"start": "00:00:00.546", "end": "00:00:01.000", "text": " in West Bank."},
        ],
        "content_metadata": annotation(f"Title of {name}"),
        "original_video_filename": f"{name}.mp4",
        **other,
    }


def write_dataset(folder: Path, videos: dict[str, Path], **other: dict[str, object]) -> Path:
    """A folder with a Parquet file of these videos (id → file) as FineVideo's are; `other` fields by id."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [known(name, **other.get(name, {})) for name in videos]
    table = pa.table({"mp4": [file.read_bytes() for file in videos.values()], "json": rows})
    pq.write_table(table, folder / "train-00000-of-00001.parquet", row_group_size=2)
    return folder


def files_of(release: Path) -> list[Path]:
    """The shards of a release."""
    return sorted(path for path in release.glob("data/*/*") if not path.name.startswith("."))


def index_of(release: Path) -> pl.DataFrame:
    """Where each row of a release lies."""
    return pl.concat([pl.read_parquet(path) for path in sorted(release.glob("index/*/*.parquet"))])


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
