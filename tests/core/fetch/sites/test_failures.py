"""Messages of yt-dlp and of sites, and the error codes that they become."""

import errno
from email.message import Message
from io import BytesIO

import pytest
from yt_dlp.networking import Response
from yt_dlp.networking.exceptions import HTTPError, IncompleteRead, ProxyError, TransportError
from yt_dlp.utils import (
    ContentTooShortError,
    DownloadError,
    ExtractorError,
    GeoRestrictedError,
    PostProcessingError,
    UnsupportedError,
    UserNotLive,
)

from slurm.errors import ItemError, UnavailableError
from stages.core.fetch.sites.failures import classify_failure
from stages.core.fetch.throttled import ThrottledError

HOWTO = "Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/yt-dlp/yt-dlp/wiki/FAQ"

# The words of yt-dlp 2026.10 and of YouTube's own explanations, which yt-dlp passes on.
SAID = [
    ("private", f"Private video. Sign in if you've been granted access to this video. {HOWTO}"),
    ("private", "Video unavailable. This video is private"),
    ("private", "This video is protected by a password, use the --video-password option"),
    ("private", "Because of its privacy settings, this video cannot be played here."),
    ("private", f"This video is only available for registered users. {HOWTO}"),
    ("private", f"Login required to access this video. {HOWTO}"),
    ("removed", "Video unavailable"),
    ("removed", "Video unavailable. This video is unavailable"),
    ("removed", "Video unavailable. This video has been removed by the uploader"),
    ("removed", "This video has been removed for violating YouTube's Community Guidelines"),
    ("removed", "This video isn't available anymore"),
    (
        "removed",
        "This video is no longer available because the YouTube account associated with it was terminated",
    ),
    ("removed", "This video is no longer available due to a copyright claim by Some Studio"),
    ("removed", "This video contains content from Some Studio, who has blocked it on copyright grounds"),
    ("removed", "This live stream recording is not available."),
    ("removed", "The VOD does not exist"),
    ("removed", "Video not found"),
    ("members_only", "Join this channel to get access to members-only content like this video, and other perks."),
    ("members_only", "This video is available to this channel's members on level: Gold (or any higher level). Join."),
    ("members_only", "This video is available to this channel’s members"),
    ("members_only", "This video requires payment to watch"),
    ("members_only", f"This video is only available for premium users. {HOWTO}"),
    ("members_only", f"This video requires a subscription. {HOWTO}"),
    ("age_restricted", f"Sign in to confirm your age. This video may be inappropriate for some users. {HOWTO}"),
    ("age_restricted", "This video is age-restricted and only available on YouTube"),
    ("age_restricted", f"NSFW tweet requires authentication. {HOWTO}"),
    ("geo_blocked", "The uploader has not made this video available in your country"),
    ("geo_blocked", "Video unavailable. Some Studio has blocked it in your country on copyright grounds"),
    ("geo_blocked", "This video is not available from your location due to geo restriction"),
    ("geo_blocked", "Your IP address is blocked from accessing this post"),
    ("live", "Premieres in 5 hours"),
    ("live", "This live event will begin in 23 minutes."),
    ("live", "This livestream has not yet started"),
    ("live", "We're processing this video. Check back later."),
    ("no_format", "Requested format is not available. Use --list-formats for a list of available formats"),
    ("no_format", "No video formats found!"),
    ("no_format", "This video is DRM protected"),
    ("no_format", "No video could be found in this tweet"),
    ("bot_check", f"Sign in to confirm you’re not a bot. {HOWTO}"),
    ("bot_check", f"Sign in to confirm you're not a bot. {HOWTO}"),
    ("bot_check", "Video unavailable. YouTube is requiring a captcha challenge before playback"),
    ("bot_check", "Got HTTP Error 403 caused by Cloudflare anti-bot challenge; try again with impersonation"),
    ("bot_check", "The provided YouTube account cookies are no longer valid. They have likely been rotated"),
    (
        "rate_limited",
        "This content isn't available, try again later. Your account has been rate-limited by YouTube",
    ),
    ("rate_limited", "You have exceeded the rate limit. Try again later"),
    ("rate_limited", "Unable to download webpage: HTTP Error 429: Too Many Requests"),
    ("network", "\r[download] Got error: HTTP Error 503: Service Unavailable. Giving up after 3 retries"),
    ("network", "\r[download] Got error: 500 bytes read, 500 more expected. Giving up after 3 retries"),
    ("network", "content too short (expected 1000 bytes and served 500)"),
    ("bad_stream", "fragment 3 not found, unable to continue"),
    ("bad_stream", "Failed to parse m3u8 information"),
    ("bad_stream", "This format is protected with AES and cannot be decrypted"),
    ("site_failed", "The page needs to be reloaded."),
    ("site_failed", "The following content is not available on this app.. Watch on the latest version of YouTube."),
    ("site_failed", "This content is not available on this app"),
    ("site_failed", "Failed to extract any player response"),
    ("site_failed", "Something went wrong. Please try again."),
    ("site_failed", "An error occurred. Please try again later."),
    ("site_failed", "This video is currently unavailable"),
    ("unknown", "The owner's cat walked over the keyboard"),
    ("unknown", "Unable to extract title; please report this issue on  https://github.com/yt-dlp/yt-dlp"),
    ("disk", "unable to write data: [Errno 28] No space left on device"),
    ("removed", "Unable to download webpage: HTTP Error 404: Not Found"),
    ("private", "Unable to download webpage: HTTP Error 403: Forbidden"),
    (
        "site_failed",
        "Unable to extract initial player response; please report this issue on  https://github.com/yt-dlp/yt-dlp",
    ),
    ("other", "Unsupported URL: https://example.org/private/removed.html"),
]


