"""The small models that score frames, made once, and settings that name them."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.frame_models import (
    encode,
    picture,
    save_classifier,
    save_clip,
    save_head,
    save_siglip,
    save_watermark,
    stage_settings,
)

from stages.core.frames.settings import Settings


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of them, and two reference pictures."""
    folder = tmp_path_factory.mktemp("models")
    for name, save in {"clip": save_clip, "siglip": save_siglip, "nsfw": save_classifier}.items():
        save(folder / name)
    save_head(folder / "head.pth")
    save_watermark(folder / "watermark.pt")
    (folder / "references").mkdir()
    for number in (5, 6):
        (folder / "references" / f"{number}.png").write_bytes(encode(picture(number), "PNG"))
    return folder


@pytest.fixture(scope="session")
def settings(models: Path) -> Settings:
    """Those of the stage, with all scorers but that of an extra."""
    plain = stage_settings()
    siglip = str(models / "siglip")
    return replace(
        plain,
        scorers=("aesthetic", "watermark", "nsfw", "similarity", "embed"),
        batch=8,
        aesthetic=replace(plain.aesthetic, model=str(models / "clip"), head=str(models / "head.pth")),
        watermark=replace(plain.watermark, weights=str(models / "watermark.pt")),
        nsfw=replace(plain.nsfw, model=str(models / "nsfw")),
        similarity=replace(plain.similarity, model=siglip, references=(str(models / "references"),)),
        embed=replace(plain.embed, model=str(models / "clip")),
    )
