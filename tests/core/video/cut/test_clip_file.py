"""The files of clips: whole or not there, the same each time, with what was copied in them byte by byte."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import pytest
from support.numbered import ENCODE, SMART, X264, Films, cut_frames, numbers, times_s

from slurm.errors import ItemError
from stages.core.video.cut.clip import Cutting, cut
from stages.core.video.cut.encode import Encoding
from stages.core.video.cut.mp4 import difference
from stages.core.video.read.bitstream import length_bytes, read_stored_sets, split_nal_units

GOP = (*X264, "-g", "32", "-bf", "3")
ROOT = Path(__file__).parents[4]
WAYS = {"copied": (SMART, 32, 64), "joined": (SMART, 37, 96), "encoded": (ENCODE, 37, 60)}
SMALL = """
import resource, signal, sys
from pathlib import Path
from support.numbered import ENCODE, SMART, cut_frames
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
how = {"smart": SMART, "encode": ENCODE}[sys.argv[3]]
cut_frames(Path(sys.argv[1]), int(sys.argv[4]), int(sys.argv[5]), Path(sys.argv[2]), how)
"""


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def film(films: Films) -> Path:
    return films("gop32.mp4", *GOP)


def units(path: Path) -> list[tuple[list[bytes], bool]]:
    """H.264's units of each packet, and whether it is one that may be sought."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        prefix = length_bytes("h264", stream.codec_context.extradata or b"")
        packets = [packet for packet in container.demux(stream) if packet.size]
        return [
            ([unit for unit in split_nal_units(bytes(p), prefix) if unit[0] & 31 in (1, 5)], p.is_keyframe)
            for p in packets
        ]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_copied_frames_are_the_sources_own_bytes(films: Films, film: Path, tmp_path: Path, suffix: str) -> None:
    source = films(f"same.{suffix}", "-c", "copy", source=film)
    stored = units(source)
    cut_frames(source, 32, 96, tmp_path / "clip.mp4")
    assert units(tmp_path / "clip.mp4") == stored[32:96]
    assert cut_frames(source, 37, 96, tmp_path / "clip.mp4").encoded_frames == 27
    assert units(tmp_path / "clip.mp4")[27:] == stored[64:96]
    assert units(tmp_path / "clip.mp4")[:27] != stored[37:64]


@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
def test_joined_clip_has_one_sample_description_with_the_sets_of_both(
    films: Films, tmp_path: Path, profile: str
) -> None:
    film = films(f"{profile}.mp4", *X264, "-g", "32", "-profile:v", profile)
    how = replace(SMART, encoding=Encoding("libx264", 18, "medium", 1))
    assert cut_frames(film, 37, 96, tmp_path / "clip.mp4", how).mode == "joined"
    with av.open(str(tmp_path / "clip.mp4")) as container:
        sets = read_stored_sets(container.streams.video[0].codec_context.extradata or b"")
    assert (len(sets.sps), len(sets.pps), sets.ids()) == (2, 2, {0, 1})
    assert len({unit[1] for unit in sets.sps}) == 1  # the same profile
    assert (tmp_path / "clip.mp4").read_bytes().count(b"avcC") == 1


@pytest.mark.parametrize("way", WAYS)
def test_cutting_again_gives_the_same_bytes_and_the_index_is_in_front(film: Path, tmp_path: Path, way: str) -> None:
    how, first, end = WAYS[way]
    made = []
    for _ in range(2):
        assert cut_frames(film, first, end, tmp_path / "clip.mp4", how).mode == way
        made.append((tmp_path / "clip.mp4").read_bytes())
    assert made[0] == made[1]
    assert made[0].index(b"moov") < made[0].index(b"mdat")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("way", WAYS)
def test_clip_that_does_not_fit_on_the_disk_is_not_the_items_fault(film: Path, tmp_path: Path, way: str) -> None:
    how, first, end = WAYS[way]
    (tmp_path / "clip.mp4").write_bytes(b"old")
    words = [sys.executable, "-c", SMALL, str(film), str(tmp_path / "clip.mp4"), how.mode, str(first), str(end)]
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, cwd=ROOT, env=path, capture_output=True, text=True, check=False)
    assert done.stderr.strip().splitlines()[-1].startswith("RuntimeError: ")
    assert "File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == b"old"


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
def test_span_without_a_frame_leaves_nothing_behind(film: Path, tmp_path: Path, how: Cutting) -> None:
    for start_s, end_s in ((50, 52), (1.001, 1.039), (2, 2), (2, 1)):
        with pytest.raises(ItemError, match="no frame") as caught:
            cut(str(film), start_s, end_s, tmp_path / "clip.mp4", how)
        assert caught.value.code == "encode_failed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
def test_neighbouring_clips_share_no_frame_and_lose_none(film: Path, tmp_path: Path, how: Cutting) -> None:
    seen = []
    for start_s, end_s in ((0.5, 1.333), (1.333, 2.56), (2.56, 2.57), (2.57, 5.1), (5.1, 60)):
        cut(str(film), start_s, end_s, tmp_path / "clip.mp4", how)
        seen += numbers(tmp_path / "clip.mp4")
    assert seen == list(range(13, 150))


def test_span_beyond_the_end_does_not_make_the_last_frame_longer(film: Path, tmp_path: Path) -> None:
    for how in (SMART, ENCODE):
        assert cut(str(film), 5.5, 60, tmp_path / "clip.mp4", how).duration_s == pytest.approx(0.48, abs=0.002)


