"""Groups of nearly equal texts are those that comparing every two of them finds."""

import random
from collections.abc import Sequence

import polars as pl
import pytest

from stages.core.text.alarms import near
from stages.core.text.alarms.near import JACCARD, group_near

WORDS = [f"w{n}" for n in range(300)]


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))}


def jaccard(one: str, other: str) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


def groups(texts: Sequence[str]) -> set[frozenset[int]]:
    """The groups with several texts."""
    found: dict[int, set[int]] = {}
    for text, group in enumerate(group_near(pl.Series(texts, dtype=pl.String)).tolist()):
        found.setdefault(group, set()).add(text)
    assert all(group == min(members) for group, members in found.items())
    return {frozenset(members) for members in found.values() if len(members) > 1}


def joined(texts: Sequence[str]) -> set[frozenset[int]]:
    """The same, by comparing every two texts."""
    group = list(range(len(texts)))
    for b in range(len(texts)):
        for a in range(b):
            if jaccard(texts[a], texts[b]) >= JACCARD:
                group = [group[a] if other == group[b] else other for other in group]
    members = [frozenset(n for n, other in enumerate(group) if other == one) for one in set(group)]
    return {found for found in members if len(found) > 1}


def made(seed: int) -> list[str]:
    """Texts of 3 to 80 words, of which many are others with words changed, added, moved or left out."""
    rng = random.Random(seed)
    texts: list[list[str]] = []
    for _ in range(150):
        if texts and rng.random() < 0.6:
            words = list(rng.choice(texts))
            for _ in range(rng.randrange(1, 5)):
                at = rng.randrange(len(words))
                words[at : at + rng.randrange(2)] = rng.choices(WORDS, k=rng.randrange(2))
                words = words or ["w"]
        else:
            words = rng.choices(WORDS, k=rng.randrange(3, 80))
        texts.append(words)
    return list(dict.fromkeys(" ".join(words) for words in texts))


@pytest.mark.parametrize("seed", range(6))
def test_the_groups_are_those_of_all_pairs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "TEXTS_AT_ONCE", 7)
    monkeypatch.setattr(near, "PAIRS_AT_ONCE", 5)
    texts = made(seed)
    found, true = groups(texts), joined(texts)
    assert len(true) > 5
    assert sum(map(len, found & true)) >= 0.97 * sum(map(len, true))
    for group in found:  # nobody is in a group without a text that is like it
        assert all(any(jaccard(texts[a], texts[b]) >= JACCARD for b in group - {a}) for a in group)


def test_at_the_limit_the_shingles_themselves_decide() -> None:
    words = WORDS[
        :49
    ]  # 45 shingles; one changed word at the end takes one of them, at the sixth place six … ten of them
    for changed in range(5):
        other = [*words[:-1], "other"] if changed == 0 else [*words[: -changed - 1], "other", *words[-changed:]]
        index = (44 - changed) / (46 + changed)
        assert jaccard(" ".join(words), " ".join(other)) == pytest.approx(index)
        assert bool(groups([" ".join(words), " ".join(other)])) == (index >= JACCARD)


def test_a_family_of_thousands_is_one_group() -> None:
    rng = random.Random(3)
    family = [" ".join([*WORDS[:60], str(n), *WORDS[60:100]]) for n in range(3000)]
    others = [" ".join(rng.choices(WORDS, k=60)) for _ in range(200)]
    assert groups([*others[:100], *family, *others[100:]]) == {frozenset(range(100, 3100))}


def test_texts_that_share_half_of_themselves_are_no_group() -> None:
    rng = random.Random(4)
    sentences = [" ".join(rng.choices(WORDS, k=12)) for _ in range(60)]
    texts = list(dict.fromkeys(" ".join(rng.sample(sentences, 6)) for _ in range(2000)))
    assert max(jaccard(texts[0], other) for other in texts[1:]) > 0.15
    assert (
        groups(
            [text for n, text in enumerate(texts) if all(jaccard(text, t) < 0.5 for t in texts[max(0, n - 200) : n])]
        )
        == set()
    )


@pytest.mark.parametrize("texts", [[], ["a"], ["a", "b"], ["a b c d e", "a b c d f"]])
def test_few_and_short_texts_are_no_group(texts: list[str]) -> None:
    assert groups(texts) == set()
