"""What `analyze` and `skim` find of a file, with their own settings, and how files are made for that."""

from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import TypeAdapter
from support.numbered import ffmpeg

from stages.analyze import analyze_video
from stages.core.storage.spill import Tables
from stages.core.video.measure.settings import Settings
from stages.core.video.skim.settings import Settings as Skimming
from stages.skim import skim_video

ROOT = Path(__file__).parents[2]


def analyzed(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The row of a video, and its key frames."""
    tables = analyze_video({"video_id": "v", "path": str(path), "url": None}, _settings(Settings, "analyze"))
    return _row_and_pictures(tables, "key_frames")


def skimmed(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The row of a video, and its sync frames."""
    tables = skim_video({"video_id": "v", "path": str(path), "url": None}, _settings(Skimming, "skim"))
    return _row_and_pictures(tables, "sync_frames")


def _row_and_pictures(tables: Tables, pictures: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    (row,) = cast(list[dict[str, Any]], tables["rows"])
    return row, cast(list[dict[str, Any]], tables[pictures])


def _settings(kind: type, stage: str) -> Any:
    loaded = yaml.safe_load((ROOT / "conf" / "stage" / f"{stage}.yaml").read_text())
    return TypeAdapter(kind).validate_python({key: loaded[key] for key in kind.__dataclass_fields__})  # type: ignore[attr-defined]


def made(path: Path, picture: str, *coding: str, sound: str | None = None) -> Path:
    """A file of a picture of lavfi's, and a sound."""
    inputs = ["-f", "lavfi", "-i", picture, *(["-f", "lavfi", "-i", sound] if sound else [])]
    ffmpeg(*inputs, *coding, path)
    return path
