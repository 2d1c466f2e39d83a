"""The rate-limited session of a worker process: its rate, its pauses, its identity."""

import json
import threading
import time
from pathlib import Path

import pytest
from support.runs import until

from slurm.errors import UnavailableError
from stages.core.fetch.session import Session, get_session
from stages.core.fetch.settings import Access, Pace
from stages.core.fetch.throttled import ThrottledError

NOBODY = Access(None, None, None)
REFUSED = ThrottledError("rate_limited", "429 via http://Ann:hush@proxy.net:8080")


def pace(per_s: float | None = None, sleep_s: tuple[float, float] = (0, 0), back_offs: int = 3) -> Pace:
    return Pace(per_s, sleep_s, (0.5, 60), back_offs)


def test_a_process_has_one_session_whichever_thread_asks_first(tmp_path: Path) -> None:
    found: list[Session] = []
    threads = [
        threading.Thread(target=lambda: found.append(get_session(tmp_path, pace(100), NOBODY)), daemon=True)
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
    assert len(list((tmp_path / "workers").iterdir())) == 1


def test_without_a_limit_nothing_is_shared_and_nothing_waits(tmp_path: Path) -> None:
    session = Session(tmp_path, pace(), NOBODY)
    start = time.monotonic()
    for n in range(1000):
        session.wait_turn(f"host{n % 10}.org")
        session.report_success(f"host{n % 10}.org")
    assert time.monotonic() - start < 1
    assert not list(tmp_path.iterdir())


def test_turns_come_at_the_pace_that_is_set(tmp_path: Path) -> None:
    session = Session(tmp_path, pace(20), NOBODY)
    start = time.monotonic()
    for n in range(11):
        session.wait_turn(f"host{n}.org")  # the limit is for all hosts together
    assert time.monotonic() - start > 0.4


def test_the_rest_before_a_video_is_within_its_bounds(tmp_path: Path) -> None:
    session = Session(tmp_path, pace(sleep_s=(0.1, 0.2)), NOBODY)
    start = time.monotonic()
    for _ in range(5):
        session.start_video("site.org")
    assert 0.5 <= time.monotonic() - start < 1.5


def test_it_uses_the_identity_of_its_task_and_writes_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "proxies").write_text("http://Ann:hush@proxy.net:8080\n")
    (tmp_path / "cookies.txt").write_text(".site.org\tTRUE\t/\tTRUE\t0\tSID\ts3cr3t-value\n")
    session = Session(
        tmp_path / "pace", pace(10), Access(str(tmp_path / "proxies"), str(tmp_path / "cookies.txt"), "10.1.1.1")
    )
    assert (session.proxy, session.source_address) == ("http://Ann:hush@proxy.net:8080", "10.1.1.1")
    assert "s3cr3t-value" in str(session.cookies)
    session.wait_turn("site.org")
    session.back_off("site.org", REFUSED)
    written = b"".join(path.read_bytes() for path in (tmp_path / "pace").rglob("*") if path.is_file())
    assert written
    for secret in (b"hush", b"s3cr3t-value"):
        assert secret not in written


def test_a_refusal_is_reported_without_passwords(tmp_path: Path) -> None:
    session = Session(tmp_path, pace(back_offs=0), NOBODY)
    with pytest.raises(UnavailableError, match=r"site\.org still refuses after 0 pauses") as caught:
        session.back_off("site.org", REFUSED)
    assert "hush" not in str(caught.value)


def test_it_is_the_site_of_the_video_that_pauses_whichever_of_its_servers_refused(tmp_path: Path) -> None:
    session, turns = Session(tmp_path, pace(), NOBODY), list[str]()

    def ask(site: str, server: str) -> None:
        session.start_video(site)
        session.wait_turn(server)
        turns.append(site)

    def be_refused() -> None:
        session.start_video("site.org")
        session.wait_turn("cdn.org")
        session.back_off("site.org", REFUSED)
        time.sleep(2)
        turns.append("first")
        session.report_success("site.org")

    first = threading.Thread(target=be_refused, daemon=True)
    first.start()
    until(lambda: list((tmp_path / "pauses").glob("*.json")), every=0.01)
    ask("elsewhere.org", "cdn.org")
    assert turns == ["elsewhere.org"]
    (pause,) = (tmp_path / "pauses").glob("*.json")
    until(lambda: json.loads(pause.read_text())["asked"], every=0.01)  # the first sends the probe, the others wait
    others = [threading.Thread(target=ask, args=("site.org", "other-cdn.org"), daemon=True) for _ in range(2)]
    for thread in others:
        thread.start()
    for thread in (first, *others):
        thread.join(10)
    assert turns == ["elsewhere.org", "first", "site.org", "site.org"]


def test_a_success_of_what_was_started_before_the_pause_does_not_end_it(tmp_path: Path) -> None:
    session = Session(tmp_path, pace(), NOBODY)
    session.wait_turn("site.org")
    refused = threading.Thread(target=session.back_off, args=("site.org", REFUSED), daemon=True)
    refused.start()
    until(lambda: list((tmp_path / "pauses").glob("*.json")), every=0.01)
    session.report_success("site.org")
    assert list((tmp_path / "pauses").glob("*.json"))
    refused.join(10)


def test_refusals_of_requests_that_were_under_way_together_are_one_pause(tmp_path: Path) -> None:
    session = Session(tmp_path, pace(back_offs=1), NOBODY)
    refused = [threading.Thread(target=session.back_off, args=("site.org", REFUSED), daemon=True) for _ in range(6)]
    for thread in refused:
        thread.start()
    until(lambda: not all(thread.is_alive() for thread in refused), 10, every=0.01)
    with pytest.raises(UnavailableError, match=r"after 1 pauses"):
        session.back_off("site.org", REFUSED)
