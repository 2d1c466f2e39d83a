#!/usr/bin/env bash
# decord2 3.4.0 (and decord 0.6.0): a frame that is sought may be another one, silently, in HEVC as x265 encodes it by default.
#
# Expected  reader[i] is frame i, in whichever order frames are asked for; that is what frame-accurate seeking means.
# Happens   x265 lets frames that are shown before a sync frame refer to it (open GOPs, its default); they are stored behind it.
#           Asked for one of them, decord seeks to that sync frame, where a decoder drops what refers to frames before it,
#           and gives the frame that comes out next, without an error. Read in order, every frame is right, and
#           get_frame_timestamp names the time that was asked for: so sampling by index or by time gives other pictures than
#           the file shows there, near each sync frame. PyAV, which seeks by time, gives the right ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 decord2==3.4.0 numpy==2.4.6
cat > "$folder/program.py" <<'PYTHON'
import av
import decord
import numpy as np

FRAMES, WIDTH, HEIGHT = 120, 256, 144
with av.open("film.mp4", "w") as out:
    stream = out.add_stream("libx265", rate=25, options={"x265-params": "keyint=40:log-level=none"})
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    for n in range(FRAMES):
        picture = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
        picture[:, 2 * n : 2 * n + 16] = 220  # a bar that moves by two pixels a frame
        for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
            out.mux(packet)
    for packet in stream.encode():
        out.mux(packet)


def number(rgb):
    return round((np.flatnonzero(rgb[:, :, 1].mean(axis=0) > 125).mean() - 7.5) / 2)


with av.open("film.mp4") as film:
    shown = [number(frame.to_ndarray(format="rgb24")) for frame in film.decode(video=0)]
reader = decord.VideoReader("film.mp4", num_threads=1)
in_order = [number(reader.next().asnumpy()) for _ in range(len(reader))]
sought = {}
for n in [*range(3, FRAMES, 4)][::-1]:  # backwards, so that each is sought
    sought[n] = number(reader[n].asnumpy())
wrong = {n: got for n, got in sorted(sought.items()) if got != n}
print(f"decord {decord.__version__}: in order {'right' if in_order == shown == [*range(FRAMES)] else 'wrong'}, "
      f"sought {len(wrong)} of {len(sought)} wrong (asked for: got): {wrong}")
PYTHON
cd "$folder"
found=$("$folder/venv/bin/python" program.py 2>/dev/null)
echo "$found"
[[ $found == "decord 3.4.0: in order right, sought "[1-9]* ]]
