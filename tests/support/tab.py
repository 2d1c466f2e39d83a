"""A tab of a real browser at any address: keys, screenshots, what went wrong in it; by the devtools protocol."""

import asyncio
import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from support.browser import CHROMIUM, WAIT_S, connect, wait

CODES = {
    **{"Enter": 13, "Escape": 27, "Tab": 9, " ": 32, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36},
    **{"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "[": 219, "]": 221, ",": 188, ".": 190},
}
TEXTS = {"Enter": "\r", "Tab": "", "Escape": ""}
WRONG = ("Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening")


class Tab:
    """`troubles`: exceptions, dialogs, and what the browser complained of, refused scripts among it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, session: aiohttp.ClientSession, socket: Any) -> None:
        self._loop, self._session, self._socket = loop, session, socket
        self._number = 0
        self.troubles: list[str] = []

    def call(self, method: str, **params: Any) -> Any:
        return self._loop.run_until_complete(self._call(method, params))

    async def _call(self, method: str, params: dict[str, Any]) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while (answer := await self._socket.receive_json(timeout=WAIT_S)).get("id") != self._number:
            if answer.get("method") in WRONG:
                self.troubles.append(str(answer["params"]))
        assert "error" not in answer, answer
        return answer["result"]

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression, which may be a promise."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self.call("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression: str) -> Any:
        """The value of an expression once it is true."""
        return wait(lambda: self.value(expression) or None)

    def go(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def press(self, *keys: str) -> None:
        for key in keys:
            text = TEXTS.get(key, key if len(key) == 1 else "")
            about = {"key": key, "windowsVirtualKeyCode": CODES.get(key, ord(key[0].upper()))}
            self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **about)
            self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def resize(self, width_px: int, height_px: int, dark: bool = False) -> None:
        size = {"width": width_px, "height": height_px, "deviceScaleFactor": 1, "mobile": width_px < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def shoot(self, path: Path) -> None:
        """Writes a screenshot, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    async def close(self) -> None:
        await self._session.close()


@contextmanager
def opened(folder: Path, *flags: str) -> Iterator[Tab]:
    """An empty tab of a browser whose profile lies in the folder."""
    own = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio", *flags]
    words = [str(CHROMIUM), *own, "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}", "about:blank"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            port = wait(lambda: (folder / "profile" / "DevToolsActivePort").read_text().split()[0])
            loop = asyncio.new_event_loop()
            tab = Tab(loop, *loop.run_until_complete(connect(port, "about:blank")))
            for domain in ("Runtime", "Log", "Page"):
                tab.call(f"{domain}.enable")
            yield tab
            loop.run_until_complete(tab.close())
            loop.close()
        finally:
            browser.kill()
