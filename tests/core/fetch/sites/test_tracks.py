"""Which of the tracks of a site are taken, by language and by who made them."""

import pytest

from stages.core.fetch.settings import Subtitles
from stages.core.fetch.sites.tracks import choose_tracks, note_passed_over


def track(name: str, ext: str = "vtt") -> list[dict[str, str]]:
    return [{"ext": "json3", "url": f"{name}.json"}, {"ext": ext, "url": f"https://host/{name}.{ext}"}]


def picked(manual: list[str], automatic: list[str], *languages: str, machine: bool = True) -> list[tuple[str, str]]:
    info = {"subtitles": {n: track(n) for n in manual}, "automatic_captions": {n: track(n) for n in automatic}}
    return [(name, kind) for name, kind, _ in choose_tracks(info, Subtitles([*languages], machine))]


def test_manual_comes_before_automatic_and_languages_in_their_order() -> None:
    found = picked(["de", "en-US", "en"], ["en-orig", "en"], "en", "en-US", "en-orig")
    assert found == [("en", "manual"), ("en-US", "manual"), ("en", "automatic"), ("en-orig", "automatic")]
    assert picked(["de"], ["en"], "en", machine=False) == []
    assert picked(["de"], ["en"]) == []


def test_a_language_stands_for_its_regions_after_those_that_are_named() -> None:
    assert picked(["en-CA", "eng", "en-j3PyPqV-e1s", "enm"], [], "en-GB", "en") == [
        ("eng", "manual"),
        ("en-CA", "manual"),
        ("en-j3PyPqV-e1s", "manual"),
    ]


def test_machine_translations_and_other_file_types_are_left_out() -> None:
    info = {
        "subtitles": {"en": track("en", "ass")[1:], "live_chat": track("chat", "json")},
        "automatic_captions": {"en": [{"ext": "vtt", "url": "https://host/api?lang=de&tlang=en"}]},
    }
    assert choose_tracks(info, Subtitles(["en"], True)) == []


@pytest.mark.parametrize("name", ["en_US", "EN-us", "eng-US", "eng_us", "en-US-x-1"])
def test_languages_are_matched_however_a_site_writes_them(name: str) -> None:
    assert picked([name, "de"], [], "en-US") == [(name, "manual")]
    assert picked([name, "de"], [], "en") == [(name, "manual")]
    assert picked([name, "de"], [], "EN_us") == [(name, "manual")]
    assert picked([name], [], "en-GB") == []


def test_what_is_passed_over_is_told() -> None:
    info = {
        "subtitles": {"de": track("de"), "en": [{"ext": "ass", "url": "https://host/en.ass"}]},
        "automatic_captions": {"fr": [{"ext": "vtt", "url": "https://host/api?tlang=fr"}]},
    }
    assert (
        note_passed_over(info, Subtitles(["en"], True))
        == "subtitles passed over: manual de (json3, vtt), manual en (ass)"
    )
    assert note_passed_over({"subtitles": {"en": track("en")}}, Subtitles(["en"], True)) is None
    assert note_passed_over(info, Subtitles([], True)) is None
