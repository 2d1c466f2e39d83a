"""How the benchmark of `analyze` puts rounds and bars together."""

from scripts.bench.video.analyze import added_ms, in_turns, ratio


def test_ways_take_turns_round_by_round() -> None:
    order: list[str] = []

    def cost(way: str) -> float:
        order.append(way)
        return float(len(order))

    costs = in_turns({"film": "x"}, {"ours": lambda _: cost("ours"), "theirs": lambda _: cost("theirs")}, 2)
    assert order == ["ours", "theirs", "ours", "theirs"]
    assert costs == {("film", "ours"): [1, 3], ("film", "theirs"): [2, 4]}


def test_a_ratio_is_the_median_of_the_rounds_and_not_of_medians() -> None:
    costs = {("a", "ours"): [1.0, 8.0, 3.0], ("a", "theirs"): [1.0, 4.0, 2.0]}
    assert ratio(costs, ["a"], "ours", "theirs") == 1.5
    both = costs | {("b", "ours"): [1.0, 0.0, 1.0], ("b", "theirs"): [3.0, 0.0, 2.0]}
    assert ratio(both, ["a", "b"], "ours", "theirs") == 1.0  # of 2/4, 8/4 and 4/4


def test_what_a_way_adds_is_told_for_each_frame() -> None:
    costs = {("a", "ours"): [2.0, 9.0, 4.0], ("a", "plain"): [1.0, 3.0, 2.0]}
    assert added_ms(costs, "a", "ours", "plain", 100) == 20
