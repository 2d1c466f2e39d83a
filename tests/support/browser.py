"""A page in a real browser, which is told what to do by the devtools protocol."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_S = 120.0


@contextmanager
def browsed(page: Path | str, folder: Path, width_px: int = 1100) -> Iterator[Callable[[str], Any]]:
    """A function that gives the value of a JavaScript expression in the page; what it downloads goes to the folder."""
    address = page if isinstance(page, str) else page.as_uri()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--window-size={width_px},900"]
    words = [str(CHROMIUM), *flags, "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}", address]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            port = wait(lambda: (folder / "profile" / "DevToolsActivePort").read_text().split()[0])
            loop = asyncio.new_event_loop()
            session, socket = loop.run_until_complete(connect(port, address))
            numbers = iter(range(1, 10_000))

            async def call(method: str, **params: Any) -> Any:
                number = next(numbers)
                await socket.send_json({"id": number, "method": method, "params": params})
                while (answer := await socket.receive_json(timeout=WAIT_S)).get("id") != number:
                    pass
                assert "error" not in answer, answer
                return answer["result"]

            def value(expression: str) -> Any:
                run = call("Runtime.evaluate", expression=expression, returnByValue=True, userGesture=True)
                answer = loop.run_until_complete(run)
                assert "exceptionDetails" not in answer, answer
                return answer["result"].get("value")

            download = {"behavior": "allow", "downloadPath": str(folder)}
            loop.run_until_complete(call("Browser.setDownloadBehavior", **download))
            wait(lambda: value("[location.href, document.readyState]") == [address, "complete"] or None)
            yield value
            loop.run_until_complete(session.close())
            loop.close()
        finally:
            browser.kill()


async def connect(port: str, address: str) -> tuple[aiohttp.ClientSession, Any]:
    """The devtools of the tab that shows this address."""
    session = aiohttp.ClientSession()
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        async with session.get(f"http://127.0.0.1:{port}/json") as answer:
            tabs = [tab for tab in await answer.json() if tab["url"] == address]
        if tabs:
            return session, await session.ws_connect(tabs[0]["webSocketDebuggerUrl"])
        await asyncio.sleep(0.2)
    raise AssertionError(f"no tab shows {address}")


def wait(what: Callable[[], Any]) -> Any:
    """What it gives once that is something; fails the test if that takes too long."""
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        try:
            if (found := what()) is not None:
                return found
        except (FileNotFoundError, IndexError):
            pass
        time.sleep(0.1)
    raise AssertionError("waited in vain")
