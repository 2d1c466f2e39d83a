"""The sound of clips: the beep is heard when the flash is seen, whoever reads, whether it was copied or encoded."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from support.numbered import (
    ENCODE,
    FPS,
    SMART,
    X264,
    Films,
    beep_s,
    cut_frames,
    ffmpeg,
    first_loud,
    flash_s,
    numbers,
    times_s,
)

from stages.core.video.cut.clip import Cutting, cut

AAC_FRAME_S = 1024 / 48_000
GOP = (*X264, "-g", "32", "-bf", "3")
COPY = ("-c:v", "copy")
FROM = "aac.mp4"  # what the others are made from
SOUNDS: dict[str, tuple[str, ...]] = {
    FROM: (*GOP, "-c:a", "aac"),
    "aac.mkv": ("-c", "copy"),
    "aac.ts": ("-c", "copy"),
    "aac.flv": ("-c", "copy"),
    "aac_44100.mp4": (*COPY, "-c:a", "aac", "-ar", "44100", "-ac", "2"),
    "surround.mp4": (*COPY, "-c:a", "aac", "-ac", "6"),
    "main.mp4": (*COPY, "-c:a", "aac", "-profile:a", "aac_main"),
    "mp3.mp4": (*COPY, "-c:a", "mp3"),
    "opus.mkv": (*COPY, "-c:a", "libopus"),
    "flac.mkv": (*COPY, "-c:a", "flac", "-ar", "96000"),
    "pcm.mov": (*COPY, "-c:a", "pcm_s16le", "-ar", "22050"),
    "ac3.ts": (*COPY, "-c:a", "ac3"),
}
COPIED = {FROM, "aac.mkv", "aac.flv", "aac_44100.mp4", "surround.mp4"}


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


def film(films: Films, name: str) -> Path:
    first = films(FROM, *SOUNDS[FROM])
    return first if name == FROM else films(name, *SOUNDS[name], source=first)


def packets(path: Path) -> list[bytes]:
    """Those of the sound."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def heard_by_ffmpeg(path: Path) -> float:
    raw = ffmpeg("-i", path, "-map", "0:a", "-f", "f32le", "-ac", "1", "-ar", "48000", "-")
    return first_loud(np.frombuffer(raw, np.float32)) / 48_000


def heard_by_decord(path: Path) -> float:
    from decord import AudioReader

    return first_loud(AudioReader(str(path), sample_rate=48_000, mono=True)[:].asnumpy()[0]) / 48_000


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
@pytest.mark.parametrize("name", SOUNDS)
def test_beep_is_heard_when_the_flash_is_seen(films: Films, tmp_path: Path, name: str, how: Cutting) -> None:
    out = tmp_path / "clip.mp4"
    for first, end in ((32, 96), (37, 90)):  # copied and joined
        clip = cut_frames(film(films, name), first, end, out, how)
        assert clip.has_audio
        assert flash_s(out) == pytest.approx(-first % FPS / FPS, abs=0.001)
        for heard in (beep_s, heard_by_ffmpeg, heard_by_decord):
            assert heard(out) == pytest.approx(flash_s(out), abs=0.008), (heard, first, clip)  # opus rings before it


@pytest.mark.parametrize("name", SOUNDS)
def test_aac_is_copied_packet_by_packet_and_all_else_is_encoded(films: Films, tmp_path: Path, name: str) -> None:
    source, found = packets(film(films, name)), []
    for how in (SMART, ENCODE):
        cut_frames(film(films, name), 37, 90, tmp_path / "clip.mp4", how)
        kept = packets(tmp_path / "clip.mp4")
        found.append(any(source[at : at + len(kept)] == kept for at in range(len(source) - len(kept) + 1)))
    assert found == [name in COPIED, False]


