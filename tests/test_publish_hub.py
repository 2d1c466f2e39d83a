"""A dataset on the Hub: seen as a whole or not at all, whatever happens on the way; what is refused, and why."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from huggingface_hub import constants
from support.hub_repository import Repository
from support.hub_server import Fault, HubServer
from support.published import Published
from support.released import bytes_of
from support.runs import ROOT, command

from slurm.record.manifest import Step

REPO = "hub.repo=me/data"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return Published(tmp_path_factory.mktemp("published"), source="urls", videos=2)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


def shown(hub: HubServer, name: str = "me/data") -> dict[str, bytes]:
    """What a reader of the dataset sees."""
    return {path: content for path, content in hub.repositories[name].files().items() if path != ".gitattributes"}


def test_the_files_go_into_one_pull_request_and_are_seen_by_its_merge(made: Published, hub: HubServer) -> None:
    hub.part_bytes = 30_000  # so that files go in parts, too
    assert made.publish("up", REPO, "commits.files=4") == 0
    repo = hub.repositories["me/data"]
    assert repo.private
    assert shown(hub) == bytes_of(made.release("up"))
    (request,) = repo.requests
    assert request.status == "merged"
    on_main = [message for message in repo.messages if message.startswith("main")]
    assert on_main == ["main: initial commit", "main: Version 1.0.0 of r/up (#1)"]
    assert len([message for message in repo.messages if message.startswith("refs/pr/1")]) > 2
    assert b"README.md" not in b"".join(map(str.encode, repo.commits[repo.refs["refs/pr/1"][-2]]))
    assert any("/complete" in what for what in hub.asked)
    assert hub.asked[-3].endswith("/discussions/1/merge")
    row = made.row("up")
    assert (row["repository"], row["commit"]) == ("me/data", repo.refs["main"][-1])


FAULTS: list[tuple[str, Fault]] = [
    ("POST /api/repos/create", 500),
    ("POST /api/datasets/me/data/discussions$", 503),
    ("POST /api/datasets/me/data/preupload", 429),
    ("POST /datasets/me/data.git/info/lfs", 500),
    ("PUT /lfs/", "cut"),
    ("PUT /lfs/", 429),
    ("POST /api/datasets/me/data/commit", 502),
    ("GET /api/datasets/me/data/tree", 500),
    ("POST /api/datasets/me/data/discussions/1/status", 500),
    ("POST /api/datasets/me/data/discussions/1/merge", 503),
]


def test_what_fails_once_is_tried_again(made: Published, hub: HubServer) -> None:
    hub.faults = list(FAULTS)
    assert made.publish("busy", REPO) == 0
    assert hub.faults == []
    assert shown(hub) == bytes_of(made.release("busy"))
    assert [request.status for request in hub.repositories["me/data"].requests] == ["merged"]


def test_a_commit_or_merge_whose_answer_is_lost_is_not_made_twice(made: Published, hub: HubServer) -> None:
    lost = ("commit/", "discussions$", "/merge$", "status$")
    hub.lost = [f"POST /api/datasets/me/data/.*{end}" if "$" not in end else f"POST .*{end}" for end in lost]
    assert made.publish("lost", REPO) == 0
    assert hub.lost == []
    repo = hub.repositories["me/data"]
    assert [request.status for request in repo.requests] == ["merged"]
    assert len([message for message in repo.messages if message.startswith("main")]) == 2


@pytest.mark.parametrize("moment", ["PUT /lfs/", "POST .*/commit/", "GET .*/tree/main$"])
def test_whoever_is_killed_is_followed_by_the_same_command(made: Published, hub: HubServer, moment: str) -> None:
    """The last moment is that behind the merge, before anybody knows of it."""
    step = f"killed{len(moment)}"
    words = [sys.executable, "-m", "stages.publish", *made.command(step, REPO, "commits.files=4")]
    started: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        started[0].send_signal(signal.SIGKILL)
        started[0].wait()

    def arm() -> None:
        hub.faults.append((moment, kill))

    if "tree" in moment:
        hub.faults.append(("POST .*/merge$", arm))
    else:
        arm()
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        started.append(process)
        assert process.wait() == -signal.SIGKILL
    if not moment.endswith("$"):
        assert shown(hub) == {}
    assert made.publish(step, REPO, "commits.files=4") == 0
    repo = hub.repositories["me/data"]
    assert shown(hub) == bytes_of(made.release(step))
    assert [request.status for request in repo.requests] == ["merged"]
    assert len(hub.stored) - len(set(hub.stored)) <= 4  # of the commit that was under way
    assert len([message for message in repo.messages if message.startswith("main")]) == 2
    assert Step(made.run, step).complete()


def test_a_version_more_sends_only_what_is_new(made: Published, hub: HubServer, tmp_path: Path) -> None:
    run = made.copy(tmp_path / "copy")
    assert run.publish("publish", REPO) == 0
    hub.repositories["me/data"].add("main", {**hub.repositories["me/data"].files(), "NOTES.md": b"mine"}, "by hand")
    before = list(hub.stored)
    where = ["format=folder", "format.where=original_video_filename != 'v1.mp4'", "overwrite=[package]"]
    run.words = [word for word in run.words if not word.startswith("shard_gb")]
    run.pack(*where)
    more = ["overwrite=[publish]", "version.name=1.1.0", "version.change=One less.", "hub.squash=true"]
    assert run.publish("publish", REPO, *more) == 0
    assert {**bytes_of(run.release()), "NOTES.md": b"mine"} == shown(hub)
    sample = {name for name in shown(hub) if name.startswith("sample/")}
    assert len(hub.stored) - len(before) <= len(shown(hub)) - len(sample)
    assert (run.row()["rows_added"], run.row()["rows_removed"]) == (0, 1)
    assert len(hub.repositories["me/data"].refs["main"]) == 1
    assert "Older revisions of this repository were squashed" in run.card()


def test_the_same_dataset_again_changes_nothing(made: Published, hub: HubServer) -> None:
    assert made.publish("first", REPO) == 0
    commits = len(hub.repositories["me/data"].messages)
    assert made.publish("first", REPO, "overwrite=[first]") == 0
    assert len(hub.repositories["me/data"].messages) == commits


def test_a_dataset_that_was_changed_meanwhile_is_not_merged_over(made: Published, hub: HubServer) -> None:
    def change() -> None:
        repo = hub.repositories["me/data"]
        repo.add("main", {**repo.files(), "README.md": b"other"}, "by hand")

    hub.faults = [("POST /api/datasets/me/data/commit", change)]
    assert made.publish("race", REPO) == 1
    assert "was changed since pull request 1 was opened" in made.failure("race")
    assert shown(hub) == {"README.md": b"other"}


OTHERS = {
    "holds what publish has not written: README.md, train.csv": {"README.md": b"# Mine", "train.csv": b"a\n1\n"},
    "has none of these rows, and 2 others": None,
}


@pytest.mark.parametrize("words", OTHERS)
def test_another_dataset_in_the_repository_stays(made: Published, hub: HubServer, words: str) -> None:
    hub.repositories["me/data"] = repo = Repository(private=True)
    files = OTHERS[words]
    if files is None:
        table = pl.DataFrame({"config": ["default"] * 2, "id": ["x", "y"]})
        said = '[{"version":"1","date":"","change":"","rows":2,"added":2,"removed":0}]'
        files = {"attribution.parquet": table.write_parquet(path := made.folder / "x.parquet") or path.read_bytes()}
        files |= {"revisions.json": said.encode()}
    repo.add("main", files, "by hand")
    assert made.publish("other", REPO, "overwrite=[other]") == 1
    assert words in made.failure("other")
    assert "hub.replace=true" in made.failure("other")
    assert (shown(hub), repo.requests) == (files, [])
    assert made.publish("other", REPO, "hub.replace=true", "overwrite=[other]") == 0
    assert shown(hub) == bytes_of(made.release("other"))


def test_a_public_dataset_is_not_taken_for_a_private_one(made: Published, hub: HubServer) -> None:
    hub.repositories["me/data"] = Repository(private=False)
    assert made.publish("public", REPO) == 1
    assert "is there and public, and hub.private=true" in made.failure("public")
    assert made.publish("public", REPO, "hub.private=false", "overwrite=[public]") == 0


REFUSED: dict[str, tuple[str, object]] = {  # what is said → what is set
    "there is no token of the Hub: say `hf auth login`, or set HF_TOKEN": ("HF_TOKEN", ""),
    "does not know the token": ("HF_TOKEN", "hf_old"),
    "HF_HUB_OFFLINE=1 forbids to ask the Hub": ("HF_HUB_OFFLINE", True),
    "the token may not write there (You don't have the rights": ("", None),
}


@pytest.mark.parametrize("words", REFUSED)
def test_why_nothing_was_uploaded_is_said(
    made: Published, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    name, value = REFUSED[words]
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))  # read when the library was loaded …
    if isinstance(value, str):
        monkeypatch.setenv(name, value)
    elif name:
        monkeypatch.setattr(constants, name, value)  # … as this was
    step = f"refused{len(words)}"
    assert made.publish(step, "hub.repo=me/data" if name else "hub.repo=others/data") == 1
    assert words in made.failure(step)
    assert hub.stored == []


def test_without_a_net_the_command_says_so_and_goes_on_later(made: Published, hub: HubServer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        assert [made.publish("later", REPO) for _ in range(3)] == [1, 1, 1]
        failed = command("stages.publish", *made.command("later", REPO))
    assert failed.returncode == 1
    assert "http://127.0.0.1:9 cannot be reached from here" in failed.stdout
    assert "the same command goes on where it was" in failed.stdout
    assert made.publish("later", REPO) == 0
    assert shown(hub) == bytes_of(made.release("later"))


def test_a_token_is_in_no_file_of_the_run(made: Published, hub: HubServer) -> None:
    assert made.publish("secret", REPO) == 0
    assert not [name for name, content in bytes_of(made.run / "secret").items() if b"hf_test" in content]
