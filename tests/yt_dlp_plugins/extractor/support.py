"""yt-dlp's extractor for the video site of the tests, see tests/support/site.py; a plugin, as tests/ is on the path."""

from typing import Any
from urllib.parse import urljoin

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import ExtractorError, GeoRestrictedError, UserNotLive

RAISED = {
    "ExtractorError": ExtractorError,
    "GeoRestrictedError": GeoRestrictedError,
    "UserNotLive": UserNotLive,
    "TypeError": TypeError,  # an extractor with a fault
}


class SupportIE(InfoExtractor):  # type: ignore[misc]
    _VALID_URL = r"http://127\.0\.0\.1:\d+/watch/(?P<id>[^/?#]+)"

    def _real_extract(self, url: str) -> dict[str, Any]:
        name = self._match_id(url)
        page = self._download_json(url, name)
        if "warn" in page:
            self.report_warning(page["warn"])
        if "raise" in page:
            kind, *message = page["raise"]
            raise RAISED[kind](*message)
        formats: list[dict[str, Any]] = []
        for told in page.pop("formats", []):
            address = urljoin(url, told["url"])
            if address.endswith(".m3u8"):
                formats += self._extract_m3u8_formats(address, name, "mp4", m3u8_id=told["format_id"])
            else:
                formats.append({**told, "url": address})
        for kind in ("subtitles", "automatic_captions"):
            for tracks in page.get(kind, {}).values():
                for track in tracks:
                    track["url"] = urljoin(url, track["url"])
        return {"id": name, "formats": formats, **page}
