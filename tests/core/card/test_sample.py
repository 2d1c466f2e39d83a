"""A sample is drawn by lot: by its seed alone, whatever the order of the rows."""

from stages.core.card.sample import draw

IDS = [f"video{n}" for n in range(1000)]


def test_a_sample_depends_on_its_seed_and_on_no_order() -> None:
    assert draw(IDS, 100, 0) == draw(IDS[::-1], 100, 0)
    assert draw(IDS, 100, 0) != draw(IDS, 100, 1)
    assert len(set(draw(IDS, 100, 0))) == 100


def test_few_rows_are_all_drawn() -> None:
    assert sorted(draw(IDS[:5], 100, 0)) == IDS[:5]


def test_a_row_more_changes_at_most_one_of_the_sample() -> None:
    before, after = draw(IDS, 100, 0), draw([*IDS, "another"], 100, 0)
    assert len(set(before) - set(after)) <= 1


def test_every_row_has_the_same_chance() -> None:
    halves = [len([one for one in draw(IDS, 100, seed) if int(one[5:]) < 500]) for seed in range(40)]
    assert 45 < sum(halves) / len(halves) < 55
