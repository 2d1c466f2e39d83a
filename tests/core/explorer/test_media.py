"""Where the page finds media: by relative paths from disk, or below an address that is said."""

from pathlib import Path

import pytest

from stages.core.explorer.media import Places, origins

PAGE = Path("/runs/r/report/explorer")


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/runs/r/cut/media/a b.mp4", "../../cut/media/a%20b.mp4"),
        ("/data/#1?.mp4", "../../../../data/%231%3F.mp4"),
        ("/runs/r/report/explorer/x:y.mp4", "x%3Ay.mp4"),
        ("/data/\udcff.mp4", "../../../../data/%FF.mp4"),
        ("s3://bucket/videos/a.mp4", None),
    ],
)
def test_files_are_found_from_the_page(path: str, address: str | None) -> None:
    assert Places(PAGE, None, []).address(path) == address


@pytest.mark.parametrize("base", ["https://media.example.org/v", "https://media.example.org/v/"])
def test_what_lies_in_the_store_is_found_below_media_base(base: str) -> None:
    places = Places(PAGE, base, ["s3://bucket/videos", "/runs/r/cut/media"])
    assert places.address("s3://bucket/videos/00/a.mp4") == "https://media.example.org/v/00/a.mp4"
    assert places.address("/runs/r/cut/media/00/a.mp4") == "https://media.example.org/v/00/a.mp4"
    assert places.address("/elsewhere/a.mp4") == "../../../../elsewhere/a.mp4"
    assert Places(PAGE, "../media", ["/runs/r/cut/media"]).address("/runs/r/cut/media/a.mp4") == "../media/a.mp4"


def test_policy_names_the_host_of_media_base_alone() -> None:
    assert origins(None) == origins("../media") == "'self'"
    assert origins("https://media.example.org/v?x='unsafe-inline'") == "'self' https://media.example.org"
