"""What the runner costs an item, and a chunk: steps that do nothing, of many against few, by whole commands.

The start of the command and its workers is in both, and so not in the difference.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from scripts.bench.inputs.runs import ingested, noop
from scripts.bench.lines import Line, Ran, each


def measure(
    folder: Path, *, items: int = 100_000, chunks: int = 250, times: int = 3, small: bool = False
) -> Iterator[Line]:
    items, chunks, times = (200, 5, 1) if small else (items, chunks, times)
    few = max(1, items // 20)
    for number in (few, items):
        if not (place := folder / str(number)).exists():
            place.mkdir(parents=True)
            ingested(place, number)
    done = len(list((folder / str(items) / "bench").iterdir()))  # every step needs a name of its own

    def step(number: int, chunks: int, turn: int) -> Ran:
        name = f"noop{done}_{turn}_{chunks}"
        words = (f"chunks.n={chunks}", f"chunks.per_task={chunks}", "items.workers=2")
        return noop(folder / str(number), f"step={name}", *words)

    turns = [(step(few, 1, turn), step(items, 1, turn), step(few, chunks, turn)) for turn in range(times)]
    yield from more("time an item, in one chunk by two workers", [turn[:2] for turn in turns], items - few, 1.0)
    what = f"time a chunk of {few / chunks:g} items, in one task"
    yield from more(what, [turn[::2] for turn in turns], chunks - 1, None)


def more(what: str, pairs: Sequence[Sequence[Ran]], number: int, bar_ms: float | None) -> Iterator[Line]:
    """What each of `number` more costs, by pairs of commands: with few and with many."""
    wall_ms, cpu_ms = (
        [1000 * (getattr(many, name) - getattr(few, name)) / number for few, many in pairs]
        for name in ("wall_s", "cpu_s")
    )
    yield Line(what, median(wall_ms), "ms", bar_ms, f"{number:,} more: {each(wall_ms)}")
    yield Line(f"… CPU of {what}", median(cpu_ms), "ms", None, each(cpu_ms), against=1.05)
    yield Line(f"… memory of {what}", max(many.peak_gib for _, many in pairs), "GiB")
