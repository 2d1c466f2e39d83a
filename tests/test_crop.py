"""The crop stage: films with bars, logos, subtitles and tickers on them, and ordinary ones that stay as they are."""

import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
import yaml
from pydantic import TypeAdapter
from support.runs import ROOT, command

from scripts.truth.drawing.camera import Move, pan, sway, zoom
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.props import Thing, line, talker
from scripts.truth.drawing.scenes import Scene
from scripts.truth.drawing.writing import make as write
from scripts.truth.film import Film
from scripts.truth.overlaid import Overlay, letterbox, logo, overlaid, scene, subtitle, ticker
from slurm.errors import InputError
from slurm.table import read_table
from stages.analyze import analyze_video
from stages.core.schema.clip import CROP, CROP_BOX
from stages.core.schema.frame import KEY_FRAMES
from stages.core.schema.types import Row
from stages.core.video.crop.clips import crop_clips, make_jobs
from stages.core.video.crop.settings import Settings
from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.measure.settings import Settings as Measured
from stages.crop import STAGE

SETTINGS = Settings(texts=False, near_edge=0.3)
WIDTH, HEIGHT = 640, 360
Make = Callable[[Film], Path]
PAN = pan(0.08)


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """make(film): its file, written once a session."""
    folder = tmp_path_factory.mktemp("films")

    def made(film: Film) -> Path:
        if not (folder / film.file).exists():
            write(film, 7, folder)
        return folder / film.file

    return made


def moving(name: str, overlay: Overlay | None, move: Move = PAN, kind: str = "leaves") -> Film:
    return overlaid(name, (scene(kind, "warm", 4, move),), overlay, seconds=2)


def shots(name: str, overlay: Overlay | None) -> Film:
    """Three shots under a camera that stands still, of people who talk."""
    kinds = (("leaves", "warm"), ("city", "cold"), ("forest", "green"))
    made: Sequence[Scene] = [scene(*kind, n, props=(talker(n, 0.1 * n),)) for n, kind in enumerate(kinds)]
    return overlaid(name, tuple(made), overlay, seconds=1.2)


def items(path: Path, folder: Path) -> tuple[list[Row], pl.DataFrame]:
    """What analyze gives of a film: a row for each shot, as crop reads it, and the places of the key frames."""
    loaded = yaml.safe_load((ROOT / "conf" / "stage" / "analyze.yaml").read_text())
    settings = TypeAdapter(Measured).validate_python({key: loaded[key] for key in Measured.__dataclass_fields__})
    tables: Any = analyze_video({"video_id": "v", "path": str(path), "url": None}, settings)
    video, table = tables["rows"][0], pl.DataFrame(list(tables["key_frames"]))
    file = folder / "key_frames.parquet"
    table.with_columns(video_id=pl.lit("v")).select(*KEY_FRAMES).write_parquet(file)
    places = table.drop("jpeg").with_columns(video_id=pl.lit("v"), file=pl.lit(str(file)), row=pl.int_range(pl.len()))
    rows = [
        {
            **{name: video[name] for name in ("width_px", "height_px", *(n for n in video if n.startswith("border")))},
            "clip_id": f"c{shot['shot']}",
            "video_id": "v",
            "shot": shot["shot"],
            "start_s": shot["start_s"],
            "end_s": shot["end_s"],
            "camera": [video["camera"]],
        }
        for shot in tables["shots"]
    ]
    return rows, places


def crops(path: Path, folder: Path, settings: Settings = SETTINGS) -> list[Row]:
    rows, places = items(path, folder)
    found = [row for job in make_jobs(rows, places) for row in cast(list[Row], crop_clips(job, settings)["clips"])]
    return pl.DataFrame(found, schema=CROP, strict=True).to_dicts()


