"""Videos of sites: yt-dlp's extractors find the formats, what becomes of them is decided here.

Nothing that a site says becomes the name of a file. Plugins of yt-dlp that are installed are used.
"""

import json
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from yt_dlp.utils import ReExtractInfo, YoutubeDLError
from yt_dlp.webvtt import ParseError

from slurm.errors import ItemError
from stages.core.fetch.fetched import Fetched
from stages.core.fetch.pace import Line
from stages.core.fetch.refused import RefusedError
from stages.core.fetch.settings import Formats, Limits, Subtitles
from stages.core.fetch.sites.about import Info, about, info_row
from stages.core.fetch.sites.container import contain
from stages.core.fetch.sites.extraction import Extraction, Wanted
from stages.core.fetch.sites.failures import status_of
from stages.core.fetch.sites.remote import Remote, UnfitError
from stages.core.fetch.sites.span import copy_span
from stages.core.fetch.sites.subtitles import Segment, count_words, plain, segments, tracks
from stages.core.schema.types import Row

SPENT = {403, 404, 410}  # the address of a file is good for some hours, and for whoever asked
SUBTITLE_BYTES = 64 << 20
SUBTITLE_TRIES = 3
UNREADABLE = (YoutubeDLError, ItemError, RefusedError, OSError, ParseError, ValueError, LookupError)


def fetch(
    url: str,
    folder: Path,
    *,
    formats: Formats,
    subtitles: Subtitles,
    span: tuple[float, float] | None,
    limits: Limits,
    line: Line,
) -> Fetched:
    """The video of a page as a file in `folder`, which is this video's alone; what an earlier try left is gone on with.

    `span`: only what lies between two moments, where the site can; `Fetched.offset_s` is the key frame before it. The
    times of subtitles are those of the whole video. Raises ItemError by class, RefusedError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Download(folder, Wanted(formats, subtitles, span, limits), line) as download:
        try:
            download.extract_info(url)
        except YoutubeDLError as error:
            raise download.told(error) from None  # its own message may hold secrets
    if download.fetched is None:
        raise ItemError("other", line.redacted(f"{url}: yt-dlp found nothing there"))
    fetched: Fetched = download.fetched
    return fetched


class Download(Extraction):
    """`fetched` is what came of it."""

    def __init__(self, folder: Path, wanted: Wanted, line: Line) -> None:
        super().__init__(wanted, line)
        self.folder = folder
        self.fetched: Fetched | None = None
        self.asked_again = False
        self.bytes_before, self.most_bytes = 0, wanted.limits.max_bytes
        self.add_progress_hook(self.check_bytes)

    def process_info(self, info: Info) -> None:
        """What yt-dlp does with a video whose formats are chosen."""
        self.at_media, self.bytes_before = True, 0
        try:
            file, offset_s = self.media(info)
        except YoutubeDLError as error:
            if status_of(error) in SPENT and not self.asked_again:
                self.asked_again, self.at_media = True, False
                raise ReExtractInfo("the address of the file is no longer good", expected=True) from error
            raise
        language, kind, told, failed = self.transcript(info)
        text = plain(told)
        known: Row = {**about(info), "transcript": text, "words": None if text is None else count_words(text)}
        rows: list[Row] = [{"language": language, "kind": kind, **segment._asdict()} for segment in told]
        self.fetched = Fetched(file, known, rows, info_row(info, subtitles_failed=failed), offset_s)
        for leftover in self.folder.iterdir():
            if leftover != file and not leftover.name.startswith("."):  # NFS has names of its own
                leftover.unlink()

    def media(self, info: Info) -> tuple[Path, float]:
        """The file, and where in the whole video its time 0 lies."""
        sources = [{**info, **one} for one in info.get("requested_formats") or [info]]
        for source in sources:
            source.pop("requested_formats", None)
        span = self.wanted.span
        if span is None and info.get("section_end"):  # the address itself is one of a part
            span = (float(info.get("section_start") or 0), float(info["section_end"]))
        if span is not None:
            self.check_length(span[1] - span[0])
            with suppress(UnfitError):
                return self.part(sources, span)
            self.check_length(info.get("duration") or 0)
        return self.whole(sources), 0.0

    def part(self, sources: list[Info], span: tuple[float, float]) -> tuple[Path, float]:
        """Only what lies in the span; UnfitError where it takes the whole to get it."""
        for source in sources:
            time.sleep(max(0.0, (source.get("available_at") or 0) - time.time()))  # YouTube wants that
        remotes = [Remote(self, source, self.most_bytes) for source in sources]
        file, offset_s = copy_span(remotes, span, self.folder / "unfinished", self.wanted.formats.container)
        return file.replace(file.with_stem("span")), offset_s

    def whole(self, sources: list[Info]) -> Path:
        """All of it: each stream downloaded, then put together. A complete file of an earlier try is taken as it is."""
        container = self.wanted.formats.container
        name = self.folder / f"video-{container}-{digest(*sources)}"
        for file in (name.with_suffix(".mp4"), name.with_suffix(".mkv")):
            if file.exists():
                return file
        streams = []
        for source in sources:
            stream = self.folder / f"stream-{digest(source)}"
            done, _ = self.dl(str(stream), source)
            if not done or not stream.is_file() or not stream.stat().st_size:
                raise ItemError("network", "the site sent nothing")
            self.bytes_before += stream.stat().st_size
            streams.append(stream)
        return contain(streams, name, container)

    def check_bytes(self, progress: dict[str, Any]) -> None:
        """yt-dlp's progress hook: stops a download when it is known to be too large."""
        known = max(progress.get("downloaded_bytes") or 0, progress.get("total_bytes") or 0)
        if self.bytes_before + known > self.most_bytes:
            raise ItemError("too_large", f"more than {self.most_bytes / 2**30:g} GB (limits.max_gb)")

    def transcript(self, info: Info) -> tuple[str | None, str | None, list[Segment], str | None]:
        """Language, kind and text of the first track that can be read, and what went wrong before that.

        Without subtitles a video is a video: nothing is raised.
        """
        failed, self.bytes_before, self.most_bytes = None, 0, SUBTITLE_BYTES
        for language, kind, track in tracks(info, self.wanted.subtitles)[:SUBTITLE_TRIES]:
            try:
                told = segments(self.vtt({"http_headers": info.get("http_headers"), **track}))
            except UNREADABLE as error:
                failed = self.line.redacted(f"{language}: {error}")
                continue
            if told:
                return language, kind, told, failed
            failed = f"{language}: nothing to read"
        return None, None, [], failed

    def vtt(self, track: Info) -> str:
        if track.get("data") is not None:
            return str(track["data"])
        file = self.folder / "subtitles.vtt"
        file.unlink(missing_ok=True)
        self.dl(str(file), track, subtitle=True)
        return file.read_text("utf-8-sig", errors="replace")


def digest(*sources: Info) -> str:
    """A name for these streams: what is left of another format, or of a replaced one, is not gone on with."""
    facts = ("extractor_key", "id", "format_id", "ext", "filesize", "tbr", "duration")
    return sha256(json.dumps([[source.get(fact) for fact in facts] for source in sources]).encode()).hexdigest()[:12]
