"""Videos are told by servers that answer as models do: in two steps or one, in parts, whatever goes wrong."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.annotated import ERRORS, analyzed, annotate, rows_of, told, words
from support.annotator import started
from support.numbered import FPS, X264, Films, grays, number
from support.runs import command
from support.steps import made_step

from slurm.pool.engine import Remote
from slurm.record.manifest import Step
from stages.core.command_line.command import command as start
from stages.core.schema.annotation import ANNOTATED
from stages.core.text.annotation.check import Stretch, check_content
from stages.core.text.annotation.metadata import ContentMetadata
from stages.core.video.measure.key_frames import encode_jpeg
from stages.core.video.sample.pictures import open_picture as to_array

LONG_S = 3 * 3600.0


def content_of(row: dict[str, Any], duration_s: float) -> ContentMetadata:
    """Its annotation, which must not contradict itself."""
    content = ContentMetadata.model_validate_json(row["content_metadata"])
    check_content(content, Stretch(0.0, duration_s, 25.0))
    assert {name for scene in content.scenes for name in scene.cast} <= {one.name for one in content.characterList}
    assert [scene.sceneId for scene in content.scenes] == list(range(1, len(content.scenes) + 1))
    assert [each.characterId for each in content.characterList] == [
        str(n) for n in range(1, len(content.characterList) + 1)
    ]
    return content


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Remote]:
    with started("--tell", f"{tmp_path}/told") as remote:
        yield remote


def test_in_two_steps_a_description_becomes_an_annotation_that_align_takes(tmp_path: Path, server: Remote) -> None:
    analyzed(tmp_path / "r", {"v0": 40.0, "long": LONG_S})
    described = annotate(tmp_path, server, "method=describe", step="describe")
    assert {key: (row["error"], row["content_metadata"], row["parts"]) for key, row in described.items()} == {
        "v0": (None, None, 1),
        "long": (None, None, 36),
    }
    asked = told(tmp_path)
    assert len(asked) == 37
    assert max(one["pictures"] for one in asked) == 16
    short = next(one for one in asked if "Film v0" in one["said"])
    assert short["pictures"] == 4
    for said in ("00:00:05.000, 00:00:15.000", "00:00:10.000 Satz 1", "language: de", "motion 0.25, speech 0%", "100%"):
        assert said in short["said"], said
    found = annotate(tmp_path, server, "method=structure", "after=describe", "pool=text")
    long = content_of(found["long"], LONG_S)
    assert (len(long.scenes), found["long"]["parts"]) == (72, 36)
    assert [character.name for character in long.characterList][:2] == ["Worker", "Guest of 00:00:00.000"]
    assert len(long.characterList) == 37, "who works in every part is one character"
    assert long.scenes[-1].cast == ["Worker", long.characterList[-1].name]
    assert long.storylines.scenes == list(range(1, 73))
    assert json.loads(found["v0"]["content_metadata"])["fps"] == 25.0
    assert found["v0"]["annotation_title"] == json.loads(found["v0"]["content_metadata"])["title"] == "About Film v0"
    assert described["v0"]["annotation_title"] is None
    assert "Film v0 shows a person at work" in described["v0"]["annotation_description"]
    assert (found["v0"]["annotation_by"], found["v0"]["tries"], found["long"]["tries"]) == ("structure", 1, 37)
    assert set(ANNOTATED) <= set(found["v0"])
    second = [one["said"] for one in told(tmp_path) if "part 2 of 36" in one["said"]]
    assert all("- Worker: " in said and "- Guest of 00:00:00" in said for said in second), "known from the part before"
    texts = Step(tmp_path / "r", "annotate").scan("tellings")
    assert texts is not None
    raw = texts.collect().filter(pl.col("video_id") == "long")
    assert raw["part"].to_list() == [*range(36), -1]
    assert json.loads(raw["text"][0])["scenes"][0]["cast"] == ["1", "Guest of 00:00:00.000"]
    done = command("stages.align", f"runs={tmp_path}", "run=r", "after=annotate")
    assert done.returncode == 0, done.stderr
    assert {key: row["error"] for key, row in rows_of(tmp_path, "align").items()} == {"v0": None, "long": None}


def shown(said: dict[str, Any]) -> list[tuple[float, int]]:
    """The time, and the number of the frame, of each picture that a prompt has, of a film of numbered frames."""
    times = re.findall(r"00:00:(\d\d\.\d{3})", said["said"].partition("in this order:")[2].partition("\n")[0])
    numbers = [number(to_array(base64.b64decode(jpeg)).mean(axis=2)) for jpeg in said["jpegs"]]
    return [(float(at_s), shows) for at_s, shows in zip(times, numbers, strict=True)]


@pytest.mark.parametrize("source", ["even", "key_frames"])
def test_a_model_is_shown_the_frames_of_each_part_decoded_or_kept(tmp_path: Path, server: Remote, source: str) -> None:
    film = Films(tmp_path)("film.mp4", *X264, "-g", "40", "-bf", "2")
    kept = [(at_s, encode_jpeg(np.repeat(gray[:, :, None], 3, 2), 90)) for at_s, gray in grays(film)[::8]]
    kept[3] = kept[3][0], b"torn"
    films = {"v0": film, "gone": tmp_path / "gone.mp4"}
    analyzed(tmp_path / "r", {"v0": 5.8, "gone": 5.8, "none": 5.8}, films, {"v0": kept, "gone": [], "none": []})
    words = ["method=describe", f"frames.source={source}", "frames.most=4", "frames.side_px=80", "part_s=3"]
    found = annotate(tmp_path, server, *words, "chunks.max_error_share=1")
    none = ["missing", "not_downloaded"] if source == "even" else ["no_frames"] * 2
    assert [found[key]["error"] for key in ("v0", "gone", "none")] == [None, *none]
    parts = [shown(said) for said in told(tmp_path)]
    middles_s = [[2.9 * part + 2.9 * (n + 0.5) / 4 for n in range(4)] for part in range(2)]
    if source == "even":  # the frame that a player shows then
        assert [[shows for _, shows in part] for part in parts] == [
            [int(at_s * FPS) for at_s in own] for own in middles_s
        ]
    else:  # four at even distances of ten and of nine, without the one that cannot be read
        assert [[shows for _, shows in part] for part in parts] == [[0, 48, 72], [80, 104, 120, 144]]
    assert all(at_s == pytest.approx(shows / FPS, abs=0.001) for part in parts for at_s, shows in part)
    sizes = {to_array(base64.b64decode(jpeg)).shape for said in told(tmp_path) for jpeg in said["jpegs"]}
    assert sizes == {(48, 80, 3)}


def test_where_every_fifth_answer_is_wrong_all_is_right_or_failed_with_its_class(
    tmp_path: Path,
) -> None:
    videos: dict[str, float | None] = {f"v{n}": 40.0 + 10 * n for n in range(80)}
    analyzed(tmp_path / "r", videos)
    with started("--fault-share", "0.2") as server:
        found = annotate(
            tmp_path, server, "method=direct", "pool.timeout_s=3", "chunks.max_error_share=1", "part_s=600"
        )
        assert server.ask("/seen")["malformed"] == 0
    assert found.keys() == videos.keys()
    failed = {row["error"] for row in found.values()} - {None}
    assert failed <= {"schema", "invalid_json", "truncated", "no_answer"}
    good = {key: row for key, row in found.items() if row["error"] is None}
    assert len(good) > 70
    for key, row in good.items():
        content = content_of(row, videos[key] or 0.0)
        assert content.title == f"About Film {key}", "at home"
    assert sum(row["tries"] for row in good.values()) > len(good), "some were asked for again"


def test_what_cannot_be_told_has_its_class(tmp_path: Path) -> None:
    analyzed(tmp_path / "r", {"v0": 40.0, "unseen": 40.0, "empty": None})
    with started("--most-characters", "900") as server:
        found = annotate(tmp_path, server, "chunks.max_error_share=1")
    assert {key: row["error"] for key, row in found.items()} == {
        "v0": "truncated",
        "unseen": "no_frames",
        "empty": "no_frames",
    }
    texts = Step(tmp_path / "r", "annotate").scan("tellings")
    assert texts is not None
    (kept,) = texts.collect().to_dicts()
    assert (kept["video_id"], kept["error"], kept["tries"], len(kept["text"])) == ("v0", "truncated", 3, 900)


@pytest.mark.parametrize("method", ["describe", "direct"])
def test_one_annotation_for_all_videos_stops_the_step_and_status_says_which(tmp_path: Path, method: str) -> None:
    analyzed(tmp_path / "r", {f"v{n}": 20.0 for n in range(150)})
    with started("--same") as server:
        words_of = words(tmp_path, server, f"method={method}", "chunks.size=200", "pool.in_flight=4")
        done = command("stages.annotate", *words_of, "alarms.min_rows=50")
    assert done.returncode == 1, done.stdout
    said = command("slurm", "status", f"runs={tmp_path}", "run=r").stdout
    column = "annotation_description" if method == "describe" else "annotation_title"
    assert f"100.00% of 50 texts in {column} are equal to many others, such as" in said
    assert "alarms.max_share.same=0.1" in said


def test_when_the_budget_is_spent_it_stops_and_goes_on_where_it_was_when_it_is_raised(
    tmp_path: Path, server: Remote
) -> None:
    analyzed(tmp_path / "r", {f"v{n}": 600.0 for n in range(12)})
    given = words(tmp_path, server, "pool.in_flight=2", "part_s=100", "budget.tokens=20000")
    stopped = command("stages.annotate", *given)
    assert stopped.returncode == 1, stopped.stderr
    assert "budget.tokens=20000 of run r is spent" in stopped.stdout
    assert "python -m slurm resume run=r budget.tokens=MORE" in stopped.stdout
    asked = len(told(tmp_path))
    status = command("slurm", "status", f"runs={tmp_path}", "run=r").stdout
    spent = int(status.partition("is spent (")[2].partition(" tokens")[0].replace(",", ""))
    assert 20000 <= spent < 20000 + 2 * 1500, "no more than was under way"
    attempts = sum(1 for _ in (tmp_path / "r" / "annotate" / "attempts").rglob("*.jsonl"))
    again = command("slurm", "resume", f"runs={tmp_path}", "run=r", "step=annotate")
    assert (again.returncode, len(told(tmp_path))) == (1, asked), "nothing more is asked"
    assert sum(1 for _ in (tmp_path / "r" / "annotate" / "attempts").rglob("*.jsonl")) == attempts, "nor begun"
    unpriced = command("slurm", "resume", f"runs={tmp_path}", "run=r", "step=annotate", "budget.money=9")
    assert (unpriced.returncode, "what test/model costs is not known" in unpriced.stderr) == (2, True)
    raised = command("slurm", "resume", f"runs={tmp_path}", "run=r", "step=annotate", "budget.tokens=10000000")
    assert raised.returncode == 0, raised.stdout + raised.stderr
    found = rows_of(tmp_path, "annotate")
    assert [row["error"] for row in found.values()] == [None] * 12
    assert len(told(tmp_path)) == 12 * 7, "what was answered before is not asked again"
    assert {row["tries"] for row in found.values()} == {7}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["method=two_step"], "python -m stages annotated run=NAME"),
        (["pool=text"], "pool.images=false: the model test/model takes no pictures"),
        (["engine=embedded", "engine.url=null", "pool.model={folder}"], "takes no pictures, by its config.json"),
        (["method=structure", "pool=text"], "say after= that step"),
        (["frames.most=2000"], "more than pool.payload_bytes=33554432"),
        (["after=bare"], "let analyze come before it: after=analyze"),
        (["language=klingon"], "language=klingon is no code by which answers can be judged"),
        (["frames.most=null"], "frames.most=null: say how many"),
        (["frames.side_px=8"], "frames.side_px=8 is below 16"),
        (["templates.direct={folder}/wrong.j2"], "names 'titel', which is not there; there are: channel, characters"),
        (["budget.tokens=0"], "budget.tokens: Input should be greater than 0"),
        (["budget.money=9"], "budget.money=9: what test/model costs is not known"),
        (["refusals={folder}/none.txt"], "none.txt cannot be read"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_asked(
    tmp_path: Path, given: list[str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    analyzed(tmp_path / "r", {"v0": 40.0})
    made_step(tmp_path / "r", "bare", stage="ingest", n=1, gives={"video_id": "String", **ERRORS})
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "wrong.j2").write_text("Watch.\n-----\n{% if title %}{{ titel }}{% endif %}")
    more = [word.replace("{folder}", str(tmp_path)) for word in given]
    monkeypatch.setattr("sys.argv", ["", *words(tmp_path, Remote("http://127.0.0.1:9", "", "here"), *more)])
    with pytest.raises(SystemExit) as ended:
        start("stages.annotate")
    said = capsys.readouterr().err
    assert (ended.value.code, named in said) == (2, True), said
    assert not (tmp_path / "r" / "annotate").exists()
