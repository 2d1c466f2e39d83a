"""Opening and reading of good, torn, wrong and hostile files."""

import random
import struct
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from slurm.errors import ItemError
from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.read.frames import shrink
from stages.core.video.read.opening import hardware
from stages.core.video.read.packets import Speed, open_video

Make = Callable[..., Path]
BIG, LONG = 10**8, 10**5
KEPT = ("-fps_mode", "passthrough", "-pix_fmt", "yuv420p")


def read(path: Path | str, max_pixels: int = BIG, max_s: float = LONG) -> tuple[list[float], int, float]:
    """Times, decode errors, coverage."""
    with open_video(str(path), max_pixels, max_s) as video:
        times = [time_s for time_s, _ in video.frames()]
        return times, video.decode_errors, video.coverage(times[-1] + float(1 / video.facts.fps))


def code(path: Path | str, max_pixels: int = BIG, max_s: float = LONG) -> str:
    with pytest.raises(ItemError) as caught:
        read(path, max_pixels, max_s)
    assert str(path) in caught.value.detail
    return caught.value.code


def test_every_frame_comes_with_its_time(three_shots: Path) -> None:
    times, errors, coverage = read(three_shots)
    assert times == pytest.approx([n / 25 for n in range(120)])
    assert errors == 0
    assert coverage == pytest.approx(1)


def test_times_count_from_the_start_of_a_container_that_starts_late(make: Make) -> None:
    late = make("late.ts", "testsrc=s=64x48:r=25:d=2", "-output_ts_offset", "60", "-pix_fmt", "yuv420p")
    times, _, _ = read(late)
    assert times == pytest.approx([n / 25 for n in range(50)], abs=1e-9)


LATE: dict[str, tuple[str, ...]] = {
    **{f"late.{name}": ("-c:v", "libx264", "-bf", "2") for name in ("mkv", "mp4", "mov", "ts")},
    "late.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
    "late.asf": ("-c:v", "msmpeg4"),
    "late.nut": ("-c:v", "mpeg4"),
}


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize("offset", ["0", "0.5", "20"])
def test_a_container_that_starts_late_is_no_longer_by_it(make: Make, name: str, offset: str) -> None:
    late = make(f"{offset}_{name}", "testsrc=s=64x48:r=25:d=2", *LATE[name], "-output_ts_offset", offset, *KEPT)
    with open_video(str(late), BIG, LONG) as video:
        times = [time_s for time_s, _ in video.frames()]
        assert video.facts.declared_s == pytest.approx(2, abs=0.045), "nut leaves out the last frame"
        assert video.coverage(video.end_s(times[-1])) == pytest.approx(1, abs=0.001)
        assert video.coverage(1.0) == pytest.approx(0.5, abs=0.02)


def test_matroska_that_declares_how_long_it_is_is_taken_at_its_word(make: Make) -> None:
    late = make("own.mkv", "testsrc=s=64x48:r=25:d=2", "-output_ts_offset", "20", *KEPT)
    duration, content = b"\x44\x89\x88", late.read_bytes()
    assert content.count(duration + struct.pack(">d", 22_000.0)) == 1
    plain = content.replace(duration + struct.pack(">d", 22_000.0), duration + struct.pack(">d", 2000.0))
    late.write_bytes(plain.replace(b"Lavf", b"mkvm"))
    with open_video(str(late), BIG, LONG) as video:
        assert video.facts.start_s == 20
        assert video.facts.declared_s == 2


def test_times_of_a_variable_rate_are_kept(make: Make) -> None:
    kept = "testsrc=s=64x48:r=25:d=2,select='not(between(n,10,29))'"
    times, _, _ = read(make("gap.mkv", kept, "-fps_mode", "passthrough", "-pix_fmt", "yuv420p"))
    assert times == pytest.approx([n / 25 for n in range(50) if not 10 <= n <= 29], abs=1e-3)


