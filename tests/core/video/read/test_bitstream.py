"""Where decoding may begin, as packets say it themselves; H.264's parameter sets and the avcC that holds them."""

from pathlib import Path

import av
import pytest
from support.numbered import X264, Films

from stages.core.video.read.bitstream import (
    ParameterSets,
    UncopiableError,
    is_sync_frame,
    length_bytes,
    make_avcc,
    read_stored_sets,
    split_nal_units,
)
from stages.core.video.read.facts import codec_name

X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-bf", "3", "-an")
SCENELESS = "log-level=error:keyint=32:min-keyint=32:scenecut=0"
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "32", "-b:v", "1M", "-an")
CLOSED, FIRST = [0, 32, 64, 96, 128], [0]
CODINGS: dict[str, tuple[tuple[str, ...], list[int]]] = {
    "closed.mp4": ((*X264, "-g", "32", "-an"), CLOSED),
    "closed.ts": ((*X264, "-g", "32", "-an"), CLOSED),
    "open.mp4": ((*X264, "-g", "32", "-x264-params", "open-gop=1", "-an"), FIRST),
    "refresh.mp4": ((*X264, "-x264-params", "intra-refresh=1:keyint=32", "-an"), FIRST),
    "hevc_closed.mp4": ((*X265, "-x265-params", f"{SCENELESS}:open-gop=0"), CLOSED),
    "hevc_closed.ts": ((*X265, "-x265-params", f"{SCENELESS}:open-gop=0"), CLOSED),
    "hevc_open.mp4": ((*X265, "-x265-params", f"{SCENELESS}:open-gop=1"), FIRST),
    "vp9.webm": (VP9, CLOSED),
    "vp9_444.webm": ((*VP9, "-pix_fmt", "yuv444p"), CLOSED),  # profile 1
    "av1.mkv": (("-c:v", "libsvtav1", "-preset", "12", "-g", "32", "-crf", "35", "-an"), CLOSED),
    "mpeg4.mp4": (("-c:v", "mpeg4", "-g", "32", "-an"), []),
}


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


@pytest.mark.parametrize("name", CODINGS)
def test_decoding_begins_anew_at_closed_key_frames_alone(films: Films, name: str) -> None:
    coding, fresh = CODINGS[name]
    with av.open(str(films(name, *coding))) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        codec, extradata = codec_name(stream.codec_context), stream.codec_context.extradata or b""
        shown = sorted(packet.pts for packet in packets if packet.pts is not None)
        found = [shown.index(p.pts) for p in packets if p.pts is not None and is_sync_frame(codec, bytes(p), extradata)]
    assert found == fresh


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\0\1", b"\x86", b"\0\0\0\x09\x65", b"\x12\0", b"\x0a\x81"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "mpeg4"])
def test_torn_packets_begin_nothing(codec: str, data: bytes) -> None:
    assert not is_sync_frame(codec, data, b"")
    assert not is_sync_frame(codec, data, b"\1" + b"\xff" * 30)


def extradata_of(path: Path) -> bytes:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.extradata or b""


def test_parameter_sets_are_the_same_in_both_kinds_of_extradata(films: Films) -> None:
    in_mp4, in_ts = (extradata_of(films(name, *CODINGS[name][0])) for name in ("closed.mp4", "closed.ts"))
    assert (length_bytes("h264", in_mp4), length_bytes("h264", in_ts)) == (4, None)
    assert read_stored_sets(in_mp4) == read_stored_sets(in_ts)
    assert read_stored_sets(in_mp4).ids() == {0}
    assert make_avcc(read_stored_sets(in_mp4)) == in_mp4


@pytest.mark.parametrize("number", [0, 1, 2, 6, 7, 31])
def test_ids_of_parameter_sets_are_read(films: Films, number: int) -> None:
    coded = films(f"id{number}.h264", *X264, "-frames:v", "1", "-x264-params", f"sps-id={number}", "-an")
    sets = read_stored_sets(
        b"".join(b"\0\0\0\1" + unit for unit in split_nal_units(coded.read_bytes(), None) if unit[0] & 31 in (7, 8))
    )
    assert (len(sets.sps), len(sets.pps)) == (1, 1)
    assert sets.ids() == {number}


def test_avcc_holds_the_sets_of_two_streams_once_each_and_tells_the_higher_level() -> None:
    low, high = b"\x67\x64\x00\x0a\xac", b"\x67\x64\x00\x1f\x4b"
    both = ParameterSets((low,), (b"\x68\xee",)) | ParameterSets((high, low), (b"\x68\x4a",))
    assert both == ParameterSets((low, high), (b"\x68\xee", b"\x68\x4a"))
    assert read_stored_sets(make_avcc(both)) == both
    assert make_avcc(both)[1:4] == b"\x64\x00\x1f"
    assert make_avcc(both).endswith(b"\xfd\xf8\xf8\x00")
    baseline = ParameterSets((b"\x67\x42\xc0\x1f\x4b",), (b"\x68\xee",))
    assert not make_avcc(baseline).endswith(b"\xfd\xf8\xf8\x00")  # it has none


def test_torn_extradata_is_told(films: Films) -> None:
    whole = extradata_of(films("closed.mp4", *CODINGS["closed.mp4"][0]))
    pps_count_at = 8 + int.from_bytes(whole[6:8])
    for torn in (whole[:4], whole[:7], whole[:20], whole[: pps_count_at + 2]):
        with pytest.raises(UncopiableError, match="torn"):
            read_stored_sets(torn)
    more_than_there_are = whole[:pps_count_at] + b"\x09" + whole[pps_count_at + 1 :]
    with pytest.raises(UncopiableError, match="torn"):
        read_stored_sets(more_than_there_are)


@pytest.mark.parametrize(
    "sets",
    [
        ParameterSets((b"\x67",), ()),
        ParameterSets((b"\x67\x64\0\x0c" + bytes(5),), ()),
        ParameterSets((), (b"\x68\0",)),
    ],
)
def test_parameter_set_without_an_id_is_told(sets: ParameterSets) -> None:
    with pytest.raises(UncopiableError, match="without an id"):
        sets.ids()


def test_more_sets_than_an_avcc_holds_are_told() -> None:
    sps, pps = [(b"\x67\x64\x00\x0a%c" % n) for n in range(32)], [b"\x68%c%c" % (n >> 8, n & 255) for n in range(256)]
    assert read_stored_sets(make_avcc(ParameterSets(tuple(sps[:31]), tuple(pps[:255])))) == ParameterSets(
        tuple(sps[:31]), tuple(pps[:255])
    )
    for many in (
        ParameterSets(tuple(sps), (pps[0],)),
        ParameterSets((sps[0],), tuple(pps)),
        ParameterSets((sps[0],), (b"\x68" * 65536,)),
    ):
        with pytest.raises(UncopiableError, match="more parameter sets"):
            make_avcc(many)


@pytest.mark.parametrize("prefix", [1, 2, 4])
def test_units_are_split_up_to_a_torn_one(prefix: int) -> None:
    units = [b"\x65abc", b"\x41de"]
    data = b"".join(len(unit).to_bytes(prefix, "big") + unit for unit in units)
    assert list(split_nal_units(data, prefix)) == units
    assert list(split_nal_units(data[:-1], prefix)) == units[:1]
    assert list(split_nal_units(b"\0\0\0\1\x65abc\0\0\1\x41de\0\0", None)) == units
