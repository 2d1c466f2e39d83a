"""A folder for each trainer, written and read as that trainer reads it: clips, captions, buckets; and its plan."""

import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.released import bytes_of, make_video
from support.trainers import READERS, options_of

from slurm.errors import InputError, ItemError
from stages.core.release.media import Item
from stages.core.release.shards import Shard
from stages.core.release.trainer import close, is_held_back, leave_out, pack
from stages.core.release.training.settings import Trainer
from stages.core.video.cut.encode import ffmpeg_path

BUCKETS = ["64x32x17", "32x64x9", "64x32x9"]
CAPTIONS: dict[str, Any] = {
    "long.one": 'A "dog"\n runs\u2028away \0 例',
    "short": "a cat",
    "tall": ["first", "  ", "middle", "last"],
    "silent": "nothing is heard",
    "mute": None,
    "blank": ["", None],
    "tiny": "too short",
    "turned": "a film that is turned",
    "squeezed": "pixels that are not square",
    "odd": "of odd sizes",
}
UPRIGHT_AND_TURNED = ((1 << 16, 0, 0, 0, 1 << 16), (0, 1 << 16, 0, -1 << 16, 0))  # a, b, u, c, d
FALLS = {"long.one": "64x32x17", "short": "64x32x9", "tall": "32x64x9", "silent": "64x32x9", "odd": "64x32x17"}


def remade(video: Path, name: str, *words: str) -> Path:
    out = video.with_name(f"{name}.mp4")
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", "-y", *words, str(out)], check=True)
    return out


def turned(video: Path) -> Path:
    """The video with a display matrix that turns it by 90 degrees."""
    content = video.read_bytes()
    plain, other = (struct.pack(">9i", *matrix, 0, 0, 0, 1 << 30) for matrix in UPRIGHT_AND_TURNED)
    at = content.index(plain, content.index(b"tkhd"))
    out = video.with_name("turned.mp4")
    out.write_bytes(content[:at] + other + content[at + len(plain) :])
    return out


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    found = {name: make_video(folder / f"{name}.mp4") for name in ("short", "mute", "blank")}
    found["long.one"] = make_video(folder / "long.mp4", 2.0)
    found["tall"] = make_video(folder / "tall.mp4", size="48x64")
    found["tiny"] = make_video(folder / "tiny.mp4", 0.5)
    one = found["short"]
    found["silent"] = remade(one, "silent", "-i", str(one), "-an", "-c", "copy")
    found["turned"] = turned(one)
    found["squeezed"] = remade(one, "squeezed", "-i", str(one), "-vf", "setsar=4/3", "-preset", "ultrafast")
    odd = ("-i", str(found["long.one"]), "-vf", "crop=63:47:0:0:exact=1,format=yuv444p", "-preset", "ultrafast")
    found["odd"] = remade(one, "odd", *odd)
    return {name: found[name] for name in CAPTIONS}


def packed(
    folder: Path, videos: dict[str, Path], options: Trainer, *, chunk: int = 0, chunks: int = 1
) -> dict[str, Any]:
    """Packs these videos as a chunk, and closes it."""
    items = [Item(name, str(video), None) for name, video in videos.items()]
    captions = [[text] if isinstance(text := CAPTIONS[name], str) else text for name in videos]
    table = pl.DataFrame({"clip_id": [*videos], "video_id": [*videos], "said": captions}, strict=False)
    results = pack(Shard(folder, chunk, 0, ""), items, table, options)
    close(folder, chunk, chunks, options)
    return dict(zip(videos, results, strict=True))


@pytest.fixture(scope="module", params=READERS)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def options(layout: str) -> Trainer:
    return options_of(layout, caption_column="said", buckets=BUCKETS, batch=2, model_fps=10)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory, videos: dict[str, Path], options: Trainer) -> Path:
    folder = tmp_path_factory.mktemp(options.layout)
    packed(folder, videos, options)
    return folder


