#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8.1): of a file that starts late, Matroska's duration is where it ends, MP4's and MPEG-TS's how long it is.
#
# Expected  `container.duration` (ffprobe's format.duration) of the same ten seconds is ten seconds, whatever they are put into
#           and wherever their first timestamp lies; the start is told apart, as `start_time`.
# Happens   Written with a first timestamp of 0.5 s (a part of a stream, a recording that was joined late, -output_ts_offset),
#           MP4 and MPEG-TS have start 0.5 or their own offset and duration 10.0; Matroska and WebM have start 0.5 and
#           duration 10.5, NUT about that. FFmpeg's muxer writes the end of the last packet into Duration, its demuxer takes that
#           as it stands, and `end = start_time + duration` is then half a second behind the last frame. (mkvmerge writes a
#           length, so one cannot simply subtract.) Coverage, frame counts and clips "to the end" are wrong by the offset.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.4.6
cat > "$folder/program.py" <<'PYTHON'
from fractions import Fraction

import av
import numpy as np

RATE, FRAMES, LATE = 25, 250, Fraction(1, 2)


def durations(name, codec):
    """Start and duration in seconds, as the file says, and where its last packet ends."""
    with av.open(name, "w") as out:
        stream = out.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(FRAMES):
            picture = np.full((48, 64, 3), n % 200, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                put(out, packet)
        for packet in stream.encode():
            put(out, packet)
    with av.open(name) as read:
        stream = read.streams.video[0]
        ends = [(p.pts + (p.duration or 0)) * p.time_base for p in read.demux(stream) if p.pts is not None]
        start_s = read.start_time / 1e6
        return round(start_s, 1), round(read.duration / 1e6, 1), round(float(max(ends)) - start_s, 1)


def put(out, packet):
    late = int(LATE / packet.time_base)
    packet.pts, packet.dts = packet.pts + late, packet.dts + late
    out.mux(packet)


for name, codec in (("a.mp4", "mpeg4"), ("a.ts", "mpeg2video"), ("a.mkv", "mpeg4"), ("a.webm", "libvpx"), ("a.nut", "mpeg4")):
    start_s, declared_s, true_s = durations(name, codec)
    print(f"{name[2:]}: declares {declared_s} s, lasts {true_s} s")
PYTHON
cd "$folder"
found=$("$folder/venv/bin/python" program.py 2>/dev/null)
echo "$found"
[[ $found == "mp4: declares 10.0 s, lasts 10.0 s
ts: declares 10.0 s, lasts 10.0 s
mkv: declares 10.5 s, lasts 10.0 s
webm: declares 10.5 s, lasts 10.0 s
nut: declares 10.4 s, lasts 10.0 s" ]]
