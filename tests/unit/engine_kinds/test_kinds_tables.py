"""The tables of the resource types beside the classes with which a program declares them."""

import importlib
import inspect
import re
import sys
from typing import Any

import pytest

from lab.engine.kinds import INVOKES, KINDS
from lab.engine.kinds.base import Property, camel

# the package deprecates some of its own modules as it is imported
pytestmark = pytest.mark.filterwarnings("ignore:openstack:DeprecationWarning")


def _class_of(token: str) -> Any:
    _, module, name = token.split(":")
    return getattr(importlib.import_module(f"pulumi_openstack.{module.split('/')[0]}"), name)


def _arguments(token: str, suffix: str) -> set[str]:
    found = _class_of(token)
    # args classes are named for the class itself, which may have an older name
    origin = sys.modules[found.__module__]
    builder = getattr(origin, suffix.format(found.__name__)).__init__
    return {camel(name) for name in list(inspect.signature(builder).parameters)[1:]}


@pytest.mark.parametrize("token", sorted(KINDS))
def test_table_names_every_input_of_the_class_and_no_other(token: str) -> None:
    """A property that a program can give is supported or refused, and none is misspelt."""
    names = {_pulumi(name) for name in _arguments(token, "{}Args")}
    assert set(KINDS[token].inputs) == names


@pytest.mark.parametrize("token", sorted(KINDS))
def test_outputs_of_a_table_are_outputs_of_the_class(token: str) -> None:
    """What the state keeps of a resource, the program can read."""
    names = {_pulumi(name) for name in _arguments(token, "_{}State")}
    assert set(KINDS[token].all) <= names


@pytest.mark.parametrize("token", sorted(KINDS))
def test_marks_agree_with_the_types_of_the_class(token: str) -> None:
    """Numbers, sets, maps and yes-or-nos are marked as what they are."""
    found = _class_of(token)
    builder = getattr(sys.modules[found.__module__], f"{found.__name__}Args").__init__
    types = {
        _pulumi(camel(name)): re.sub(r"\w*\.", "", str(one.annotation))
        for name, one in inspect.signature(builder).parameters.items()
    }
    for name, one in KINDS[token].inputs.items():
        plain = types[name].partition("Awaitable")[0]
        many = re.search(r"Sequence|Mapping", plain)
        assert ("#" in one.marks) == bool(not many and re.search(r"\b(int|float)\b", plain)), name
        assert "@" not in one.marks or "Sequence" in plain, name
        assert "*" not in one.marks or "Mapping" in plain, name
        assert "~" not in one.marks or "bool" in plain, name


@pytest.mark.parametrize("token", sorted(KINDS))
def test_what_is_refused_and_what_has_a_default_are_inputs(token: str) -> None:
    """Lists of a table's own words name its properties."""
    kind = KINDS[token]
    assert set(kind.defaults) | kind.refused <= set(kind.inputs)


@pytest.mark.parametrize("token", sorted(KINDS))
def test_documentation_and_table_agree_on_what_replaces(token: str) -> None:
    """An input whose documentation says that a change makes a new resource replaces it."""
    found = _class_of(token)
    doc = inspect.getdoc(getattr(sys.modules[found.__module__], f"{found.__name__}Args").__init__)
    parts = re.split(r":param [^:]*? (\w+):", doc or "")[1:]
    says = {
        _pulumi(camel(name))
        for name, text in zip(parts[::2], parts[1::2], strict=True)
        if re.search(r"[Cc]hanging\s+(this|it)\s+creates\s+a\s+new", text)
    }
    assert says <= KINDS[token].replace


def _pulumi(name: str) -> str:
    """Return the Pulumi name where it is not the Python one in camel case."""
    return {"l7policy": "l7Policy", "l7rule": "l7Rule"}.get(name, name)


@pytest.mark.parametrize("token", sorted(INVOKES))
def test_data_source_exists_in_the_package(token: str) -> None:
    """A program can call what the engine answers."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", token.rpartition(":")[2]).lower()
    module = importlib.import_module(f"pulumi_openstack.{token.split(':')[1].partition('/')[0]}")
    assert callable(getattr(module, name))


@pytest.mark.parametrize("word", ["na me", "name%", "=field"])
def test_misspelt_word_of_a_table_is_an_error(word: str) -> None:
    """A word that is no property does not become one in silence."""
    with pytest.raises(ValueError, match="is no property"):
        Property.read(word)
