"""Clips in words: every clip gets the answers to its own parts, whatever the servers do; bad ones fail with a class."""

from pathlib import Path

import polars as pl
import pytest
from support.described import asking, made_run, run_stage, table
from support.numbered import X264, Films
from support.pools import model_server
from support.runs import command
from support.steps import finish, made_step

from slurm.errors import InputError
from stages.caption import STAGE, check
from stages.core.command_line.points import points_of
from stages.core.command_line.words import read_line
from stages.core.schema.text import DEFECTS, DETAILS
from stages.core.video.measure.key_frames import encode_jpeg

PLAIN = "Describe it.\n-----\n{{ pictures }} pictures, part {{ part }} of {{ parts }}: {{ id }}-{{ part }}\n"
OBJECT = "Describe it: {{ details }} {{ defects }} {{ kinds }}\n-----\n{{ facts }} {{ id }}-{{ part }}\n"
CLIPS = [
    ("c0", "a", 0.0, 2.0), ("c1", "a", 0.0, 5.9), ("c2", "b", 1.0, 1.08), ("c3", "gone", 0.0, 2.0),
    ("c4", "url", 0.0, 2.0), ("c5", "a", 3.0, 2.0), ("c6", "b", 50.0, 52.0),
]  # fmt: skip


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Films(tmp_path_factory.mktemp("films"))("a.mp4", "-g", "40", *X264, "-bf", "2")


@pytest.fixture
def run(tmp_path: Path, film: Path) -> Path:
    films = {"a": str(film), "b": str(film), "gone": "/none/gone.mp4", "url": None}
    return made_run(tmp_path / "r", films, CLIPS)


def template(folder: Path, text: str) -> str:
    (folder / "asked.j2").write_text(text)
    return f"template={folder}/asked.j2"


def test_every_clip_is_described_in_parts_and_bad_ones_fail_with_their_class(tmp_path: Path, run: Path) -> None:
    with model_server("--strict") as server:
        words = asking(
            server, template(tmp_path, PLAIN), "facts.id=clip_id", "part_s=2", "language=null", "after=split"
        )
        rows = run_stage("caption", run, *words)
        seen = server.ask("/seen")
    errors = {key: row["error"] for key, row in rows.items() if row["error"]}
    assert errors == {"c3": "missing", "c4": "not_downloaded", "c5": "bad_value", "c6": "no_frames"}
    assert rows["c0"]["raw_caption"] == rows["c0"]["caption_detailed"] == "c0-1"
    assert rows["c1"]["raw_caption"] == "Caption 1: c1-1 Caption 2: c1-2 Caption 3: c1-3"
    assert (rows["c1"]["caption_parts"], rows["c1"]["caption_tries"]) == (3, 3)
    assert (rows["c0"]["caption_model"], rows["c0"]["caption_revision"]) == ("test/model", "abc")
    assert len(str(rows["c0"]["caption_prompt"])) == 16
    assert (rows["c1"]["caption_tokens_in"], rows["c1"]["caption_tokens_out"]) == (3 * 7, 3)
    assert 0 < float(str(rows["c0"]["caption_s"])) < 300
    parts = table(run, "caption", "caption_parts").sort("clip_id", "part")
    assert parts["clip_id"].to_list() == ["c0", "c1", "c1", "c1", "c2"]
    assert parts["times_s"].list.len().to_list() == [6, 6, 6, 6, 2], "a clip of two frames shows two"
    inside = parts.select(
        (pl.col("times_s").list.min() >= pl.col("start_s") - 0.001) & (pl.col("times_s").list.max() < pl.col("end_s"))
    )
    assert inside.to_series().all()
    assert (seen["requests"], seen["pictures"], seen["malformed"]) == (1 + 5, 1 + 26, 0), (
        "one of each as the server is registered"
    )