def spares(row: Row, overlay: Overlay, lost: float) -> bool:
    """Whether the box holds nothing of the overlay, and at most `lost` of the picture is missing beside it."""
    x, y, wide, high = (int(str(row[name])) for name in CROP_BOX)
    left, top, right, bottom = overlay.box
    apart = x >= right * WIDTH or x + wide <= left * WIDTH or y >= bottom * HEIGHT or y + high <= top * HEIGHT
    best = (overlay.left[2] - overlay.left[0]) * (overlay.left[3] - overlay.left[1])
    assert row["crop_share"] == pytest.approx(wide * high / (WIDTH * HEIGHT))
    assert not any(value % 2 for value in (x, y, wide, high))
    return apart and float(str(row["crop_share"])) >= best - lost


@pytest.mark.parametrize(
    ("name", "overlay", "why"),
    [
        ("logo_left", logo(3, "left"), "logo"),
        ("logo_right", logo(4, "right"), "logo"),
        ("half", logo(5, "right", 0.6), "logo"),
        ("subtitle", subtitle(3), "logo"),
        ("plate", subtitle(4, 0.75), "logo"),
        ("ticker", ticker(2), "logo"),
        ("bars", letterbox(0.125), "bars"),
    ],
)
def test_what_stands_near_an_edge_is_left_out_under_a_moving_camera_and_over_still_shots(
    name: str, overlay: Overlay, why: str, make: Make, tmp_path: Path
) -> None:
    films = [moving(f"moving_{name}", overlay), shots(f"shots_{name}", overlay)]
    found = [row for film in films for row in crops(make(film), tmp_path)]
    assert len(found) == 4
    assert all(row["crop_why"] == [why] for row in found)
    assert all(spares(row, overlay, 0.06) for row in found)


def test_bars_are_left_out_to_a_few_pixels_with_subtitles_on_them(make: Make, tmp_path: Path) -> None:
    film = moving("both", letterbox(0.15))
    film = replace(film, over=(*film.over, subtitle(3).prop))
    (row,) = crops(make(film), tmp_path)
    assert (row["crop_x_px"], row["crop_width_px"]) == (0, WIDTH)
    top, high = int(str(row["crop_y_px"])), int(str(row["crop_height_px"]))
    assert 54 <= top <= 58
    assert 306 - 12 <= top + high <= 306  # the letters touch the picture's edge


@pytest.mark.parametrize(
    ("name", "move", "kind"),
    [("pan", pan(0.1), "leaves"), ("zoom", zoom(0.15), "city"), ("sway", sway(0.03, 3), "forest")],
)
def test_nothing_is_taken_from_films_without_anything_on_them(
    name: str, move: Move, kind: str, make: Make, tmp_path: Path
) -> None:
    (row,) = crops(make(moving(f"bare_{name}", None, move, kind)), tmp_path)
    assert row == {**dict.fromkeys(CROP_BOX), "crop_share": 1.0, "crop_why": []}


def test_a_still_picture_and_still_shots_stay_whole(make: Make, tmp_path: Path) -> None:
    still = overlaid("still", (scene("city", "warm", 2),), logo(3), seconds=2)  # nobody can tell what is the logo
    for film in (still, shots("bare_shots", None)):
        assert {row["crop_share"] for row in crops(make(film), tmp_path)} == {1.0}


def test_what_the_camera_follows_in_the_middle_is_no_logo(make: Make, tmp_path: Path) -> None:
    followed = Thing(Backdrop("forest", "vivid", 1), line((0.0, 0.0), 0.0), (0.12, 0.1))
    film = overlaid("followed", (scene("leaves", "warm", 4, pan(0.1), props=(followed,)),), None, seconds=2)
    (row,) = crops(make(film), tmp_path)
    assert row["crop_share"] == 1.0


def test_lines_of_text_are_left_out_where_most_frames_have_them(make: Make, tmp_path: Path) -> None:
    rows, places = items(make(moving("bare_pan_text", None)), tmp_path)
    times = places["time_s"].unique().sort().to_list()
    wide, high = places["width_px"][0], places["height_px"][0]

    def text(share: float) -> Row:
        left, right, top, bottom = 0.2 * wide, share * wide, 0.86 * high, 0.93 * high
        corners = [round(side) for side in (left, top, right, top, right, bottom, left, bottom)]
        return {"text": "words", "corners": corners, "confidence": None}

    (found,) = _texts(rows, places, times, [[text(0.7)], [text(0.5)], []])
    assert found["crop_why"] == ["text"]
    assert (found["crop_y_px"], found["crop_width_px"], found["crop_height_px"]) == (0, WIDTH, 310)
    (found,) = _texts(rows, places, times, [[text(0.7)], [], []])
    assert found["crop_share"] == 1.0
    (found,) = _texts(rows, places, [time_s + 0.01 for time_s in times], [[text(0.7)], [], []])
    assert (found["error"], "frames.source=key_frames" in str(found["error_detail"])) == ("bad_value", True)