def test_packets_that_show_the_last_frame_again_are_no_errors(make: Make) -> None:
    still = make("still.ogv", "color=red:s=64x48:r=25:d=4,drawbox=w=9:h=9:enable='gte(t,3)'", "-c:v", "libtheora")
    times, errors, coverage = read(still)
    assert 2 <= len(times) < 100
    assert errors == 0
    assert coverage == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("rate", "last_s"), [("25", 1 / 25), ("30000/1001", 1001 / 30000)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_video_ends_when_its_last_frame_does(make: Make, rate: str, last_s: float, suffix: str) -> None:
    name = f"ends_{float(Fraction(rate)):.0f}"
    gap = make(f"{name}_gap.{suffix}", f"testsrc=s=64x48:r={rate}:d=2,setpts='PTS+if(gte(N,30),600/TB)'", *KEPT)
    even = make(f"{name}.{suffix}", f"testsrc=s=64x48:r={rate}:d=2", *KEPT)
    for path in (gap, even):
        with open_video(str(path), BIG, LONG) as video:
            times = [time_s for time_s, _ in video.frames()]
            assert video.end_s(times[-1]) - times[-1] == pytest.approx(last_s, abs=0.002)
            if path == even:
                assert video.end_s(times[-1]) == times[-1] + float(1 / video.facts.fps)


@pytest.mark.parametrize("name", ["torn.mp4", "torn.mkv", "torn.ts"])
def test_torn_file_gives_what_was_readable(make: Make, tmp_path: Path, name: str) -> None:
    whole = make(f"whole_{name}", "testsrc=s=160x90:r=25:d=4", "-movflags", "+faststart", "-pix_fmt", "yuv420p")
    torn = tmp_path / name
    torn.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    times, errors, coverage = read(torn)
    assert 30 < len(times) < 100
    assert errors > 0 or coverage < 0.95


def test_broken_bytes_in_the_middle_are_counted_and_read_past(make: Make, tmp_path: Path) -> None:
    whole = make("for_damage.mp4", "testsrc=s=160x90:r=25:d=4", "-movflags", "+faststart", "-pix_fmt", "yuv420p")
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    times, errors, coverage = read(damaged)
    assert times[-1] > 3.9
    assert errors > 0
    assert 0.5 < coverage < 1


def test_missing_empty_garbage_and_folder_have_their_codes(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "garbage.mp4").write_bytes(random.Random(1).randbytes(50_000))
    (tmp_path / "folder.mp4").mkdir()
    assert code(tmp_path / "missing.mp4") == "missing"
    assert code(tmp_path / "empty.mp4") == "empty"
    assert code(tmp_path / "garbage.mp4") == "corrupt"
    assert code(tmp_path / "folder.mp4") == "unreadable"  # permissions do not stop root, a folder does
    assert code("/dev/zero") == "unreadable"
    assert code("https://127.0.0.1/video.mp4") == "missing"


def test_file_without_its_index_is_corrupt(three_shots: Path, tmp_path: Path) -> None:
    headless = tmp_path / "no_moov.mp4"
    headless.write_bytes(three_shots.read_bytes()[:2000])
    assert code(headless) == "corrupt"


def test_sound_alone_and_sound_with_a_cover_are_no_video(make: Make, tmp_path: Path) -> None:
    sound = make("sound.m4a", "color=black:s=32x32:d=1", "-map", "1:a", sound=1)
    assert code(sound) == "no_video"
    cover, covered = make("cover.png", "testsrc=s=64x64", "-frames:v", "1"), tmp_path / "covered.m4a"
    inputs = ["-i", str(sound), "-i", str(cover), "-map", "0", "-map", "1", "-c", "copy"]
    command = [ffmpeg_path(), "-nostdin", "-v", "error", *inputs, "-disposition:v", "attached_pic", str(covered)]
    subprocess.run(command, check=True)
    assert code(covered) == "no_video"


def test_video_stream_without_a_readable_frame_has_its_code(make: Make, tmp_path: Path) -> None:
    whole = make("for_blank.mp4", "testsrc=s=160x90:r=25:d=1", "-movflags", "+faststart", "-pix_fmt", "yuv420p")
    data = whole.read_bytes()
    media = data.index(b"mdat") + 4
    blank = tmp_path / "blank.mp4"
    blank.write_bytes(data[:media] + bytes(len(data) - media))
    assert code(blank) == "no_frames"


def test_limits_stop_a_video_before_it_is_decoded(three_shots: Path) -> None:
    assert code(three_shots, max_pixels=160 * 90 - 1) == "too_large"
    assert code(three_shots, max_s=4) == "too_large"
    assert len(read(three_shots, max_pixels=160 * 90, max_s=5)[0]) == 120


def test_a_picture_beyond_the_limit_is_not_even_looked_at(make: Make) -> None:
    bomb = make("bomb.apng", "color=red:s=4000x4000", "-frames:v", "2", "-c:v", "apng")
    with pytest.raises(ItemError, match="no picture of at most 14400 pixels") as caught:
        read(bomb, max_pixels=160 * 90)
    assert caught.value.code == "no_frames"
    assert len(read(bomb)[0]) == 2


def test_largest_of_several_video_streams_is_read(make: Make) -> None:
    two = "testsrc=s=64x48:r=25:d=1[out0];testsrc=s=128x96:r=10:d=1[out1]"
    both = make("two.mp4", two, "-map", "0:v:0", "-map", "0:v:1", "-pix_fmt", "yuv420p")
    with open_video(str(both), BIG, LONG) as video:
        assert [(f.width, f.height) for _, f in video.frames()] == [(128, 96)] * 10


def playlists(target: Path) -> dict[str, str]:
    return {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4.8,\n{target}\n#EXT-X-ENDLIST\n",
        "list.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4.8,\n{target}\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    }


@pytest.mark.parametrize("name", playlists(Path()))
def test_file_that_names_other_files_is_refused(three_shots: Path, tmp_path: Path, name: str) -> None:
    hostile = tmp_path / name
    hostile.write_text(playlists(three_shots)[name])
    assert code(hostile) == "corrupt"


def test_name_that_looks_like_an_address_is_only_a_name(three_shots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(three_shots.parent)
    assert code("concat:three_shots.mp4") == "missing"
    Path("concat:odd.mp4").write_bytes(three_shots.read_bytes())
    assert len(read("concat:odd.mp4")[0]) == 120


def test_encrypted_video_has_its_code(make: Make) -> None:
    key = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb"]
    key += ["-encryption_kid", "a7e61c373e219033c21091fa607bf3b8"]
    assert code(make("encrypted.mp4", "testsrc2=s=160x90:r=25:d=1", "-pix_fmt", "yuv420p", *key)) == "encrypted"


def test_a_frame_of_65535_pixels_each_way_is_refused_before_it_is_made(make: Make, tmp_path: Path) -> None:
    gif = bytearray(make("small.gif", "testsrc=s=64x48:r=5:d=0.4").read_bytes())
    picture = gif.index(b"\x2c\x00\x00\x00\x00\x40\x00\x30\x00")
    gif[6:10] = gif[picture + 5 : picture + 9] = b"\xff" * 4
    bomb = tmp_path / "bomb.gif"
    bomb.write_bytes(gif)
    assert code(bomb) in {"too_large", "no_frames"}  # by the demuxer's size, or by the decoder


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_faster_decoding_gives_the_frames_that_are_left_their_own_numbers_and_times(make: Make, codec: str) -> None:
    path = make(f"b_{codec}.mp4", "testsrc2=s=160x96:r=25:d=4", "-c:v", codec, "-bf", "2", "-pix_fmt", "yuv420p")
    exact, _, _ = read(path)
    for speed, least, most in (("exact", 100, 100), ("fast", 100, 100), ("draft", 30, 80)):
        with open_video(str(path), BIG, LONG, cast(Speed, speed)) as video:
            times = [time_s for time_s, _ in video.frames()]
            assert least <= len(times) <= most
            assert [exact[number] for number in video.numbers()] == times


def test_without_the_device_the_cpu_decodes(three_shots: Path) -> None:
    with open_video(str(three_shots), BIG, LONG, "exact", "qsv") as video:
        assert sum(1 for _ in video.frames()) == 120
        assert video.hwaccel() is None


@pytest.mark.skipif(hardware("cuda") is None, reason="no CUDA device is here")
def test_a_gpu_decodes_the_same_pictures(three_shots: Path) -> None:
    lumas = []
    for device in (None, "cuda"):
        with open_video(str(three_shots), BIG, LONG, "exact", device) as video:
            lumas.append([shrink(frame, (256, 144)).luma.astype(int) for _, frame in video.frames()])
            assert video.hwaccel() == device
    assert np.abs(np.array(lumas[0]) - np.array(lumas[1])).max() <= 2
