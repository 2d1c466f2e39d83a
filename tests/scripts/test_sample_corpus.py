"""The sample corpus: made once, and measured as it says it was made."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from slurm.errors import ItemError
from stages.analyze import analyze_video
from stages.core.sources import folder
from stages.core.video.measure.settings import Settings

ROOT = Path(__file__).parents[2]


def make(place: Path) -> str:
    command = [sys.executable, "-m", "scripts.sample_corpus", "--out", str(place), "--seconds", "6"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of videos 6 s long."""
    made = tmp_path_factory.mktemp("sample")
    make(made)
    return made


def test_second_call_makes_nothing_anew(corpus: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    assert make(corpus).endswith("already complete\n")
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before


@pytest.mark.parametrize("name", ["cuts.mp4", "cuts.info.json"])
def test_lost_file_is_made_again_just_as_it_was(corpus: Path, name: str) -> None:
    lost = corpus / name
    was = lost.read_bytes()
    lost.unlink()
    assert make(corpus).endswith("made\n")
    assert lost.read_bytes() == was


def test_films_have_titles_and_descriptions_in_sidecars_but_the_empty_one(corpus: Path) -> None:
    catalogue = folder.read(str(corpus), folder.Options("folder"))
    assert catalogue.left_out == {"*.json": 1}, "where its cuts are"
    rows = {Path(row["path"]).name: row for row in catalogue.rows.collect().to_dicts()}
    assert len(rows) == 9
    assert len({row["title"] for row in rows.values()}) == 9
    assert [name for name, row in rows.items() if not row["description"]] == ["empty.mp4"]
    assert rows["cuts.mp4"]["title"] == "Easy onion soup"
    assert rows["cuts.mp4"]["duration_s"] == 6.0
    assert rows["empty.mp4"]["title"] == "empty"


def test_films_are_measured_as_they_were_made(corpus: Path) -> None:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "conf" / "stage" / "analyze.yaml").read_text())
    config = Settings(**{key: loaded[key] for key in Settings.__dataclass_fields__})
    share_frozen = {"still.webm": 1.0, "half_frozen.mov": 0.5}
    files = json.loads((corpus / "sample.json").read_text())["files"]
    assert len(files) == 9
    for film in files:
        row = {"video_id": film["name"], "path": str(corpus / film["name"]), "url": None}
        if film["name"] == "empty.mp4":
            with pytest.raises(ItemError):
                analyze_video(row, config)
            continue
        made: dict[str, Any] = {**analyze_video(row, config)}
        video = made["rows"][0]
        if not film["whole"]:
            assert video["coverage"] < 0.9
            continue
        begins = [shot["start_s"] for shot in made["shots"]]
        # sound may begin up to a few hundredths before the picture: that moves all times of it by the same
        assert [at - begins[0] for at in begins[1:]] == pytest.approx(film["cuts_s"], abs=0.003)
        assert video["freeze_share"] == pytest.approx(share_frozen.get(film["name"], 0), abs=0.03)
        if film["name"] == "speeds.mkv":
            speeds = [made["signals"][second]["motion"] for second in (0, 2, 3, 5)]
            assert speeds == pytest.approx([0.02, 0.15, 0.6, 1.2], rel=0.25)
