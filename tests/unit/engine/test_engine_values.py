"""Values in their three forms, and changes as people read them."""

import hypothesis.strategies as st
from hypothesis import given

from lab.engine import UNKNOWN, Change, Difference, Secret, lines, values
from lab.engine.crypter import Crypter

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
SEALER = Crypter("pass")
BAGS = st.dictionaries(st.text(max_size=5), PLAIN | PLAIN.map(Secret), max_size=4)


@given(BAGS)
def test_the_wire_form_and_back_is_the_same(bag: values.Values) -> None:
    """Nothing is lost on the way to a program."""
    assert values.from_wire(values.to_wire(bag)) == bag


def test_what_has_no_order_on_the_wire_gets_one() -> None:
    """What is shown of a mapping is the same in each run."""
    names = [f"name{index}" for index in range(100)]
    found = values.from_wire(values.to_wire({"bag": dict.fromkeys(reversed(names), 1)}))
    assert list(found["bag"]) == sorted(names)


@given(BAGS)
def test_the_checkpoint_form_and_back_is_the_same(bag: values.Values) -> None:
    """Nothing is lost on the way to the file."""
    crypter = SEALER
    assert values.from_json(values.to_json(bag, crypter), crypter) == bag


@given(BAGS)
def test_nothing_differs_from_itself(bag: values.Values) -> None:
    """Equal values have no changes."""
    assert values.differences(bag, bag) == []


def test_unknown_always_differs() -> None:
    """What only the deployment can tell may become anything."""
    assert values.differences({"a": UNKNOWN}, {"a": UNKNOWN}) == [Difference("a", UNKNOWN, UNKNOWN)]


def test_changes_are_shown_by_property_without_secrets() -> None:
    """Added, removed and changed properties; a secret is only named."""
    old = {"gone": 1, "name": "a", "list": [{"x": 1}], "word": Secret("hush")}
    new = {"new": [1], "name": "b", "list": [{"x": 2}], "word": Secret("xyzzy"), "later": UNKNOWN}
    change = Change("urn:x", "update", tuple(values.differences(old, new)))
    assert lines(change) == [
        "- gone: 1",
        "+ later: [unknown]",
        "~ list[0].x: 1 => 2",
        "~ name: 'a' => 'b'",
        "+ new: [1]",
        "~ word: [secret] => [secret]",
    ]
    assert "xyzzy" not in str(change.as_json())
    assert "hush" not in repr(change)


def test_a_secret_within_a_change_hides_it_all() -> None:
    """A value that holds a secret somewhere is not shown in part."""
    change = Change("urn:x", "create", (Difference("a", None, {"b": [Secret("hush")]}),))
    assert lines(change) == ["+ a: [secret]"]


def test_an_export_with_its_secrets_shown_is_understood() -> None:
    """The official CLI's --show-secrets writes them as JSON text."""
    shown = {"a": {values.SIGNATURE: values.SECRET, "plaintext": '{"b": "hush"}'}}
    assert values.from_json(shown, SEALER) == {"a": Secret({"b": "hush"})}