def _texts(rows: list[Row], places: pl.DataFrame, times: list[float], texts: list[list[Row]]) -> list[Row]:
    with_texts = [{**row, "time_s": times, "texts": texts} for row in rows]
    (job,) = make_jobs(with_texts, places)
    return list(crop_clips(job, Settings(texts=True, near_edge=0.3))["clips"])  # type: ignore[arg-type]


def test_a_clip_whose_video_has_no_key_frame_fails_alone(make: Make, tmp_path: Path) -> None:
    rows, places = items(make(moving("bare_pan", None, pan(0.1))), tmp_path)
    jobs = list(make_jobs([{**rows[0], "video_id": "w"}, *rows], places))
    found = [row for job in jobs for row in cast(list[Row], crop_clips(job, SETTINGS)["clips"])]
    assert [row.get("error") for row in found] == ["no_frames", None]


@pytest.mark.parametrize("near_edge", [0, -1, 0.51, float("nan")])
def test_a_zone_that_is_none_is_refused(near_edge: float) -> None:
    with pytest.raises(InputError, match="near_edge="):
        STAGE.check(Settings(texts=False, near_edge=near_edge))


def test_the_recipe_cuts_what_is_left_of_upright_and_of_turned_videos(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    upright = make(moving("moving_logo_left", logo(3, "left")))
    (folder / "upright.mp4").write_bytes(upright.read_bytes())
    (folder / "bare.mp4").write_bytes(make(moving("bare_pan", None, pan(0.1))).read_bytes())
    (folder / "turned.mp4").write_bytes(turned(upright.read_bytes()))
    words = ["run=r", f"runs={tmp_path}", f"input.path={folder}", "cluster.executor=debug", "steps.split.min_s=1"]
    done = command("stages", "cropped", *words)
    assert done.returncode == 0, done.stderr
    rows = {row["video_id"].partition("-")[0]: row for row in read_table(tmp_path / "r", "cut").collect().to_dicts()}
    assert {name: row["mode"] for name, row in rows.items()} == {
        "upright": "encoded",
        "turned": "encoded",
        "bare": "copied",
    }
    assert [rows["bare"][name] for name in CROP_BOX] == [None] * 4
    for name, size in (("upright", (WIDTH, HEIGHT)), ("turned", (HEIGHT, WIDTH))):
        x, y, wide, high = (rows[name][column] for column in CROP_BOX)
        assert (rows[name]["width_px"], rows[name]["height_px"]) == (wide, high)
        whole, cut = shown(folder / f"{name}.mp4", size), shown(Path(rows[name]["clip_path"]), (wide, high))
        assert np.abs(whole[:, y : y + high, x : x + wide] - cut).mean() < 3
        assert wide * high / (WIDTH * HEIGHT) > 0.8
    assert rows["turned"]["crop_x_px"] == 0  # what was at the left is above now
    assert rows["turned"]["crop_y_px"] == pytest.approx(0.14 * WIDTH, abs=8)


def turned(data: bytes) -> bytes:
    """An mp4 with a display matrix of a quarter turn in its index, in place of the one that turns nothing."""
    one, last = 1 << 16, 1 << 30
    neutral, quarter = (struct.pack(">9i", *of, 0, 0, last) for of in ((one, 0, 0, 0, one, 0), (0, one, 0, -one, 0, 0)))
    at = data.index(neutral, data.index(b"tkhd"))
    return data[:at] + quarter + data[at + len(neutral) :]


def shown(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Frames as ffmpeg's command shows them, turned as the file asks."""
    words = ["-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run([ffmpeg_path(), "-v", "error", *map(str, words)], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0]).astype(int)
