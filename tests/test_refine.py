"""What is said of the parts of a clip becomes one text; answers that speak of frames are asked for again, then fail."""

from pathlib import Path

import polars as pl
import pytest
from support.described import FINE, asking, made_run, run_stage
from support.pools import model_server
from support.runs import command
from support.steps import finish, made_step

from slurm.errors import InputError
from slurm.pool.wire import Reply
from stages.core.command_line.points import points_of
from stages.core.command_line.words import read_line
from stages.core.text.caption.form import Judged
from stages.core.text.verdict import RejectedError, read_phrases
from stages.refine import check, read_refined

CONF = Path(__file__).parents[1] / "conf" / "prompt"
TALK = read_phrases(CONF / "frame_talk.txt", "frame_talk")
JUDGED = Judged("en", read_phrases(CONF / "refusals.txt"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose clips have raw captions, one of them none."""
    place = made_run(tmp_path / "r", {"a": "/none/a.mp4"}, [(f"c{n}", "a", 0.0, 2.0) for n in range(3)])
    step = made_step(
        place, "caption", stage="caption", n=1, inputs=["split"], aligned=True, keys=["clip_id", "video_id"],
        gives=dict.fromkeys(("clip_id", "video_id", "raw_caption", *FINE), "String"),
    )  # fmt: skip
    said = ["Caption 1: a dog runs Caption 2: it rests-0", "a dog sleeps-1", " "]
    rows = pl.DataFrame({"clip_id": ["c0", "c1", "c2"], "video_id": ["a"] * 3, "raw_caption": said})
    finish(step, 0, rows.with_columns(**{name: pl.lit(None, pl.String) for name in FINE}))
    return place


def test_each_row_has_its_text_and_what_it_cost(tmp_path: Path, run: Path) -> None:
    with model_server("--strict") as server:
        rows = run_stage("refine", run, *asking(server, "language=null"))
        assert server.ask("/seen")["malformed"] == 0
    assert {key: (row["refined_caption"], row["error"]) for key, row in rows.items()} == {
        "c0": ("rests-0", None), "c1": ("sleeps-1", None), "c2": (None, "no_words")
    }  # fmt: skip
    first = rows["c0"]
    assert (first["refine_model"], first["refine_revision"], first["refine_tries"]) == ("test/model", "abc", 1)
    assert int(str(first["refine_tokens_in"])) > 5
    assert len(str(first["refine_prompt"])) == 16


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The first frame shows a dog that runs along the beach.", "schema"),
        ("A dog runs. In Caption 2 it rests beside the fire.", "schema"),
        ("I cannot describe this clip, since I see no captions.", "refused"),
        (
            "A dog runs along the beach and then rests by a fire. " * 1 + "It is brown and small and quick. " * 3,
            "schema",
        ),
    ],
)
def test_a_text_about_frames_or_of_too_many_words_is_not_accepted(text: str, code: str) -> None:
    with pytest.raises(RejectedError) as rejected:
        read_refined(Reply(text, "end", 1, 1, None), JUDGED, 15, TALK)
    assert rejected.value.code == code
    good = "A brown dog runs along the beach,\nthen rests by a fire."
    assert read_refined(Reply(good, "end", 1, 1, None), JUDGED, 15, TALK) == {
        "refined_caption": "A brown dog runs along the beach, then rests by a fire."
    }


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("template={folder}/bad.j2", "names 'title', which is not there"),
        ("frame_talk={folder}/none.txt", "frame_talk=.*none.txt cannot be read"),
    ],
)
def test_what_can_be_told_before_submission(tmp_path: Path, word: str, told: str) -> None:
    (tmp_path / "bad.j2").write_text("a\n-----\n{{ text }}{{ title }}")
    words = ["run=r", f"runs={tmp_path}", "after=[]", word.format(folder=tmp_path)]
    step = points_of(read_line(words, "stages.refine"))[0].order[-1]
    with pytest.raises(InputError, match=told):
        check(step.config)


def test_a_column_without_texts_and_an_unreadable_file_are_told_with_their_key(run: Path) -> None:
    for word, said in {
        "column=start_s": "column=start_s holds Float64, and no texts: name a column of texts",
        "refusals=/none.txt": "refusals=/none.txt cannot be read",
        "language=xx": "language=xx is no code by which answers can be judged",
    }.items():
        done = command("stages.refine", "run=r", f"runs={run.parent}", "after=caption", word)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_run_without_captions_is_told_what_to_do(run: Path) -> None:
    done = command("stages.refine", "run=r", f"runs={run.parent}", "after=split")
    assert done.returncode == 2
    assert "let caption come before it, or name another text: column=NAME" in done.stderr
