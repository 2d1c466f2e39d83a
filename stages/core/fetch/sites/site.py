"""Fetches videos of sites: yt-dlp's extractors find the formats; selection and download are controlled here.

No file name comes from a site. Installed yt-dlp plugins are used.
"""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from yt_dlp.utils import ReExtractInfo, YoutubeDLError
from yt_dlp.webvtt import ParseError

from slurm.errors import ItemError
from stages.core.fetch.about import Info
from stages.core.fetch.result import FetchedVideo
from stages.core.fetch.session import Session
from stages.core.fetch.settings import Formats, Limits, Subtitles
from stages.core.fetch.sites.extraction import Extraction, FetchOptions
from stages.core.fetch.sites.failures import status_of
from stages.core.fetch.sites.merging import merge_streams
from stages.core.fetch.sites.metadata import about_row, info_row, seconds
from stages.core.fetch.sites.range_file import NoSpanError, RangeFile
from stages.core.fetch.sites.span import copy_span
from stages.core.fetch.sites.subtitle_formats import decode
from stages.core.fetch.sites.subtitles import Segment, count_words, join_text, parse_segments
from stages.core.fetch.sites.tracks import choose_tracks, note_passed_over
from stages.core.fetch.throttled import ThrottledError
from stages.core.schema.types import Row

EXPIRED = {403, 404, 410}  # statuses of an expired media URL: these hold for some hours, and for one client
SUBTITLE_BYTES = 64 << 20
SUBTITLE_TRIES = 3
MOST_WAIT_S = 60.0
LOST_IN_PASSING = (YoutubeDLError, ItemError, OSError)
UNREADABLE = (YoutubeDLError, ItemError, ThrottledError, OSError, ParseError, ValueError, LookupError)