def two(films: Films, film: Path, begin_s: str) -> Path:
    """A broadcast of the film and, from that time on, the film again in another format."""
    out = films.folder / f"two_{begin_s}.ts"
    parts = films("first.ts", "-c", "copy", "-an", source=film), films.folder / f"second_{begin_s}.ts"
    films(parts[1].name, *X264, "-g", "32", "-profile:v", "main", "-an", "-output_ts_offset", begin_s)
    out.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert len(numbers(out)) == 300
    return out


def test_format_that_changes_is_not_copied(films: Films, film: Path, tmp_path: Path) -> None:
    both, out = two(films, film, "6.08"), tmp_path / "clip.mp4"
    there, at = numbers(both), times_s(both, 300)
    for begin, end, mode in ((64, 128, "copied"), (128, 182, "encoded"), (182, 214, "encoded")):
        assert cut(str(both), at[begin], at[end], out, SMART).mode == mode
        assert numbers(out) == there[begin:end]


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
def test_clips_of_a_broadcast_whose_times_jump_back_are_those_that_were_analyzed(
    films: Films, film: Path, tmp_path: Path, how: Cutting
) -> None:
    both, out = two(films, film, "5"), tmp_path / "clip.mp4"
    there, at = numbers(both), times_s(both, 300)
    assert at[299] - at[0] == pytest.approx(299 / 25)  # where the packets' times say 11 s
    for begin, end in ((32, 64), (140, 160), (182, 214)):
        assert cut(str(both), at[begin], at[end], out, how).mode == "encoded"
        assert numbers(out) == there[begin:end]


@pytest.mark.parametrize("n", [45, 66])  # among the frames that would be encoded, and among those that follow a joint
def test_damaged_frames_are_not_joined_to_and_the_rest_is_kept(film: Path, tmp_path: Path, n: int) -> None:
    data = bytearray(film.read_bytes())
    with av.open(str(film)) as container:
        hit = [packet for packet in container.demux(video=0) if packet.size][n]
    assert hit.pos is not None
    data[hit.pos + 6 : hit.pos + hit.size] = bytes(hit.size - 6)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    clip = cut_frames(damaged, 37, 96, tmp_path / "clip.mp4")
    assert clip.mode == "encoded"
    assert set(numbers(tmp_path / "clip.mp4")) >= ({37, *range(64, 96)} if n < 64 else set(range(37, 65)))


def with_pps(film: Path, out: Path, unit: bytes) -> Path:
    """The film with one more picture parameter set, which no frame uses, in its index."""
    data = bytearray(film.read_bytes())
    at = data.index(b"avcC") + 10  # the sizes of the set that there is of each kind, their counts before them
    at += 2 + int.from_bytes(data[at : at + 2])
    data[at] += 1
    at += 3 + int.from_bytes(data[at + 1 : at + 3])
    data[at:at] = len(unit).to_bytes(2, "big") + unit
    for box in (b"avcC", b"avc1", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        size = data.rindex(box, 0, at) - 4
        data[size : size + 4] = (int.from_bytes(data[size : size + 4]) + 2 + len(unit)).to_bytes(4, "big")
    assert data.index(b"mdat") < data.index(b"moov")  # so that nothing that is pointed at has moved
    out.write_bytes(data)
    return out


@pytest.mark.parametrize("unit", [b"", b"\x68", b"\x68\0\0\0\0"], ids=["empty", "short", "without an id"])
def test_nothing_is_joined_to_parameter_sets_that_cannot_be_read(film: Path, tmp_path: Path, unit: bytes) -> None:
    odd = with_pps(film, tmp_path / "odd.mp4", unit)
    assert cut_frames(odd, 37, 96, tmp_path / "clip.mp4").mode == "encoded"
    assert numbers(tmp_path / "clip.mp4") == list(range(37, 96))


def test_only_x264_is_joined_to_and_other_encoders_encode_all(film: Path, tmp_path: Path) -> None:
    other = replace(SMART, encoding=Encoding("libx265", 28, "ultrafast", 1))
    assert cut_frames(film, 37, 96, tmp_path / "clip.mp4", other).mode == "encoded"
    assert numbers(tmp_path / "clip.mp4") == list(range(37, 96))
    assert cut_frames(film, 32, 96, tmp_path / "clip.mp4", other).mode == "copied"


def test_hostile_and_too_large_sources_are_refused(film: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "list.ffconcat"
    hostile.write_text(f"ffconcat version 1.0\nfile '{film}'\n")
    for path, how, code in (
        (hostile, SMART, "corrupt"),
        (film, replace(SMART, max_pixels=160 * 96 - 1), "too_large"),
        (film, replace(SMART, max_s=5), "too_large"),
        (tmp_path / "gone.mp4", ENCODE, "missing"),
    ):
        with pytest.raises(ItemError) as caught:
            cut(str(path), 0, 1, tmp_path / "out" / "clip.mp4", how)
        assert caught.value.code == code
    assert list((tmp_path / "out").iterdir()) == []


def test_few_frames_are_not_worth_a_joint(film: Path, tmp_path: Path) -> None:
    for end, mode in ((75, "encoded"), (76, "encoded"), (78, "joined")):
        assert cut_frames(film, 54, end, tmp_path / "clip.mp4").mode == mode
        assert numbers(tmp_path / "clip.mp4") == list(range(54, end))


def test_what_is_wrong_with_the_times_of_a_file_is_told() -> None:
    assert difference([0, 0.04, 0.08], [0, 0.04, 0.08]) is None
    assert difference([0, 0.0404], [0, 0.04]) is None  # rounded
    assert difference([0, 0.04], [0, 0.04, 0.08]) == "2 frames instead of 3"
    assert difference([0, 0.04, 0.04], [0, 0.04, 0.08]) == "two frames of the same time"
    assert difference([0, 0.08], [0, 0.04]) == "a frame's time is off by 0.0400 s"
