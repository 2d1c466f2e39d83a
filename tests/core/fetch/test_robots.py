"""X-Robots-Tag: what servers say to everybody and to us is obeyed, what they say to others is not."""

from pathlib import Path

import pytest
from support.session import direct
from support.site import VideoSite, fetch
from support.web import Web

from slurm.errors import ItemError
from stages.core.fetch.robots import find_opt_out
from stages.core.fetch.settings import Access
from stages.core.fetch.web.http import HttpClient

ALL = Access(None, None, None).opt_out


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (["noai"], "noai"),
        (["NoAI, noimageai"], "noai"),
        (["nofollow", "noimageindex"], "noimageindex"),
        (["none"], "noindex"),
        (["reelmill: noindex"], "noindex"),
        (["otherbot: noindex, nofollow, reelmill: noai"], "noai"),
        (["*: noai"], "noai"),
        (["unavailable_after: 25 Jun 2030 15:00:00 GMT, noai"], "noai"),
        (["otherbot: noindex, noai"], None),
        (["otherbot: noindex", "nofollow"], None),
        (["all, nofollow, max-image-preview: large"], None),
        (["unavailable_after: 25 Jun 2030 15:00:00 GMT"], None),
        (["", ":", ",,"], None),
        ([], None),
    ],
)
def test_words_for_everybody_and_for_us_count(headers: list[str], found: str | None) -> None:
    assert find_opt_out(headers, ALL) == found
    assert find_opt_out(headers, ()) is None


def test_a_file_that_its_server_keeps_from_us_is_not_saved(tmp_path: Path) -> None:
    with Web(files={"a.mp4": b"x" * 100, "b.mp4": b"y" * 100}) as web:
        web.fault("a.mp4", "robots", "noai")
        web.fault("b.mp4", "robots", "otherbot: noai")
        http = HttpClient(direct(tmp_path / "line"), 5.0, 2)
        with pytest.raises(ItemError, match="X-Robots-Tag says noai") as raised:
            http.save(web.url("a.mp4"), tmp_path / "a.mp4", 1000)
        assert raised.value.code == "opted_out"
        assert http.save(web.url("b.mp4"), tmp_path / "b.mp4", 1000).file.stat().st_size == 100
        assert not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize("where", ["watch/one", "h264+aac_72.mp4"])
def test_a_page_or_its_media_may_be_kept_from_us(tmp_path: Path, where: str, site: VideoSite) -> None:
    url = site.page("one", "h264+aac_72.mp4")
    site.fault(where, "robots", "noindex")
    with pytest.raises(ItemError) as raised:
        fetch(url, tmp_path)
    assert raised.value.code == "opted_out"
