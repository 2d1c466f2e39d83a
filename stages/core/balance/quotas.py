"""How many hours each category is to have."""

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite

from slurm.errors import InputError


def weigh(
    categories: Sequence[str], hours: Mapping[str, float], shares: Mapping[str, float], alpha: float
) -> list[float]:
    """The weight of each category: its share (1 if none is said) times the hours that there are of it to the alpha.

    Rounded, since the last digits of a power differ from machine to machine.
    """
    there = (hours.get(name, 0.0) for name in categories)
    return [
        float(f"{shares.get(name, 1.0) * (1.0 if not alpha else of_it**alpha):.9g}")
        for name, of_it in zip(categories, there, strict=True)
    ]


def fill_evenly(target: float, weights: Sequence[float], least: Sequence[float], most: Sequence[float]) -> list[float]:
    """What each is to have of the target: as much as its weight says, no less than its least, no more than its most.

    What one cannot take goes to the others by their weights: all stand at one level, as water does. The sum is less
    than the target only if all have their most, and more only if all have their least. Of weight 0 is what has its
    least.
    """
    open_to = [n for n, weight in enumerate(weights) if weight > 0]

    def at(level: float) -> list[float]:
        """What each has where the level stands so high."""
        filled = list(map(float, least))
        for n in open_to:
            filled[n] = max(least[n], min(most[n], level * weights[n]))
        return filled

    bounds = {bound[n] / weights[n] for n in open_to for bound in (least, most) if isfinite(bound[n])}
    level = max((bound for bound in bounds if sum(at(bound)) <= target), default=0.0)
    rising = sum(weights[n] for n in open_to if least[n] / weights[n] <= level < most[n] / weights[n])
    missing = target - sum(at(level))
    return at(level + missing / rising) if rising and missing > 0 else at(level)


def check_names(names: Collection[str], known: Collection[str], where: str) -> None:
    """Raises InputError for a share of a category that does not exist, with those that are named most alike."""
    for name in names:
        if name not in known:
            folded = {one.casefold(): one for one in sorted(known, reverse=True)}
            near = [folded[one] for one in get_close_matches(name.casefold(), folded, 3, cutoff=0.6)]
            meant = (
                f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are: {', '.join(sorted(known))}"
            )
            raise InputError(f"shares: there is no category {name!r} in {where}; {meant}")