def code(error: BaseException | str, media: bool = False) -> str:
    return classify_failure(error, media=media).code


def answer(status: int, **headers: str) -> HTTPError:
    told = Message()
    for name, value in headers.items():
        told[name.replace("_", "-")] = value
    return HTTPError(Response(BytesIO(), "http://host/watch", told, status))


def wrapped(cause: Exception, message: str = "Unable to download webpage") -> DownloadError:
    """As yt-dlp raises it: in an extractor, then once more where it is reported."""
    try:
        try:
            raise cause
        except type(cause) as error:
            raise ExtractorError(message, cause=error) from error
    except ExtractorError as error:
        return DownloadError(f"ERROR: {error}", error.exc_info)


@pytest.mark.parametrize(("expected", "words"), SAID)
def test_sentences_have_their_class(expected: str, words: str) -> None:
    assert code(words) == expected
    assert code(f"ERROR: [youtube] dQw4w9WgXcQ: {words}") == expected
    assert code(DownloadError(f"ERROR: [youtube] not-a-bot42: {words}")) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, "private"),
        (402, "members_only"),
        (403, "private"),
        (404, "removed"),
        (407, "network"),
        (410, "removed"),
        (418, "unknown"),
        (429, "rate_limited"),
        (451, "geo_blocked"),
        (500, "network"),
        (503, "network"),
        (302, "network"),
    ],
)
def test_statuses_have_their_class(status: int, expected: str) -> None:
    assert code(answer(status)) == code(wrapped(answer(status))) == expected


def test_a_refused_file_of_a_good_page_is_one_whose_address_ran_out() -> None:
    assert code(answer(403), media=True) == "network"
    assert code("unable to download video data: HTTP Error 403: Forbidden", media=True) == "network"
    assert code(answer(404), media=True) == "removed"


def test_a_refusal_is_what_the_site_explains_it_with() -> None:
    assert code(wrapped(answer(403), "This video is not available in your country")) == "geo_blocked"
    assert code(wrapped(answer(404), "This video is private")) == "private"
    assert code(wrapped(answer(503), "This video is private")) == "network"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GeoRestrictedError("nothing that tells", countries=["DE"]), "geo_blocked"),
        (UserNotLive(), "live"),
        (UnsupportedError("https://example.org/"), "other"),
        (TransportError(cause=ConnectionResetError("peer")), "network"),
        (TransportError("Failed to resolve 'private.example'"), "network"),
        (IncompleteRead(partial=5, expected=5), "network"),
        (ProxyError("the proxy"), "network"),
        (ContentTooShortError(5, 10), "network"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (OSError(errno.EDQUOT, "over"), "disk"),
        (PermissionError(errno.EACCES, "Permission denied", "/videos/a.part"), "disk"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "network"),
        (PostProcessingError("Error opening output files: No space left on device"), "disk"),
        (AttributeError("'NoneType' object has no attribute 'get'"), "unknown"),
    ],
)
def test_types_tell_more_than_words(error: Exception, expected: str) -> None:
    assert code(error) == code(wrapped(error)) == expected


def test_our_own_errors_come_out_as_they_went_in() -> None:
    for own in (ItemError("too_large", "11 GB"), ThrottledError("rate_limited", "host", 7)):
        assert classify_failure(wrapped(own)) is own
    with pytest.raises(UnavailableError, match="host wants"):
        classify_failure(wrapped(UnavailableError("host wants more pauses")))


def test_the_pause_that_a_host_asks_for_is_kept() -> None:
    for wait, expected in (("17", 17.0), ("soon", None)):
        refused = classify_failure(wrapped(answer(429, Retry_After=wait)))
        assert isinstance(refused, ThrottledError)
        assert refused.after_s == expected


def test_detail_says_what_a_user_of_ours_can_do() -> None:
    bot = classify_failure(f"ERROR: [youtube] abc: Sign in to confirm you’re not a bot. {HOWTO}")
    assert bot.detail == (
        "Sign in to confirm you’re not a bot. "
        "export access.cookies anew, use other access.proxies, or lower pace.requests_per_s"
    )
    blamed = classify_failure(
        "ERROR: [x] 1: Unable to extract title; please report this issue on  https://github.com/yt-dlp"
    )
    assert blamed.detail == "Unable to extract title"
    assert (
        classify_failure(wrapped(answer(404), "No page: HTTP Error 404: Not Found")).detail
        == "No page: HTTP Error 404: Not Found"
    )
    assert len(classify_failure("x" * 10_000).detail) <= 500


def test_details_are_redacted() -> None:
    told = classify_failure(
        "cannot connect to proxy ann:secret@host", redact=lambda text: text.replace("ann:secret@", "")
    )
    assert (told.code, told.detail) == ("unknown", "cannot connect to proxy host")
