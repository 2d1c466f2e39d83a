"""Videos that lie in a store of their own: a folder that several runs share, or an object store."""

from pathlib import Path

import pytest
from support.removed import FILMS, go, make_films, write_list
from support.s3 import S3

from scripts.opt_out import main
from slurm.errors import InputError
from slurm.record.manifest import Step

GONE = FILMS[1]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_films(tmp_path_factory.mktemp("films"))


def fetch(place: Path, films: Path, root: str) -> Path:
    place.mkdir(exist_ok=True)
    write_list(films, place / "list.parquet")
    assert go(place, "download", f"store.root={root}") == 0
    return place / "runs" / "r"


def test_objects_of_a_video_are_removed_and_the_others_searched(
    tmp_path: Path, films: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with S3() as s3:
        run = fetch(tmp_path, films, f"s3://{s3.bucket}/store")
        before = s3.names()
        mine = [name for name in before if GONE in name]
        assert [name.rpartition(".")[2] for name in mine] == ["json", "mp4"]
        s3.put("store/0/notes.txt", f"see {FILMS[2]}".encode())
        assert main(["run=r", f"runs={run.parent}", f"ids={GONE}"]) == 0
        assert s3.names() == sorted({*before, "store/0/notes.txt"} - {*mine})
        assert main(["run=r", f"runs={run.parent}", f"ids={FILMS[2]}"]) == 1
        said = capsys.readouterr().out
        assert f"s3://{s3.bucket}/store/0/notes.txt: bytes: mentions {FILMS[2]}" in said


def test_a_store_that_cannot_be_reached_stops_it_before_anything_is_changed(
    tmp_path: Path, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3() as s3:
        run = fetch(tmp_path, films, f"s3://{s3.bucket}/store")
        s3.client.delete_objects(Bucket=s3.bucket, Delete={"Objects": [{"Key": name} for name in s3.names()]})
        s3.client.delete_bucket(Bucket=s3.bucket)
        with pytest.raises(InputError, match="cannot be reached, so nothing was changed"):
            main(["run=r", f"runs={run.parent}", f"ids={GONE}"])
    assert Step(run, "download").all_done()[0].rows_out == len(FILMS) + 1
    assert not (run / "removals").exists()


def test_a_folder_that_runs_share_loses_the_file_and_keeps_what_is_called_alike(tmp_path: Path, films: Path) -> None:
    store = tmp_path / "store"
    run = fetch(tmp_path / "one", films, str(store))
    fetch(tmp_path / "two", films, str(store))
    (folder,) = store.iterdir()
    (mine,) = folder.glob(f"*/{GONE}.mp4")
    alike = mine.with_name(f"{GONE}.2.mp4")
    alike.write_bytes(b"another video")
    half = folder / ".partial" / GONE / "host.1"
    half.mkdir(parents=True)
    (half / "video.part").write_bytes(b"half of it")
    assert main(["run=r", f"runs={run.parent}", f"ids={GONE}", "proof=false"]) == 0
    assert sorted(path.name for path in folder.rglob(f"{GONE}*")) == [alike.name]
    assert (films / f"{GONE}.mp4").exists()  # it is not the run's own
    assert len(list(folder.glob("*/*.json"))) == len(FILMS)
