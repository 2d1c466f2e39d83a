"""What rules make of the rows of a table: the value that each sees, what it fails, and the first failure of a row.

Failures are counted as numbers, and become words (`motion.min`) only at the end: that is what makes ten rules over
millions of rows a matter of a second.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from stages.core.choose.kind import Kind, Values, as_value, compared, kind_of
from stages.core.choose.rule import Node, Rule, leaves, quantile, walk

REAL, TEXT = pl.Float64(), pl.String()
VALUES = {"value": REAL, "text": TEXT, "failed": TEXT}  # beside the keys and `rule`
TYPES: dict[Values, pl.DataType] = {
    "number": REAL,
    "integer": pl.Int128(),
    "flag": pl.Boolean(),
    "text": TEXT,
    "date": pl.Date(),
}


@dataclass(frozen=True)
class Verdicts:
    """`seen`: what each rule over a column looks at; `failed`: the number of what each rule or group fails, or null.

    Both have a column a key of `walk`, and the rows of the table; `words` holds the drop_reason of each number.
    """

    rules: Mapping[str, Rule]
    seen: pl.DataFrame
    failed: pl.DataFrame
    words: list[str]
    rows: int  # of the table

    def reasons(self) -> pl.Series:
        """The drop_reason of each row: the first failure in the order of the rules; null for a row that passes."""
        if not self.rules:
            return pl.repeat(None, self.rows, dtype=TEXT, eager=True)
        return self._said(self.failed.select(pl.coalesce(*self.rules)).to_series())

    def values(self, keys: pl.DataFrame) -> pl.DataFrame:
        """A row for each rule or group and row of the table, one rule after the other: the keys, `rule`, `value` of a
        number, `text` of another value, and `failed`: the drop_reason that it would give, or null.
        """
        nothing = pl.repeat(None, len(keys), dtype=TEXT, eager=True)
        parts = [pl.DataFrame(schema={**keys.schema, "rule": TEXT, **VALUES})]
        for node in walk(self.rules):
            seen = self.seen[node.key] if node.key in self.seen.columns else nothing
            number = seen.dtype.is_numeric() or seen.dtype == pl.Boolean()
            parts.append(
                keys.with_columns(
                    rule=pl.lit(node.key),
                    value=(seen if number else nothing).cast(REAL),
                    text=nothing if number else seen.cast(TEXT),
                    failed=self._said(self.failed[node.key]),
                )
            )
        return pl.concat(parts)

    def _said(self, failures: pl.Series) -> pl.Series:
        return pl.Series(self.words, dtype=TEXT).gather(failures)


def judge(table: pl.DataFrame, rules: Mapping[str, Rule]) -> Verdicts:
    """The verdicts of rules over the rows of a table that has their columns."""
    kinds = {name: kind_of(str(kind)) for name, kind in table.schema.items()}
    over = leaves(rules)
    divisors = dict.fromkeys(node.rule.per for node in over if node.rule.per)
    seen = table.select(see(node, kinds[node.column]).alias(node.key) for node in over)
    both = seen.hstack(table.select(divisor(per).alias(f"per:{per}") for per in divisors))
    words: list[str] = []
    failed: dict[str, pl.Expr] = {}
    for node in reversed(list(walk(rules))):  # a group comes after its members
        members = [failed[f"{node.key}.{node.rule.joins}.{name}"] for name in node.rule.members or ()]
        if not members:
            failed[node.key] = first_of(failures(node, kinds[node.column]), words)
        elif node.rule.joins == "all":
            failed[node.key] = pl.coalesce(*members)
        else:
            none_passes = pl.all_horizontal(member.is_not_null() for member in members)
            failed[node.key] = first_of([(f"{node.key}.any", none_passes)], words)
    keys = [node.key for node in walk(rules)]
    numbers = both.with_columns(failed[key].alias(key) for key in keys).select(keys)  # a rule that nothing fails, too
    return Verdicts(rules, seen, numbers, words, len(table))


def see(node: Node, kind: Kind) -> pl.Expr:
    """The value of a rule: of a list what `reduce` makes of it, with all or any the share of elements that pass.

    Null where there is none; a number that is none (NaN) is null. Of what rules cannot compare, true where it is there.
    """
    rule, values = node.rule, flat(node.column, kind.depth)
    if kind.values == "other":
        there = values.list.drop_nulls().list.len() > 0 if kind.depth else values.is_not_null()
        return pl.when(there).then(True)
    if not kind.depth:
        value = divide(readable(values, kind), rule)
        if not rule.of_elements:
            return value
        return pl.when(value.is_not_null()).then(passes(value, rule, kind).cast(REAL))
    if not rule.of_elements:
        return divide(reduced(values, rule, kind), rule)
    if rule.per:
        values = values.cast(pl.List(REAL)) / divisor(rule.per)
    return values.list.eval(passes(readable(pl.element(), kind), rule, kind).cast(REAL)).list.mean()


def flat(column: str, depth: int) -> pl.Expr:
    """A column, its lists of lists as one list a row; a list that is missing among them adds nothing."""
    values = pl.col(column)
    for _ in range(depth - 1):
        values = values.list.eval(pl.element().explode(empty_as_null=False, keep_nulls=False))
    return values


def reduced(values: pl.Expr, rule: Rule, kind: Kind) -> pl.Expr:
    """What `reduce` makes of a list; of texts, the first that is not null where a rule asks for no certain one.

    The functions of lists take a fifth of the time of the same ones over `pl.element()`; there is none for quantiles.
    """
    if kind.values == "text" and rule.reduce not in ("first", "last"):
        return values.list.drop_nulls().list.first()
    if (q := quantile(rule.reduce)) is not None:
        element = readable(pl.element(), kind).cast(REAL).quantile(q, "linear")
        return readable(values.list.eval(element).list.first(), kind)
    if kind.values == "number":
        values = values.list.eval(readable(pl.element(), kind))
    elif rule.reduce == "mean":
        values = values.cast(pl.List(REAL))
    reduce: dict[str, Callable[[], pl.Expr]] = {
        **{"mean": values.list.mean, "min": values.list.min, "max": values.list.max},
        **{"first": values.list.first, "last": values.list.last},
    }
    return readable(reduce[rule.reduce](), kind)


def readable(value: pl.Expr, kind: Kind) -> pl.Expr:
    """A value as rules compare it: numbers in double precision, no NaN."""
    return value.cast(REAL).fill_nan(None) if kind.values == "number" else value


def divisor(per: str) -> pl.Expr:
    """What numbers are divided by; null where it is missing or not above 0."""
    number = pl.col(per).cast(REAL).fill_nan(None)
    return pl.when(number > 0).then(number)


def divide(value: pl.Expr, rule: Rule) -> pl.Expr:
    return value if rule.per is None else (value.cast(REAL) / divisor(rule.per)).fill_nan(None)


def passes(value: pl.Expr, rule: Rule, kind: Kind) -> pl.Expr:
    """Whether an element passes; one that is null as `on_null` says."""
    fails = pl.any_horizontal(pl.lit(False), *(failing for _, failing in comparisons(value, rule, kind)))
    return pl.when(value.is_null()).then(pl.lit(rule.on_null == "pass")).otherwise(fails.not_())


def failures(node: Node, kind: Kind) -> Iterator[tuple[str, pl.Expr]]:
    """What a row may fail of a rule, each by its drop_reason, in the order in which they count; over `seen`."""
    rule, value = node.rule, pl.col(node.key)
    if rule.on_null == "drop":
        if rule.per:
            yield f"{node.key}.{rule.per}", pl.col(f"per:{rule.per}").is_null()
        yield f"{node.key}.null", value.is_null()
    if rule.of_elements:
        yield f"{node.key}.{rule.reduce}", value < 1.0 if rule.reduce == "all" else value <= 0.0
    else:
        for what, failing in comparisons(value, rule, kind):
            yield f"{node.key}.{what}", failing


def comparisons(value: pl.Expr, rule: Rule, kind: Kind) -> Iterator[tuple[str, pl.Expr]]:
    """Each limit of a rule and the values that it wants, with whether a value fails it; null for one that is null."""
    number = value if kind.values == "date" else value.cast(REAL)
    fails = {"min": number.__lt__, "max": number.__gt__, "above": number.__le__, "below": number.__ge__}
    for name, limit in rule.limits.items():
        yield name, fails[name](limit)
    if rule.wanted is not None:
        kind = compared(rule, kind)
        wanted = [one for each in rule.wanted if (one := as_value(each, kind)) is not None]
        listed = pl.Series(wanted, dtype=TYPES[kind.values])
        yield "in" if rule.equals is None else "equals", value.cast(listed.dtype).is_in(listed.implode()).not_()


def first_of(those: Iterable[tuple[str, pl.Expr]], words: list[str]) -> pl.Expr:
    """The number of the first of these failures, null for none; their words are added to `words`."""
    numbers = [pl.lit(None, pl.UInt16())]
    for word, failing in those:
        numbers.append(pl.when(failing).then(pl.lit(len(words), pl.UInt16())))
        words.append(word)
    return pl.coalesce(*numbers)
