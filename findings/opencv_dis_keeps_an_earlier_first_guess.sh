#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93: DISOpticalFlow remembers the first guess of an earlier call, and uses it again without being asked.
#
# Expected  dis.calc(first, second, None) starts from no motion: its result depends on the two pictures alone, so that one object
#           can serve all pairs of a video.
# Happens   once an object was called with a guess (dis.calc(first, second, guess)), every later call without one starts from
#           that old guess. A motion of 70 px, too far for a new object, is found by one that was told of it in a call before;
#           so a flow depends on which pairs the object saw, and two runs over the same pairs may differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q opencv-python-headless==5.0.0.93 numpy==2.4.6
cat > "$folder/program.py" <<'PYTHON'
import cv2
import numpy as np

chance = np.random.default_rng(1)
wall = cv2.GaussianBlur(chance.integers(0, 255, (240, 480), dtype=np.uint8), (0, 0), 2)
wall = cv2.normalize(wall, None, 0, 255, cv2.NORM_MINMAX)
first, second = wall[:, 100:420].copy(), wall[:, 30:350].copy()  # moves right by 70 px
guess = np.zeros((240, 320, 2), np.float32)
guess[..., 0] = 70


def median_motion(dis):
    return float(np.median(dis.calc(first, second, None)[:, :200, 0]))


new, used = (cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST) for _ in range(2))
before = median_motion(used)
used.calc(first, second, guess.copy())
print(f"OpenCV {cv2.__version__}, without a guess: {median_motion(new):.1f} px by a new object, {before:.1f} by another, "
      f"{median_motion(used):.1f} by that one after it had a guess")
PYTHON
cd "$folder"
found=$("$folder/venv/bin/python" program.py)
echo "$found"
[[ $found == *": -0.5 px by a new object, -0.5 by another, 70.0 by that one after it had a guess" ]]