def test_its_trainer_reads_every_clip_with_its_caption(release: Path, layout: str, videos: dict[str, Path]) -> None:
    samples = READERS[layout](release / "train")
    found = {sample.video.read_bytes(): sample for sample in samples}
    assert found.keys() == {videos[name].read_bytes() for name in FALLS}
    assert len(samples) == len(FALLS)
    captions = {name: found[videos[name].read_bytes()].caption for name in FALLS}
    assert captions == {
        "long.one": 'A "dog" runs away 例',
        "short": "a cat",
        "tall": "middle",
        "silent": "nothing is heard",
        "odd": "of odd sizes",
    }
    if layout in ("diffusion_pipe", "musubi"):
        assert {name: found[videos[name].read_bytes()].bucket for name in FALLS} == FALLS


def test_the_plan_says_where_each_clip_falls_and_what_is_lost(release: Path, layout: str) -> None:
    clips = {row["id"]: row for row in pl.read_csv(release / "clips.csv").to_dicts()}
    assert {name: row["left_out"] for name, row in clips.items() if row["left_out"]} == {
        "mute": "no_caption",
        "blank": "no_caption",
        "tiny": "too_short",
        "turned": "turned",
        "squeezed": "not_square",
    }
    if layout != "musubi":
        assert {name: row["bucket"] for name, row in clips.items() if row["bucket"]} == FALLS
    assert (clips["long.one"]["frames"], clips["long.one"]["frames_lost"]) == (20, 3)
    assert (clips["odd"]["width_px"], clips["odd"]["height_px"]) == (63, 47)
    assert {name for name, row in clips.items() if row["has_audio"] is False} == {"silent"}
    assert all((release / row["file"]).exists() for row in clips.values() if row["file"])
    buckets = {row["bucket"]: row for row in pl.read_csv(release / "buckets.csv").to_dicts()}
    if layout != "musubi":
        assert {name: (row["clips"], row["too_small"]) for name, row in buckets.items()} == {
            "64x32x17": (2, False), "32x64x9": (1, True), "64x32x9": (2, False)
        }  # fmt: skip
        assert buckets["64x32x9"]["picture_kept"] == pytest.approx((64 / 48) / 2)
        assert (buckets["64x32x9"]["without_sound"], buckets["64x32x9"]["frames_lost"]) == (1, 2)
    plan = (release / "plan.txt").read_text()
    assert "Left out, 1 clips (turned): they are stored turned, which trainers do not see" in plan
    assert "Buckets with fewer clips than a batch: " in plan


def test_musubi_is_told_of_the_sizes_that_it_makes(tmp_path: Path, videos: dict[str, Path]) -> None:
    options = options_of("musubi", caption_column="said", buckets=["64x64x9"])
    packed(tmp_path, {name: videos[name] for name in ("short", "tall")}, options)
    clips = pl.read_csv(tmp_path / "clips.csv")
    assert clips["bucket"].to_list() == ["64x64x9", "48x80x9"]
    assert {sample.bucket for sample in READERS["musubi"](tmp_path / "train")} == {"64x64x9"}


def test_clips_that_are_left_out_have_their_reason_and_faults_their_error(
    tmp_path: Path, videos: dict[str, Path], options: Trainer
) -> None:
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(b"no video" * 99)
    long = remade(torn, "cut", "-ss", "0.55", "-i", str(videos["long.one"]), "-c", "copy")
    results = packed(tmp_path / "out", {**videos, "short": torn, "silent": tmp_path / "gone", "odd": long}, options)
    codes = {name: result.code if isinstance(result, ItemError) else result for name, result in results.items()}
    assert {name: code for name, code in codes.items() if isinstance(code, str)} == {
        "short": "corrupt", "silent": "missing", "odd": "hidden_frames", "mute": "no_caption", "blank": "no_caption",
        "tiny": "too_short", "turned": "turned", "squeezed": "not_square",
    }  # fmt: skip
    assert len(READERS[options.layout](tmp_path / "out" / "train")) == 2