def test_texts_defects_and_kind_come_in_one_request_that_tgi_takes(tmp_path: Path, run: Path) -> None:
    with model_server("--strict") as server:
        asked = [
            "inspect=true",
            "details.short=20",
            "frames.grid=[2,3]",
            "facts.id=clip_id",
            "facts.camera=camera_move",
        ]
        words = asking(server, template(tmp_path, OBJECT), *asked, "language=null", "after=split")
        rows = run_stage("caption", run, *words)
        seen = server.ask("/seen")
    assert rows["c0"]["caption_short"] == rows["c0"]["caption_detailed"] == "c0-1"
    assert [rows["c0"][f"caption_{name}"] for name in DETAILS[2:]] == [None] * 3
    assert [rows["c0"][name] for name in DEFECTS] == [False] * 14
    assert rows["c0"]["kind"] == "interview"
    assert (seen["requests"], seen["pictures"], seen["malformed"]) == (1 + 3, 1 + 3, 0)
    done = command(
        "stages.filter", "run=r", f"runs={tmp_path}", "after=caption", "rules=[]", "cluster.executor=debug",
        "rules.still={column: hardly_moves, equals: false}", "rules.kind={in: [interview]}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert table(run, "filter")["drop_reason"].is_null().sum() == 3


def test_the_prompts_of_the_house_are_taken_by_tgi_and_say_what_is_known(run: Path) -> None:
    with model_server("--strict") as server:
        words = asking(server, "facts.camera=camera_move", "inspect=true", "details.motion=30", "language=null")
        rows = run_stage("caption", run, *words, "after=split")
        seen = server.ask("/seen")
    assert rows["c0"]["caption_motion"] == "pan_left", "the last word of the prompt"
    assert seen["malformed"] == 0


def test_whole_videos_are_described_where_there_are_no_clips(tmp_path: Path, run: Path) -> None:
    with model_server("--strict") as server:
        words = asking(server, template(tmp_path, PLAIN), "facts.id=title", "part_s=2", "language=null", "after=ingest")
        rows = run_stage("caption", run, *words)
    assert {key: row["error"] for key, row in rows.items()} == {
        "a": None, "b": None, "gone": "missing", "url": "not_downloaded"
    }  # fmt: skip
    assert rows["a"]["raw_caption"] == " ".join(f"Caption {n}: title-of-a-{n}" for n in range(1, 4))


def test_key_frames_are_shown_without_a_video(tmp_path: Path, run: Path) -> None:
    import numpy as np

    gives = dict.fromkeys(("video_id", "error", "error_detail"), "String")
    frame = {"video_id": "String", "shot": "Int64", "time_s": "Float64", "jpeg": "Binary"}
    step = made_step(
        run, "analyze", stage="analyze", n=1, inputs=["ingest"], aligned=True, keys=["video_id"], gives=gives,
        tables={"key_frames": frame},
    )  # fmt: skip
    jpeg = encode_jpeg(np.zeros((90, 160, 3), np.uint8), 85)
    kept = pl.DataFrame(
        {"video_id": ["gone"] * 9, "shot": [0] * 9, "time_s": [n / 2 for n in range(9)], "jpeg": [jpeg] * 9}
    )
    rows = pl.DataFrame({"video_id": ["gone", "url"]}).with_columns(
        error=pl.lit(None, pl.String), error_detail=pl.lit(None, pl.String)
    )
    finish(step, 0, rows, key_frames=kept)
    with model_server("--strict") as server:
        words = asking(
            server, template(tmp_path, PLAIN), "facts.id=title", "part_s=2.1", "language=null", "after=analyze"
        )
        found = run_stage("caption", run, *words, "frames.source=key", "frames.most=3")
        seen = server.ask("/seen")
    assert found["gone"]["raw_caption"] == "Caption 1: title-of-gone-1 Caption 2: title-of-gone-2"
    assert found["url"]["error"] == "no_frames"
    assert table(run, "caption", "caption_parts").sort("part")["times_s"].to_list() == [
        [0.0, 1.0, 2.0],
        [2.5, 3.5, 4.0],
    ]
    assert seen["pictures"] == 1 + 6


@pytest.mark.slow
def test_answers_that_are_swapped_late_or_dropped_all_come_home(tmp_path: Path, film: Path) -> None:
    clips = [(f"c{n:03d}", "a", n % 40 / 10, n % 40 / 10 + 1.8) for n in range(60)]
    run = made_run(tmp_path / "r", {"a": str(film)}, clips)
    with model_server("--fault", "mixed") as server:
        words = asking(
            server, template(tmp_path, PLAIN), "facts.id=clip_id", "part_s=1", "language=null", "after=split"
        )
        rows = run_stage("caption", run, *words, "frames.most=1", "pool.timeout_s=20")
    assert {key: row["error_detail"] for key, row in rows.items() if row["error"]} == {}
    assert {key: row["raw_caption"] for key, row in rows.items()} == {
        key: f"Caption 1: {key}-1 Caption 2: {key}-2" for key, *_ in clips
    }


def test_an_answer_beyond_the_limit_fails_as_such(tmp_path: Path, run: Path) -> None:
    with model_server("--fault", "cut") as server:
        words = asking(server, template(tmp_path, PLAIN), "facts.id=clip_id", "language=null", "after=split")
        rows = run_stage("caption", run, *words)
    assert {rows[key]["error"] for key in ("c0", "c1", "c2")} == {"truncated"}


def test_a_part_that_no_server_takes_costs_its_clip_alone(tmp_path: Path, run: Path) -> None:
    failing = PLAIN.replace("{{ id }}", "{% if id == 'c1' and part == 2 %}too-long{% endif %} {{ id }}")
    with model_server() as server:
        words = asking(server, template(tmp_path, failing), "facts.id=clip_id", "language=null", "part_s=2")
        rows = run_stage("caption", run, *words, "after=split")
    assert {key: rows[key]["error"] for key in ("c0", "c1", "c2")} == {"c0": None, "c1": "prompt_refused", "c2": None}


REFUSED = {
    "pool=text": "pool=vision, or pool.images=true if pool.model=",
    "template={folder}/bad.j2": "names 'colour', which is not there; .* facts={NAME: COLUMN}",
    "frames.side_px=4096": "pool.payload_bytes=33554432: take fewer or smaller ones",
    "pool.payload_bytes=1000000": "frames.most=6 pictures of frames.side_px=512 may take",
    "frames.grid=[1,2]": r"frames.grid=\[1, 2\] has no room for frames.most=6",
    "language=english": "language=english is no code by which answers can be judged: say an ISO 639 code",
    "details.detailed=null": "say what is to be described",
    "facts.parts=camera_move": "facts.parts: prompts have something else",
    "kinds={folder}/none.yaml inspect=true": "kinds=.*none.yaml cannot be read",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_can_be_told_before_submission_names_the_key_that_mends_it(tmp_path: Path, words: str) -> None:
    (tmp_path / "bad.j2").write_text("a\n-----\n{% if facts.none %}{{ colour }}{% endif %}")
    given = [word.format(folder=tmp_path) for word in words.split()]
    step = points_of(read_line(["run=r", f"runs={tmp_path}", "after=[]", *given], "stages.caption"))[0].order[-1]
    with pytest.raises(InputError, match=REFUSED[words]):
        check(step.config)


def test_a_fact_that_no_step_gives_is_told_with_its_key(tmp_path: Path, run: Path) -> None:
    done = command("stages.caption", "run=r", f"runs={tmp_path}", "after=split", "facts.where=place")
    assert (done.returncode, "(facts.where) needs 'place'" in done.stderr) == (2, True), done.stderr


def test_tgi_gets_a_model_that_it_serves_at_a_pinned_revision() -> None:
    def pool(*words: str) -> tuple[str, str | None]:
        step = points_of(read_line(["run=r", "after=[]", *words], "stages.caption"))[0].order[-1]
        assert step.stage is STAGE or step.stage.name == "caption"
        return step.config.pool.model, step.config.pool.revision

    model, revision = pool("engine=tgi")
    assert (model, len(str(revision))) == ("Qwen/Qwen2.5-VL-7B-Instruct", 40)
    assert pool("engine=tgi", "pool.model=org/other") == ("org/other", None), "the revision is that model's alone"
    assert pool() == ("HuggingFaceTB/SmolVLM2-500M-Video-Instruct", None)
    assert pool("engine=vllm")[0] == "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