def decoded(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as container:
        return np.concatenate([np.asarray(f.to_ndarray(), np.float32)[0] for f in container.decode(audio=0)])


def test_copied_sound_is_the_sources_to_the_sample(films: Films, tmp_path: Path) -> None:
    # each frame of AAC needs the one before it; a decoder's own noise (PNS) would differ each time
    coding = (*COPY, "-af", "aeval=random(0)-0.5", "-ac", "1", "-c:a", "aac", "-aac_pns", "0")
    noise = films("noise.mp4", *coding, source=film(films, FROM))
    whole = decoded(noise)
    for first, end in ((1, 60), (32, 96), (37, 90)):
        cut_frames(noise, first, end, tmp_path / "clip.mp4")
        samples, begin = decoded(tmp_path / "clip.mp4")[:40_000], first * 48_000 // FPS
        lags = range(-48, 49)  # the source's packets are up to a millisecond off their times
        assert min(np.abs(samples - whole[begin + lag : begin + lag + 40_000]).max() for lag in lags) == 0


def test_sound_that_lost_a_packet_is_not_copied_as_if_it_had_not(films: Films, tmp_path: Path) -> None:
    lost = tmp_path / "lost.mkv"
    with av.open(str(film(films, FROM))) as source, av.open(str(lost), "w") as copy:
        streams = [copy.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        for packet in source.demux():
            if packet.size and (packet.stream.type, (packet.pts or 0) // 1024) != ("audio", 70):  # 1.5 s
                packet.stream = streams[packet.stream.index]
                copy.mux(packet)
    cut_frames(lost, 32, 90, tmp_path / "clip.mp4")
    after = decoded(tmp_path / "clip.mp4")[round(0.5 * 48_000) :]  # behind the first beep
    assert first_loud(after) / 48_000 == pytest.approx(2 - 32 / FPS - 0.5, abs=0.008)


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
def test_sound_is_as_long_as_the_picture(films: Films, tmp_path: Path, how: Cutting) -> None:
    for first, end in ((0, 150), (37, 90)):
        cut_frames(film(films, FROM), first, end, tmp_path / "clip.mp4", how)
        samples = len(ffmpeg("-i", tmp_path / "clip.mp4", "-f", "f32le", "-ac", "1", "-ar", "48000", "-")) / 4
        assert samples / 48_000 == pytest.approx((end - first) / FPS, abs=AAC_FRAME_S)


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
def test_sound_that_begins_later_is_preceded_by_silence(films: Films, tmp_path: Path, how: Cutting) -> None:
    # it begins at 1.5 s, within the span, so the first beep is the one at 2 s
    late = films("late.mp4", *COPY, "-af", "atrim=start=1.5", "-c:a", "aac", source=film(films, FROM))
    clip = cut_frames(late, 32, 96, tmp_path / "clip.mp4", how)
    assert clip.has_audio
    assert heard_by_ffmpeg(tmp_path / "clip.mp4") == pytest.approx(2 - 32 / FPS, abs=0.008)
    assert beep_s(tmp_path / "clip.mp4") == pytest.approx(2 - 32 / FPS, abs=0.008)


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
def test_pause_in_the_sound_stays_as_long_as_it_is(films: Films, tmp_path: Path, how: Cutting) -> None:
    paused = "aselect='not(between(t,0.7,1.6))'"  # without the beep at 1 s
    gap = films("gap.mkv", *COPY, "-af", paused, "-c:a", "aac", source=film(films, FROM))
    cut_frames(gap, 8, 96, tmp_path / "clip.mp4", how)
    assert beep_s(tmp_path / "clip.mp4") == pytest.approx(2 - 8 / FPS, abs=0.03)
    assert heard_by_ffmpeg(tmp_path / "clip.mp4") == pytest.approx(2 - 8 / FPS, abs=0.03)


def test_span_behind_the_end_of_the_sound_is_silent(films: Films, tmp_path: Path) -> None:
    short = films("short.mp4", *COPY, "-af", "atrim=end=1.5", "-c:a", "aac", source=film(films, FROM))
    assert cut_frames(short, 32, 96, tmp_path / "clip.mp4").has_audio
    assert not cut_frames(short, 64, 96, tmp_path / "clip.mp4").has_audio


def test_sound_of_joined_recordings_stays_with_its_picture(films: Films, tmp_path: Path) -> None:
    joined, coding = tmp_path / "joined.ts", ("-c:v", "mpeg2video", "-q:v", "2", "-c:a", "mp2")
    parts = films("whole.ts", *coding), films("from_10.ts", *coding, source=films.master, skip_s=10 / FPS)
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    at = times_s(joined, 290)
    assert at[289] - at[0] == pytest.approx(289 / FPS)  # where the times of the second one begin anew
    for first, end, number in ((32, 96, 32), (150, 200, 10), (187, 240, 47)):
        assert cut(str(joined), at[first], at[end], tmp_path / "clip.mp4", SMART).has_audio
        assert flash_s(tmp_path / "clip.mp4") == pytest.approx(-number % FPS / FPS, abs=0.001)
        assert heard_by_ffmpeg(tmp_path / "clip.mp4") == pytest.approx(flash_s(tmp_path / "clip.mp4"), abs=0.008)


def test_clips_of_an_avi_with_b_frames_are_smooth_and_in_sync_as_ffmpeg_plays_it(films: Films, tmp_path: Path) -> None:
    avi = films("b.avi", *X264, "-bf", "2", "-b_strategy", "0", "-c:a", "pcm_s16le")
    at = times_s(avi)
    off_s = at[FPS] - heard_by_ffmpeg(avi)  # FFmpeg writes the picture two frames late
    for first, end in ((0, 64), (32, 96), (37, 90)):
        cut_frames(avi, first, end, tmp_path / "clip.mp4")
        assert numbers(tmp_path / "clip.mp4") == list(range(first, end))
        assert times_s(tmp_path / "clip.mp4") == pytest.approx([n / FPS for n in range(end - first + 1)], abs=0.001)
        seen_s = flash_s(tmp_path / "clip.mp4")
        assert seen_s - heard_by_ffmpeg(tmp_path / "clip.mp4") == pytest.approx(off_s, abs=0.005)


def test_video_without_sound_gives_a_clip_without_it(films: Films, tmp_path: Path) -> None:
    silent = films("silent.mp4", *COPY, "-an", source=film(films, FROM))
    for how in (SMART, ENCODE):
        assert not cut_frames(silent, 37, 96, tmp_path / "clip.mp4", how).has_audio


def test_borders_between_frames_move_picture_and_sound_alike(films: Films, tmp_path: Path) -> None:
    for how in (SMART, ENCODE):
        cut(str(film(films, FROM)), 37.4 / FPS, 90 / FPS, tmp_path / "clip.mp4", how)
        assert flash_s(tmp_path / "clip.mp4") == pytest.approx(12 / FPS, abs=0.001)  # the first frame is 38
        assert heard_by_ffmpeg(tmp_path / "clip.mp4") == pytest.approx(12 / FPS, abs=0.005)


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
@pytest.mark.parametrize("name", ["empty.mkv", "empty_fragments.mp4"])
def test_empty_track_of_sound_is_none_and_the_picture_is_cut_as_ever(
    films: Films, tmp_path: Path, name: str, how: Cutting
) -> None:
    empty = tmp_path / name
    options = {"movflags": "empty_moov+frag_keyframe+default_base_moof"} if name.endswith("mp4") else {}
    with av.open(str(film(films, FROM))) as source, av.open(str(empty), "w", options=options) as copy:
        streams = [copy.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        for packet in source.demux():
            if packet.size and packet.stream.type == "video":
                packet.stream = streams[packet.stream.index]
                copy.mux(packet)
    clip = cut_frames(empty, 32, 96, tmp_path / "clip.mp4", how)
    assert (clip.has_audio, clip.mode) == (False, "copied" if how is SMART else "encoded")
    assert numbers(tmp_path / "clip.mp4") == list(range(32, 96))


def spread(films: Films, name: str, layout: str, channels: int, codec: str) -> Path:
    """The film with its sound in each of so many channels."""
    each = "|".join(f"c{n}=c0" for n in range(channels))
    return films(name, *COPY, "-af", f"pan={layout}|{each}", "-c:a", codec, source=film(films, FROM))


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
def test_eight_channels_become_two(films: Films, tmp_path: Path, how: Cutting) -> None:
    clip = cut_frames(spread(films, "eight.mkv", "7.1", 8, "flac"), 32, 96, tmp_path / "clip.mp4", how)
    assert clip.has_audio
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.audio[0].layout.name == "stereo"
    assert beep_s(tmp_path / "clip.mp4") == pytest.approx(flash_s(tmp_path / "clip.mp4"), abs=0.005)


def test_sound_in_more_channels_than_can_be_mixed_is_none(films: Films, tmp_path: Path) -> None:
    twenty = spread(films, "twenty.mkv", "20C", 20, "pcm_s16le")
    assert cut_frames(twenty, 32, 96, tmp_path / "clip.mp4").mode == "copied"
    assert not cut_frames(twenty, 32, 96, tmp_path / "clip.mp4").has_audio
