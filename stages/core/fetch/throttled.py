"""The error of a host that throttles us."""


class ThrottledError(Exception):
    """The host asks us to slow down (HTTP 429 or a bot check): the whole task must pause before its next request to it.

    `code` is "rate_limited" or "bot_check"; `after_s` is the pause that the host asked for, None if it named none.
    """

    def __init__(self, code: str, detail: str, after_s: float | None = None) -> None:
        super().__init__(code, detail, after_s)
        self.code, self.detail, self.after_s = code, detail, after_s