def fetch(
    url: str,
    folder: Path,
    *,
    formats: Formats,
    subtitles: Subtitles,
    span: tuple[float, float] | None,
    limits: Limits,
    session: Session,
    only_subtitles: bool = False,
) -> FetchedVideo:
    """The video of a page as a file in `folder`, which belongs to this attempt alone; partial downloads are resumed.

    `span` is (start, end) in seconds: only that part is fetched if the site supports it, from the key frame before it
    (`FetchedVideo.offset_s`). Subtitle times refer to the whole video. With `only_subtitles` there is no file.
    Raises ItemError by class, ThrottledError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Download(folder, FetchOptions(formats, subtitles, span, limits), session, only_subtitles) as download:
        try:
            download.page = url
            download.extract_info(url)
        except YoutubeDLError as error:
            raise download.convert_error(error) from None  # its own message may hold secrets
    if download.fetched is None:
        raise ItemError("other", session.redact(f"{url}: yt-dlp found no video"))
    fetched: FetchedVideo = download.fetched
    return fetched


class Found(NamedTuple):
    """A subtitle track; the last failure before it, and whether that was a passing one."""

    language: str | None = None
    kind: str | None = None
    segments: Sequence[Segment] = ()
    failed: str | None = None
    passing: bool = False


class Download(Extraction):
    """Fetches one video; after `extract_info(url)` its result is in `fetched`, None if the page has no video."""

    def __init__(
        self, folder: Path, fetch_options: FetchOptions, session: Session, only_subtitles: bool = False
    ) -> None:
        super().__init__(fetch_options, session)
        self.folder, self.only_subtitles = folder, only_subtitles
        self.fetched: FetchedVideo | None = None
        self.extracted_again = False
        self.bytes_before, self.most_bytes = 0, fetch_options.limits.max_bytes
        self.add_progress_hook(self.check_bytes)

    def process_info(self, info: Info) -> None:
        """Called by yt-dlp with a video whose formats are chosen; fetches media and subtitles into `fetched`."""
        self.at_media, self.bytes_before = True, 0
        if self.only_subtitles:
            self.fetched = self.with_subtitles(info, None, 0.0)
            return
        try:
            file, offset_s = self.fetch_media(info)
        except YoutubeDLError as error:
            if status_of(error) in EXPIRED and not self.extracted_again:
                self.extracted_again, self.at_media = True, False
                raise ReExtractInfo("the URL of the media file has expired", expected=True) from error
            raise
        self.fetched = self.with_subtitles(info, file, offset_s)
        for leftover in self.folder.iterdir():
            if leftover != file and not leftover.name.startswith("."):  # .nfs… of NFS
                leftover.unlink()

    def with_subtitles(self, info: Info, file: Path | None, offset_s: float) -> FetchedVideo:
        """The file with what its site says of it."""
        found = self.fetch_subtitles(info)
        about, notes = about_row(info)
        words = join_text(found.segments)
        known: Row = {**about, "transcript": words, "words": None if words is None else count_words(words)}
        rows: list[Row] = [
            {"language": found.language, "kind": found.kind, **segment._asdict()} for segment in found.segments
        ]
        passed_over = None if rows else note_passed_over(info, self.fetch_options.subtitles)
        notes += [f"subtitles: {found.failed}"] if found.failed else []
        notes += [passed_over] if passed_over else []
        return FetchedVideo(
            file or Path(),
            known,
            rows,
            info_row(info, subtitles_failed=found.failed),
            offset_s,
            notes=notes,
            loss="subtitles_failed" if found.passing else None,
        )

    def fetch_media(self, info: Info) -> tuple[Path, float]:
        """The media file, and the position of its time 0 in the whole video, in seconds."""
        sources = [{**info, **one} for one in info.get("requested_formats") or [info]]
        for source in sources:
            source.pop("requested_formats", None)
            self.in_pieces |= str(source.get("protocol")).startswith("m3u8")
        span = self.fetch_options.span
        if span is None and info.get("section_end"):  # the URL itself names a part of the video
            span = (seconds(info.get("section_start")) or 0.0, seconds(info["section_end"]) or 0.0)
            span = span if span[0] < span[1] else None
        if span is not None:
            self.check_length(span[1] - span[0])
            with suppress(NoSpanError):
                return self.fetch_span(sources, span)
            self.check_length(seconds(info.get("duration")) or 0)
        return self.fetch_whole(sources), 0.0

    def fetch_span(self, sources: list[Info], span: tuple[float, float]) -> tuple[Path, float]:
        """Like `fetch_media`, for the span alone. Raises NoSpanError if only the whole video can be fetched."""
        for source in sources:
            wait_s = (source.get("available_at") or 0) - time.time()
            time.sleep(min(max(0.0, wait_s), MOST_WAIT_S))  # YouTube rejects earlier requests
        remotes = [RangeFile(self, source, self.most_bytes) for source in sources]
        file, offset_s = copy_span(remotes, span, self.folder / "unfinished", self.fetch_options.formats.container)
        return file.replace(file.with_stem("span")), offset_s

    def fetch_whole(self, sources: list[Info]) -> Path:
        """The whole video: each stream downloaded, then merged. A complete file of an earlier attempt is reused."""
        container = self.fetch_options.formats.container
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
        return merge_streams(streams, name, container)

    def check_bytes(self, progress: dict[str, Any]) -> None:
        """yt-dlp's progress hook. Raises ItemError too_large as soon as the size is known to exceed limits.max_gb."""
        known = max(progress.get("downloaded_bytes") or 0, progress.get("total_bytes") or 0)
        if self.bytes_before + known > self.most_bytes:
            raise ItemError("too_large", f"more than {self.most_bytes / 2**30:g} GB (limits.max_gb)")

    def fetch_subtitles(self, info: Info) -> Found:
        """The first readable subtitle track. Raises nothing: a video without subtitles is still fetched.

        Where the site throttles us no more tracks are asked for, and the whole task pauses before its next request.
        """
        failed, passing, self.bytes_before, self.most_bytes = None, False, 0, SUBTITLE_BYTES
        for language, kind, track in choose_tracks(info, self.fetch_options.subtitles)[:SUBTITLE_TRIES]:
            try:
                segments = parse_segments(self.fetch_track({"http_headers": info.get("http_headers"), **track}))
            except UNREADABLE as error:
                failed = self.session.redact(f"{language}: {error}")
                refused = error if isinstance(error, ItemError | ThrottledError) else self.convert_error(error)
                if isinstance(refused, ThrottledError):
                    self.session.slow_down(urlsplit(str(info.get("webpage_url"))).hostname or "", refused)
                    return Found(failed=failed, passing=True)
                passing |= isinstance(error, LOST_IN_PASSING) and refused.code in ("network", "disk", "site_failed")
                continue
            if segments:
                return Found(language, kind, segments, failed)
            failed = f"{language}: no readable text"
        return Found(failed=failed, passing=passing)

    def fetch_track(self, track: Info) -> str:
        if track.get("data") is not None:
            return str(track["data"])
        file = self.folder / "subtitles.vtt"
        file.unlink(missing_ok=True)
        self.dl(str(file), track, subtitle=True)
        return decode(file.read_bytes())


def digest(*sources: Info) -> str:
    """12 hex digits that identify these streams, so that a partial download of another format is not resumed."""
    facts = ("extractor_key", "id", "format_id", "ext", "filesize", "tbr", "duration")
    return sha256(json.dumps([[source.get(fact) for fact in facts] for source in sources]).encode()).hexdigest()[:12]