def test_a_prefix_stands_before_every_caption_and_the_held_back_videos_in_a_folder_of_their_own(
    tmp_path: Path, videos: dict[str, Path], options: Trainer
) -> None:
    own = replace(options, caption_prefix=" DIFF_crush ", validation_share=0.5)
    packed(tmp_path, videos, own)
    read: Callable[[Path], list[Any]] = READERS[options.layout]
    held = {name for name in FALLS if is_held_back(name, 0.5)}
    assert held == {"long.one", "tall", "silent"}
    for part, names in (("validation", held), ("train", FALLS.keys() - held)):
        samples = read(tmp_path / part)
        assert {sample.video.read_bytes() for sample in samples} == {videos[name].read_bytes() for name in names}
        assert all(sample.caption.startswith("DIFF_crush ") for sample in samples)


def test_the_folder_is_whole_once_the_last_chunk_is_whichever_that_is(
    tmp_path: Path, videos: dict[str, Path], options: Trainer
) -> None:
    chunks = [dict([*videos.items()][:4]), {}, dict([*videos.items()][4:])]
    for place, order in (("a", (0, 1, 2)), ("b", (2, 1, 0))):
        for number, chunk in enumerate(order):
            assert not (tmp_path / place / "plan.txt").exists()
            if chunks[chunk]:
                packed(tmp_path / place, chunks[chunk], options, chunk=chunk, chunks=3)
            else:
                close(tmp_path / place, chunk, 3, options)
            assert number == 2 or not (tmp_path / place / "train" / "videos.txt").exists()
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert pl.read_csv(tmp_path / "a" / "clips.csv")["id"].to_list() == [*videos]


def test_a_clip_that_is_gone_the_next_time_leaves_nothing(
    tmp_path: Path, videos: dict[str, Path], options: Trainer
) -> None:
    two = {name: videos[name] for name in ("short", "silent")}
    packed(tmp_path, two, options)
    packed(tmp_path, {**two, "silent": tmp_path / "gone.mp4"}, options)
    (sample,) = READERS[options.layout](tmp_path / "train")
    assert sample.caption == "a cat"
    assert list((tmp_path / "train").rglob("*.mp4")) == [sample.video]
    assert len([*(tmp_path / "train").rglob("*silent*")]) == 0


def test_a_run_without_captions_is_told_what_gives_some(tmp_path: Path, videos: dict[str, Path]) -> None:
    table = pl.DataFrame({"clip_id": ["short"], "video_id": ["v"]})
    with pytest.raises(InputError, match=r"no step before it gives a caption .* format\.caption_column=NAME"):
        pack(Shard(tmp_path, 0, 0, ""), [Item("short", str(videos["short"]), None)], table, options_of("ltx"))


def test_a_share_of_the_videos_is_held_back_and_a_larger_one_holds_all_of_a_smaller_back() -> None:
    names = [f"video{number}" for number in range(2000)]
    tenth, half = ({name for name in names if is_held_back(name, share)} for share in (0.1, 0.5))
    assert 150 < len(tenth) < 250
    assert tenth < half
    assert not any(is_held_back(name, 0.0) for name in names)


def test_clips_that_are_taken_out_are_in_no_file_any_more_and_what_is_made_again_is_the_same(
    tmp_path: Path, videos: dict[str, Path], options: Trainer
) -> None:
    gone = {"short", "tiny"}  # one of them was left out for its length
    packed(tmp_path / "a", videos, options)
    ready, unneeded = leave_out(Shard(tmp_path / "a", 0, 0, ""), gone, options)
    for staged, path in ready:
        staged.replace(path)
    for path in unneeded:
        path.unlink()
    packed(tmp_path / "b", {name: video for name, video in videos.items() if name not in gone}, options)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert len(READERS[options.layout](tmp_path / "a" / "train")) == len(FALLS) - 1
