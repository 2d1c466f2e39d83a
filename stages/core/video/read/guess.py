"""When a frame is shown, of the two times that its packet and its decoder give: as ffmpeg chooses."""


class TimeGuess:
    """Chooses the pts of frames while these grow, and the dts where they jump back more often than that.

    So it is in files whose writer took the time of decoding for that of display, as with B-frames in an AVI, which
    stores no other, or in an mp4 without a table of offsets (ctts).
    """

    def __init__(self) -> None:
        self._last_pts = self._last_dts = -(2**63)
        self._faulty_pts = self._faulty_dts = 0

    def choose(self, pts: int | None, dts: int | None) -> int | None:
        """The time of the next frame, one of the two; None if it has neither."""
        if dts is not None:
            self._faulty_dts += dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faulty_pts += pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        return pts if pts is not None and (self._faulty_pts <= self._faulty_dts or dts is None) else dts
