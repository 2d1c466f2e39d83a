"""A site that wants us to slow down."""


class RefusedError(Exception):
    """The host asks for a pause (429, a bot check): nothing more is asked of it until that is over, by nobody.

    `code` is "rate_limited" or "bot_check"; `after_s` is the pause that the host asked for, None if it named none.
    """

    def __init__(self, code: str, detail: str, after_s: float | None = None) -> None:
        super().__init__(code, detail, after_s)
        self.code, self.detail, self.after_s = code, detail, after_s
