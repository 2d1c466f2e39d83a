"""Video and audio streams merged into one file."""

import os
from pathlib import Path

import pytest

from slurm.errors import ItemError
from stages.core.fetch.sites.merging import merge_streams


def code(streams: list[Path], name: Path) -> str:
    with pytest.raises(ItemError) as caught:
        merge_streams(streams, name, "mp4")
    assert [path for path in name.parent.iterdir() if not path.name.startswith("unfinished-")] == []
    return caught.value.code


def test_a_full_disk_is_no_fault_of_the_video(film: Path, tmp_path: Path) -> None:
    (tmp_path / f"unfinished-{os.getpid()}-made.mp4").symlink_to("/dev/full")
    assert code([film / "h264_72.mp4", film / "aac.m4a"], tmp_path / "made") == "disk"


def test_a_torn_stream_gives_no_file(film: Path, tmp_path: Path) -> None:
    torn = tmp_path / "unfinished-torn"
    for name in ("h264_72.mp4", "vp9_144.webm", "h264+aac_72.mkv"):
        torn.write_bytes((film / name).read_bytes()[:-3000])
        assert code([torn, film / "aac.m4a"], tmp_path / "made") == "corrupt"


def test_without_a_picture_there_is_no_video(film: Path, tmp_path: Path) -> None:
    assert code([film / "aac.m4a"], tmp_path / "made") == "no_video"


def test_a_file_that_names_others_is_not_followed(film: Path, tmp_path: Path) -> None:
    assert code([film / "hls.m3u8"], tmp_path / "made") == "corrupt"
