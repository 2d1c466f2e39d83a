"""What a resume did about a step, and what its other steps need to know of that."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from slurm.control.submit import Window
from slurm.control.survey import Survey


@dataclass
class Resumed:
    """What was done about a step."""

    survey: Survey
    submitted: list[int] = field(default_factory=list)  # chunks
    windows: list[Window] = field(default_factory=list)
    set_aside: dict[int, str] = field(default_factory=dict)
    waits_for: str | None = None  # an input that nothing under way will complete
    why: dict[str, int] = field(default_factory=dict)  # reason → chunks submitted again for it
    without: list[str] = field(default_factory=list)  # inputs that are not finished, and that it is made without
    later: str = ""  # why nothing more of it was begun here
    once_more: str = ""  # why another resume is needed

    @property
    def promised(self) -> set[int]:
        """Chunks that are done, or will be if all goes well."""
        return self.survey.done.keys() | self.survey.active.keys() | set(self.submitted)

    @property
    def settled(self) -> set[int]:
        """Chunks that are done and stay as they are."""
        return self.survey.done.keys() - self.survey.redone - set(self.submitted)

    @property
    def jobs(self) -> list[str]:
        return sorted({window.job for window in self.arrays})

    @property
    def arrays(self) -> list[Window]:
        return [*self.survey.windows, *self.windows]


Inputs = Mapping[str, Resumed]  # by step
