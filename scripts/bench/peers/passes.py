"""The passes over a video that `analyze` replaces, as the old scripts make them: each in a process of its own.

Freezes by ffmpeg's filter, a minute at a time (FineVideo); ContentDetector at 27, I-frames as RGB with three kept as
JPEG, and Farnebäck's flow on them at full size (video-dataset-scripts); dense flow at 2 fps on 520 pixels (LVD-2M's, of
RAFT, for which Farnebäck stands here); ContentDetector at 15 around annotated scenes of 20 s (FineVideo).

    python -m scripts.bench.peers.passes freezes|scenes|key_frames|key_frame_flow|flow|borders VIDEO
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from cv2.typing import MatLike
    from numpy.typing import NDArray

WINDOW_S, SCENE_S, AROUND_S = 60, 20, 2
FLOW_FPS, FLOW_PX = 2, 520


def freezes(video: str) -> None:
    import cv2

    from stages.core.video.cut.encode import ffmpeg_path

    capture = cv2.VideoCapture(video)
    length_s = capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
    for start_s in range(0, int(length_s) + 1, WINDOW_S):
        window = ["-ss", str(start_s), "-t", str(WINDOW_S), "-i", video, "-map", "0:v:0"]
        filtered = ["-vf", "freezedetect=n=0.05:d=50", "-f", "null", "-"]
        subprocess.run([ffmpeg_path(), "-nostdin", "-v", "info", *window, *filtered], check=True, capture_output=True)


def scenes(video: str) -> None:
    from scenedetect import ContentDetector, detect

    detect(video, ContentDetector(threshold=27, min_scene_len=15))


def borders(video: str) -> None:
    from scenedetect import ContentDetector, SceneManager, open_video

    opened = open_video(video)
    length_s = opened.duration.seconds if opened.duration else 0
    for start_s in range(0, int(length_s), SCENE_S):
        opened.seek(float(max(0, start_s - AROUND_S)))
        manager = SceneManager()
        manager.add_detector(ContentDetector(threshold=15))
        manager.detect_scenes(opened, end_time=float(min(length_s, start_s + SCENE_S + AROUND_S)))


def stills(video: str) -> "list[NDArray[np.uint8]]":
    """All I-frames, RGB at full size."""
    import av
    import numpy as np

    with av.open(video) as container:
        container.streams.video[0].codec_context.skip_frame = "NONKEY"
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]


def key_frames(video: str) -> None:
    import cv2

    found = stills(video)
    for image in (found[0], found[len(found) // 2], found[-1]):
        cv2.imencode(".jpg", image[..., ::-1])


def key_frame_flow(video: str) -> None:
    import cv2

    follow(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in stills(video))


def flow(video: str) -> None:
    import cv2

    def small() -> "Iterator[MatLike]":
        capture, n = cv2.VideoCapture(video), 0
        step = max(1, round(capture.get(cv2.CAP_PROP_FPS) / FLOW_FPS))
        while capture.grab():
            if n % step == 0:
                _, image = capture.retrieve()
                size = (FLOW_PX, round(FLOW_PX * image.shape[0] / image.shape[1]))
                yield cv2.cvtColor(cv2.resize(image, size), cv2.COLOR_BGR2GRAY)
            n += 1

    follow(small())


def follow(images: "Iterator[MatLike]") -> None:
    """Farnebäck's flow from each grey image to the next, and its mean."""
    import cv2

    before = next(images, None)
    for image in images:
        assert before is not None
        cv2.calcOpticalFlowFarneback(before, image, None, 0.5, 3, 15, 3, 5, 1.2, 0).mean()  # type: ignore[call-overload]
        before = image


PASSES = {function.__name__: function for function in (freezes, scenes, key_frames, key_frame_flow, flow, borders)}

if __name__ == "__main__":
    PASSES[sys.argv[1]](os.fspath(sys.argv[2]))
