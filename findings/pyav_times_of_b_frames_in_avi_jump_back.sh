#!/usr/bin/env bash
# PyAV 18.1.0: in AVI with B-frames (as NTU RGB+D and UCF-101 have them) the times of decoded frames jump back and forth.
#
# Expected  frames come out of the decoder in the order in which they are shown, and frame.pts grows with it; AVI has no
#           presentation times, so it is None, or what ffmpeg says: ffprobe's best_effort_timestamp, 2, 3, 4, 5, …
# Happens   the pictures are in order, their times are not: 1, 3, 4, 2, 6, 7, 5, … PyAV opens files with FFmpeg's flag `genpts`,
#           which ffmpeg and ffprobe do not set; what that makes of AVI's decoding times belongs to the packets' order. Who takes
#           frames by frame.time gets others than a player shows. With options={"fflags": "-genpts"} frame.pts is None, and
#           frame.dts is ffmpeg's time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.4.6
cat > "$folder/program.py" <<'PYTHON'
import av
import numpy as np

with av.open("film.avi", "w") as out:
    stream = out.add_stream("libx264", rate=25, options={"bf": "2", "g": "12"})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for n in range(12):  # each brighter than the one before
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * n, np.uint8), format="rgb24")
        frame.pts = n
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def read(**options):
    with av.open("film.avi", options=options) as film:
        frames = list(film.decode(video=0))
    grey = [frame.to_ndarray(format="gray").mean() for frame in frames]
    return grey == sorted(grey), [frame.pts for frame in frames][:9], [frame.dts for frame in frames][:9]


in_order, pts, _ = read()
_, bare, dts = read(fflags="-genpts")
print(f"av {av.__version__}: pictures in order: {in_order}; pts {pts}; with -genpts pts {set(bare)}, dts {dts}")
PYTHON
cd "$folder"
found=$("$folder/venv/bin/python" program.py 2>/dev/null)
echo "$found"
[[ $found == "av 18.1.0: pictures in order: True; pts [1, 3, 4, 2, 6, 7, 5, 9, 10]; with -genpts pts {None}, dts [2, 3, 4, 5, 6, 7, 8, 9, 10]" ]]
