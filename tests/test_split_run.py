"""The stage over what analyze wrote: chunks, sweeps, refusals, and a real video whose frames are unevenly spaced."""

import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import av
import polars as pl
import pytest
import yaml
from pydantic import TypeAdapter
from support.runs import command
from support.steps import cluster, finish, made_step

from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.record.plan import Columns
from slurm.scheduler.signals import Stop
from stages.analyze import analyze_video
from stages.core.runner.work import Work
from stages.core.schema.second import SIGNALS
from stages.core.schema.types import Schema
from stages.core.schema.video import CHANGES, SHOTS, TIMES, VIDEO
from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.measure.settings import Settings
from stages.split import Borders, Config, Margin, Merge, Spans, check, make_clips

CONF = Path(__file__).parent.parent / "conf"
SIDES: dict[str, Schema] = {"shots": SHOTS, "changes": CHANGES, "times": TIMES, "signals": SIGNALS}
CONFIG = Config(2, 10, Margin(0, 0), Borders(None, None), Spans("keep"), Merge(None, 0.1, None))


def settings(cut: float, gradual: float) -> Settings:
    loaded = yaml.safe_load((CONF / "stage" / "analyze.yaml").read_text())
    values = {key: loaded[key] for key in Settings.__dataclass_fields__}
    made = TypeAdapter(Settings).validate_python(values)
    return replace(made, shots=replace(made.shots, cut=cut, gradual=gradual))


@pytest.fixture
def analyzed(tmp_path: Path) -> Step:
    """A step analyze: video b has a shot of 1 s and one of 16 s with a weak cut at 9 s; a has one of 5 s, at 50 fps."""
    gives = {"video_id": "String", "fps": "Float64", "error": "String", "error_detail": "String"}
    step = made_step(tmp_path / "r", "analyze", stage="analyze", n=1, gives=gives, tables={name: {} for name in SIDES})
    empty = pl.lit(None, pl.String)
    videos = pl.DataFrame({"video_id": ["b", "a"], "fps": [25.0, 50.0]}).with_columns(error=empty, error_detail=empty)
    sides: dict[str, list[Any]] = {
        "shots": [
            ("b", 0, 0, 25, 0.0, 1.0, None, 0),
            ("b", 1, 25, 425, 1.0, 17.0, 0.9, 9),
            ("a", 0, 0, 250, 0.0, 5.0, None, 0),
        ],
        "changes": [("b", "cut", 25, 25, 1.0, 1.0, 0.9, True), ("b", "cut", 225, 225, 9.0, 9.0, 0.4, False)],
        "times": [],
        "signals": [
            {"video_id": video, "second": n, "motion": n} for video, end in (("b", 17), ("a", 5)) for n in range(end)
        ],
    }
    tables = {name: pl.DataFrame(rows, schema=SIDES[name], orient="row", strict=False) for name, rows in sides.items()}
    finish(step, 0, videos, "1_0_0", **tables)
    return step


def test_the_chunk_of_a_step_is_split_by_video(analyzed: Step) -> None:
    split = made_step(
        analyzed.run, "split", stage="split", config=asdict(CONFIG), inputs=["analyze"], aligned=True, n=1,
        columns=Columns({"fps": "analyze"}, dict.fromkeys(SIDES, "analyze")),
    )  # fmt: skip
    work = Work(split, Stop(), cluster())
    (output,) = work.run(work.items(0))
    made = output.tables["rows"]
    assert isinstance(made, pl.DataFrame)
    assert output.keys == ["b", "a"]
    assert made["clip_id"].to_list() == ["b_0_25", "b_25_225", "b_225_425", "a_0_250"]
    assert made["drop_reason"].to_list() == ["too_short", None, None, None]
    assert made["fps"].to_list() == [25.0, 25.0, 25.0, 50.0]
    assert made["motion"].to_list() == [[0], list(range(1, 9)), list(range(9, 17)), list(range(5))]


