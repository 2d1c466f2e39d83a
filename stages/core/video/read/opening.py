"""Opens a local media file safely: no network, no playlist, no other file."""

import logging
from functools import cache
from pathlib import Path
from stat import S_ISREG

import av
from av.codec import Codec
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from slurm.errors import ItemError

# Demuxers that read one file and nothing else. hls, concat, dash, imf and sdp are left out: they open the files and
# addresses that the media names. Sound-only formats are in, so that such a file is no_video rather than corrupt.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpegts,mpegtsraw,mpeg,mpegvideo,m4v,h264,hevc,ivf,obu,av1,"
    "asf,ogg,nut,mxf,rm,dv,wtv,nsv,vc1,gif,apng,yuv4mpegpipe,mp3,wav,w64,flac,aac,ac3,eac3,aiff,amr,ape,caf,au"
)
log = logging.getLogger("reelmill")

SAFE_INPUT = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
# PyAV 18 asks FFmpeg to make up the times of display that an AVI does not store: with B-frames they are wrong.
AS_STORED = {"fflags": "-genpts"}


def open_container(path: str, hwaccel: str | None = None, max_pixels: int | None = None) -> InputContainer:
    """The opened container; the caller closes it. `hwaccel`: a device type of ffmpeg's, ignored where there is none.

    ffmpeg decodes the first frames to open a file; frames of more than `max_pixels` (width times height) are refused.
    Raises ItemError: missing, unreadable (not a regular file, no permission, input or output error), empty, corrupt.
    """
    file = Path(path)
    try:
        facts = file.stat()
        if not S_ISREG(facts.st_mode):  # a pipe or device would hang the worker
            raise ItemError("unreadable", f"{path}: not a regular file")
        if facts.st_size == 0:
            raise ItemError("empty", path)
        with file.open("rb") as stream:
            stream.read(1)
        # with the scheme, ffmpeg does not take a name like "concat:a|b" or "pipe:0" for an address
        device = hardware(hwaccel) if hwaccel else None
        options = SAFE_INPUT | AS_STORED | ({"max_pixels": str(max_pixels)} if max_pixels else {})
        return av.open(f"file:{path}", mode="r", options=options, metadata_errors="replace", hwaccel=device)
    except FileNotFoundError as error:
        raise ItemError("missing", path) from error
    except (av.FFmpegError, OSError, ValueError) as error:
        code = "unreadable" if isinstance(error, OSError) else "corrupt"  # some of PyAV's errors are OSErrors as well
        raise ItemError(code, f"{path}: {error}") from error


@cache
def hardware(device: str) -> HWAccel | None:
    """The device ("cuda", "qsv", …) for the decoders that support it; None, logged once a process, without one."""
    try:
        HWAccel(device).create(Codec("h264", "r"))
        return HWAccel(device, allow_software_fallback=True)
    except (av.FFmpegError, OSError, ValueError, NotImplementedError) as error:
        log.warning("hwaccel=%s is not available here (%s): decoding on the CPU", device, error)
        return None
