"""Structs from YAML: what the two schemas of ours don't show by themselves."""

from __future__ import annotations

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from chronotick.core.errors import ConfigError
from chronotick.documents.schema import allowed, build
from chronotick.documents.text import Blame, parse, spell


class Leaf(Struct, forbid_unknown_fields=True):
    """What is at the end."""

    size: Annotated[float, Meta(gt=0.0, le=9.0)]


class Tree(Struct, forbid_unknown_fields=True):
    """What holds it."""

    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()


def test_nothing_is_allowed_where_the_schema_says_so() -> None:
    """And a section that may be absent is one like any other where it is there."""
    assert build(Tree, {"leaf": None}) == Tree()
    assert build(Tree, {"leaf": {"size": 2}}) == Tree(leaf=Leaf(2.0))
    with pytest.raises(Blame, match=r"leaf: lacks `size`"):
        build(Tree, {"leaf": {}})


def test_a_key_that_is_one_elsewhere_is_sent_there() -> None:
    """Numbers in lists are left out: any will do."""
    with pytest.raises(Blame, match=r"size: unknown key, did you mean leaf\.size\?"):
        build(Tree, {"size": 1})


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (float, "a number"),
        (Annotated[float, Meta(gt=0.0, le=9.0)], "a number above 0 and of at most 9"),
        (Annotated[int, Meta(ge=1)], "a whole number of at least 1"),
        (Annotated[int, Meta(ge=0, le=1_000_000)], "a whole number from 0 to 1000000"),
    ],
)
def test_ranges_have_words(kind: object, words: str) -> None:
    """Open ends, closed ends, none."""
    assert allowed(kind) == words


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["leaf", "leaves", "size", "x"]), inner)
    ),
    max_leaves=6,
)


@given(values)
def test_any_value_is_built_or_blamed(value: object) -> None:
    """Nothing else comes out."""
    try:
        built = build(Tree, value)
    except Blame as blame:
        assert spell(blame.place) in str(blame)  # noqa: PT017
    else:
        assert all(0.0 < leaf.size <= 9.0 for leaf in built.leaves)


def test_a_line_is_that_of_the_nearest_place_around() -> None:
    """What an alias or a merge brings has no line of its own where it is used."""
    document = parse("a: &a\n  b: 1\nc: *a\nd:\n  <<: *a\n", "f")

    for place, line in (
        (("a", "b"), ":2"),
        (("c", "b"), ":3"),
        (("d", "b"), ":4"),
        ((), ""),
    ):
        assert str(document.blamed(Blame(place, "x"))).startswith(f"f{line}: ")


def test_a_rule_is_blamed_on_the_key_that_it_names_first() -> None:
    """As `chronotick.daemon.config_rules` has it."""
    document = parse("a:\n  b: 1\n", "f")

    assert str(document.blamed(ConfigError("a.b: too much"))) == "f:2: a.b: too much"
    assert str(document.blamed(ConfigError("z: too little"))) == "f: z: too little"