def test_a_sweep_of_thresholds_takes_analyze_as_it_is(analyzed: Step) -> None:
    words = ["run=r", f"runs={analyzed.run.parent}", "cluster.executor=debug"]
    done = command("stages.split", "-m", *words, "borders.cut=0.3,0.95")
    assert done.returncode == 0, done.stderr
    steps = [Step(analyzed.run, f"split@borders.cut={cut}") for cut in ("0.3", "0.95")]
    made = [rows.collect()["clip_id"].to_list() for step in steps if (rows := step.scan()) is not None]
    assert made == [["b_0_25", "b_25_225", "b_225_425", "a_0_250"], ["b_0_425", "a_0_250"]]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"min_s": 11}, "min_s=11"),
        ({"min_s": -1}, "min_s=-1"),
        ({"min_s": 0, "max_s": 0}, "max_s=0"),
        ({"max_s": float("nan")}, "max_s=nan"),
        ({"margin_frames": Margin(-2, 0)}, r"margin_frames\.cut=-2"),
        ({"margin_frames": Margin(0, -1)}, r"margin_frames\.gradual=-1"),
        ({"borders": Borders(1.5, None)}, r"borders\.cut=1\.5"),
        ({"borders": Borders(None, -0.1)}, r"borders\.gradual=-0\.1"),
        ({"merge": Merge(27, 0.1, None)}, r"merge\.below=27"),
        ({"merge": Merge(0.6, 65, None)}, r"merge\.unlike=65"),
        ({"merge": Merge(None, 0.1, -1)}, r"merge\.flash_s=-1"),
    ],
)
def test_what_cannot_be_meant_is_told_by_its_key(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        check(replace(CONFIG, **changes))


@pytest.mark.parametrize("max_s", [2, float("inf")])
def test_limits_may_be_equal_and_there_may_be_none(max_s: float) -> None:
    check(replace(CONFIG, max_s=max_s, borders=Borders(0, 1), merge=Merge(0, 0, 0)))


def test_a_bad_limit_is_refused_before_anything_is_submitted(analyzed: Step) -> None:
    done = command("stages.split", "run=r", f"runs={analyzed.run.parent}", "min_s=9", "max_s=3")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: min_s=9.0 max_s=3.0: say 0 <= min_s <= max_s, and a max_s above 0\n"
    assert sorted(path.name for path in analyzed.run.iterdir()) == ["analyze", "tables"]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three textured scenes, 320x180: a cut before frame 50, a dissolve from 100 to 125, 175 frames.

    25 frames a second at first, then ever fewer: each is shown 0.2 ms longer than the one before.
    """
    layer = (
        "color=gray:s=60x36:r=25:d=3,noise=alls=100:all_seed={},format=gray,trim=end_frame=1,loop=-1:1,setpts=N/25/TB,"
        "trim=end_frame={},scale=640x360:flags=bicubic,eq=contrast=2,crop=600:340:x=n/{}:y=4,scale=320:180,fps=25,"
        "setsar=1,format=yuv420p"
    )
    scenes = [layer.format(*scene) for scene in ((7, 50, 3), (11, 75, 8), (5, 75, 4))]
    chains = ";".join(f"{scene}[s{n}]" for n, scene in enumerate(scenes))
    joined = "[s1][s2]xfade=fade:duration=1:offset=2,setpts=N/25/TB[late];[s0][late]concat=n=2"
    slower = "settb=1/1000000,setpts='N*40000+N*N*100'"
    out = tmp_path_factory.mktemp("film") / "film.mp4"
    picture = ["-f", "lavfi", "-i", f"{chains};{joined},{slower}"]
    timed = ["-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-video_track_timescale", "90000"]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", *picture, *timed, str(out)], check=True)
    return out


def measured(film: Path, cut: float, gradual: float) -> dict[str, pl.DataFrame]:
    made: Any = analyze_video({"video_id": "v", "path": str(film), "url": None}, settings(cut, gradual))
    tables = {name: [{"video_id": "v", **row} for row in made[name]] for name in ("rows", *SIDES)}
    return {name: pl.DataFrame(tables[name], schema=schema) for name, schema in {"rows": VIDEO, **SIDES}.items()}


def shown_s(film: Path) -> list[float]:
    """When each frame that is shown begins."""
    with av.open(str(film)) as container:
        packets = [one for one in container.demux(video=0) if one.pts is not None and not one.is_discard]
        return sorted(float(packet.pts * packet.time_base) for packet in packets)  # type: ignore[operator]


def test_clips_of_a_real_video_begin_and_end_when_their_frames_are_shown(film: Path) -> None:
    shown = shown_s(film)
    tables = measured(film, 0.5, 0.5)
    assert len(tables["times"]) == 1
    made = make_clips(tables["rows"], tables, replace(CONFIG, min_s=0, max_s=1.5, margin_frames=Margin(4, 4)))
    assert len(made) >= 5
    assert made["start_frame"][0] == 0 and made["end_frame"][-1] == 175
    for clip in made.iter_rows(named=True):
        assert clip["start_s"] == pytest.approx(shown[clip["start_frame"]], abs=1e-5)
        if clip["end_frame"] < 175:
            assert clip["end_s"] == pytest.approx(shown[clip["end_frame"]], abs=1e-5)
    foreign = {*range(46, 54), *range(100, 125)}
    assert not foreign & {n for first, end in made.select("start_frame", "end_frame").rows() for n in range(first, end)}


@pytest.mark.parametrize(("cut", "gradual"), [(0.5, 0.5), (0.2, 0.9), (0.95, 0.3), (1, 1)])
def test_thresholds_taken_from_the_changes_give_the_shots_that_analyze_gives(
    film: Path, cut: float, gradual: float
) -> None:
    tables = measured(film, cut, gradual)
    columns = ["start_frame", "end_frame", "start_s", "end_s"]
    for borders in (Borders(None, None), Borders(cut, gradual)):
        made = make_clips(tables["rows"], tables, replace(CONFIG, min_s=0, max_s=1e9, borders=borders))
        assert made.select(columns).equals(tables["shots"].select(columns))


def test_clips_are_on_their_frames_where_the_first_of_the_file_are_not_shown(film: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun.mp4"  # copied from within a group of pictures: an edit list leaves out what is before
    subprocess.run(
        [ffmpeg_path(), "-nostdin", "-v", "error", "-ss", "0.9", "-i", str(film), "-c", "copy", str(begun)], check=True
    )
    shown, tables = shown_s(begun), measured(begun, 0.5, 0.5)
    assert tables["rows"]["stored_frames"][0] > len(shown) + 5
    assert (tables["rows"]["frames"][0], tables["shots"]["start_frame"][0]) == (len(shown), 0)
    assert shown[0] == pytest.approx(tables["shots"]["start_s"][0], abs=1e-5)
    made = make_clips(tables["rows"], tables, replace(CONFIG, min_s=0, max_s=1.5))
    assert len(made) >= 5
    for start_frame, start_s in made.select("start_frame", "start_s").iter_rows():
        assert start_s == pytest.approx(shown[start_frame], abs=1e-5)


def test_an_hour_between_two_frames_is_kept(film: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.mkv"
    jump = ["-vf", "setpts='if(lt(N,60),N/25,N/25+3600)/TB'", "-fps_mode", "passthrough", "-enc_time_base", "1:1000"]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", "-i", str(film), *jump, str(gone)], check=True)
    tables = measured(gone, 0.5, 0.5)
    assert tables["rows"]["duration_s"][0] == pytest.approx(3607, abs=0.01)
    assert max(tables["times"]["steps_us"][0]) == pytest.approx(3600.04e6, abs=2e3)
    made = make_clips(tables["rows"], tables, replace(CONFIG, min_s=0, max_s=1.5))
    assert made["start_frame"][0] == 0
    assert (made["start_s"][1:] >= made["end_s"][:-1] - 0.001).all()
    assert sorted(made["duration_s"])[-2] < 2  # only the frame before the jump is shown for longer
