"""JSON of any make as an explicit type: what fits is kept, what does not is named."""

from typing import Any

import pyarrow as pa
import pytest
from support.released import annotation

from stages.core.release.finevideo import METADATA
from stages.core.release.nested import fit

KIND = pa.struct(
    [
        ("name", pa.string()),
        ("count", pa.int64()),
        ("score", pa.float64()),
        ("parts", pa.list_(pa.struct([("at", pa.int64())]))),
    ]
)


def test_an_annotation_fits_as_it_is_and_empty_lists_keep_their_type() -> None:
    for full in (True, False):
        given = annotation("a", full=full)
        assert pa.array([fit(given, METADATA)], METADATA).to_pylist() == [given]


@pytest.mark.parametrize(
    ("value", "fitted"),
    [
        ({"name": "a", "more": 1}, {"name": "a"}),
        ({"name": 5, "count": "7", "score": 1}, {"name": "5", "count": 7, "score": 1.0}),
        ({"count": 3.0, "parts": []}, {"count": 3, "parts": []}),
        ({"count": 2**62 + 1}, {"count": 2**62 + 1}),
        ({"name": "half \ud83d", "parts": [None, {"at": 1}]}, {"name": "half ?", "parts": [None, {"at": 1}]}),
        ({"name": "a\0b"}, {"name": "a\0b"}),
    ],
)
def test_what_can_be_the_type_is_made_it(value: Any, fitted: dict[str, Any]) -> None:
    made = fit(value, KIND)
    assert {name: part for name, part in made.items() if part is not None} == fitted
    assert pa.array([made], KIND).to_pylist() == [made]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "it is no object"),
        ({"count": "many"}, "count is no int64: 'many'"),
        ({"count": 2.5}, "count is no int64"),
        ({"count": 2**63}, "count is no int64"),
        ({"count": float("nan")}, "count is no int64"),
        ({"count": float("inf")}, "count is no int64"),
        ({"name": ["a"]}, "name is no string"),
        ({"parts": {"at": 1}}, "parts is no list"),
        ({"parts": [{"at": 1}, {"at": "x"}]}, r"parts\[1\].at is no int64: 'x'"),
    ],
)
def test_what_cannot_is_named_with_its_place(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit(value, KIND)
