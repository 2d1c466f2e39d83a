"""A video site for tests: pages that yt-dlp's plugin in tests/yt_dlp_plugins reads, and real media behind them."""

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import numpy as np
from support.session import direct
from support.web import Web

from stages.core.fetch.result import FetchedVideo
from stages.core.fetch.session import Session
from stages.core.fetch.settings import Formats, Limits, Subtitles
from stages.core.fetch.sites import site
from stages.core.video.cut.encode import ffmpeg_path

FPS = 25
SECONDS = 10
FORMATS = Formats(height_px=216, codecs=["h264", "vp9", "av1"], container="mp4")
SUBTITLES = Subtitles(languages=["en", "en-US"], automatic=True)
LIMITS = Limits(max_s=3600, max_gb=1, max_pixels=10**7, stall_s=5)  # a busy machine may be silent for a second

# What the site offers of its film, and how each file is made of it. Names tell codec (and whether sound is in it too)
# and height.
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-bf", "2"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "100k", "-g", "50"]
VP8 = ["-c:v", "libvpx", "-threads", "1", "-deadline", "realtime", "-cpu-used", "16"]
VORBIS = ["-b:v", "100k", "-c:a", "libvorbis"]
DASH = ["-f", "mp4", "-movflags", "dash+global_sidx+frag_keyframe"]
HLS = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0"]
FILES = {
    "opus.webm": ["-vn", "-c:a", "libopus"],
    "aac.m4a": [
        "-vn",
        "-c:a",
        "aac",
        "-b:a",
        "320k",
        "-f",
        "mp4",
        "-movflags",
        "dash+global_sidx",
        "-frag_duration",
        "1000000",
    ],
    "h264_72.mp4": ["-an", "-vf", "scale=-2:72", *H264, *DASH],
    "h264_144.mp4": ["-an", "-vf", "scale=-2:144", *H264, *DASH],
    "h264_216.mp4": ["-an", *H264, *DASH],
    "vp9_144.webm": ["-an", "-vf", "scale=-2:144", *VP9],
    "h264+aac_72.mp4": ["-vf", "scale=-2:72", *H264, "-c:a", "aac", "-movflags", "+faststart"],
    "h264+aac_72.mkv": ["-vf", "scale=-2:72", *H264, "-c:a", "aac"],
    "vp9+opus_72.webm": ["-vf", "scale=-2:72", *VP9, "-c:a", "libopus"],
    "vp8+vorbis_72.webm": ["-vf", "scale=-2:72", *VP8, *VORBIS],
    "aes.m3u8": ["-vf", "scale=-2:72", *H264, "-an", "-t", "2", *HLS, "-hls_key_info_file", "key.txt"],
    "hls.m3u8": ["-vf", "scale=-2:72", *H264, "-g", "25", "-c:a", "aac", *HLS],
}
CODECS = {"h264": "avc1.42c01e", "vp9": "vp09.00.10.08", "vp8": "vp8", "aac": "mp4a.40.2", "opus": "opus"}


def make_film(folder: Path) -> None:
    """The files of the film: 384x216, 10 s at 25 fps; frame n shows n in binary as eight columns, lowest bit left.

    Its sound in second s is a tone of 300 + 100 s Hz.
    """
    bits = "geq=lum='if(mod(floor(N/pow(2,X)),2),200,40)':cb=128:cr=128,scale=384x216:flags=neighbor,setsar=1"
    picture = f"color=black:s=8x2:r={FPS},trim=end_frame={FPS * SECONDS},{bits},format=yuv420p"
    command = [ffmpeg_path(), "-nostdin", "-v", "error", "-f", "lavfi", "-i", picture]
    command += [
        "-f",
        "lavfi",
        "-i",
        f"aevalsrc='0.5*sin(2*PI*(300+100*floor(t))*t)+0.01*random(0)':s=48000:d={SECONDS}",
    ]
    for name, arguments in FILES.items():
        command += [*arguments, str(folder / name)]
    (folder / "key").write_bytes(b"0123456789abcdef")
    (folder / "key.txt").write_text("key\nkey\n")
    subprocess.run(command, check=True, cwd=folder)


def offer(*names: str) -> list[dict[str, Any]]:
    """yt-dlp's entries of some files of the film."""
    formats = []
    for name in names:
        stem, _, ext = name.rpartition(".")
        codecs, _, height = stem.partition("_")
        told: dict[str, Any] = {"format_id": name, "url": f"/{quote(name)}", "ext": ext}
        if height:
            picture, _, sound = codecs.partition("+")
            told |= {"height": int(height), "width": int(height) * 16 // 9, "vcodec": CODECS[picture]}
            told["acodec"] = CODECS.get(sound, sound) or "none"
        elif codecs in CODECS:
            told |= {"vcodec": "none", "acodec": CODECS[codecs]}
        formats.append(told)
    return formats


class VideoSite(Web):
    """Media below `folder`, and pages."""

    def page(self, name: str, *formats: str, **told: Any) -> str:
        """The address of a page that offers these files, and tells more as yt-dlp names it."""
        self.files[f"watch/{name}"] = json.dumps(
            {"title": f"The film {name}", "duration": SECONDS, "formats": offer(*formats), **told}
        ).encode()
        return self.url(f"watch/{name}")


def fetch(
    url: str, folder: Path, session: Session | None = None, span: tuple[float, float] | None = None, **more: Any
) -> FetchedVideo:
    wanted = {"formats": FORMATS, "subtitles": SUBTITLES, "limits": LIMITS, **more}
    return site.fetch(url, folder / "video", span=span, session=session or direct(folder / "line"), **wanted)


def streams(file: Path) -> dict[str, Any]:
    """Container, codecs, height of a file, and the frames and seconds of sound that can be decoded."""
    with av.open(str(file)) as opened:
        found: dict[str, Any] = {"container": opened.format.name, "suffix": file.suffix}
        for stream in opened.streams:
            found[stream.type] = stream.codec_context.name
        found["height"] = opened.streams.video[0].height
        found["frames"] = sum(1 for _ in opened.decode(video=0))
    return found


def numbers(file: Path) -> list[tuple[float, int]]:
    """The time of each frame from the container's start, and the number that it shows."""
    from stages.core.video.read.packets import open_video

    found = []
    with open_video(str(file), 10**8, 10**5) as video:
        for time_s, frame in video.frames():
            luma = frame.to_ndarray(format="gray")
            column = luma.shape[1] // 8
            bits = [luma[:, i * column + column // 2].mean() > 120 for i in range(8)]
            found.append((time_s, sum(bit << i for i, bit in enumerate(bits))))
    return found


def tone_hz(file: Path, from_s: float) -> float:
    """The tone in the 0.2 s of sound from a time, which counts from the container's start."""
    with av.open(str(file)) as opened:
        start_s = (opened.start_time or 0) / 1e6 + from_s
        samples = []
        for frame in opened.decode(audio=0):
            assert frame.time is not None
            wave = frame.to_ndarray()[0]
            first = round((start_s - frame.time) * frame.sample_rate)
            samples.append(wave[max(0, first) : max(0, first + frame.sample_rate // 5)])
    crossings = np.diff(np.sign(np.concatenate(samples))) != 0
    return float(crossings.sum() / 2 / 0.2)
