"""A session for tests: without a rate limit, with the proxies and cookies that a test names."""

from pathlib import Path

from stages.core.fetch.session import Session
from stages.core.fetch.settings import Access, Pace

PACE = Pace(requests_per_s=None, sleep_s=(0.0, 0.0), back_off_s=(0.1, 0.1), back_offs=1)


def direct(folder: Path, proxies: str = "", cookies: str = "", source_address: str | None = None) -> Session:
    """A Session with the proxies and cookies of these texts; `folder` is for its files."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str | None] = {"proxies": None, "cookies": None}
    for name, text in (("proxies", proxies), ("cookies", cookies)):
        if text:
            (folder / f"{name}.txt").write_text(text)
            files[name] = str(folder / f"{name}.txt")
    return Session(folder, PACE, Access(files["proxies"], files["cookies"], source_address))
