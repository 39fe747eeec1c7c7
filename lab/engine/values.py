"""
Property values: plain Python data, plus `Secret` and `UNKNOWN`.

Three forms exist: the resource monitor's (protobuf Struct), the checkpoint's (JSON with secret
envelopes) and this one, used everywhere between.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from google.protobuf import struct_pb2  # type: ignore[import-untyped]  # it has no types

Values = dict[str, Any]

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark of a secret, not a secret
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Unknown:
    """The type of `UNKNOWN`: a value that only the real deployment can tell."""

    def __repr__(self) -> str:
        return "[unknown]"

    def __deepcopy__(self, memo: Any) -> "Unknown":
        return self


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is never shown and is encrypted in the state."""

    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Difference:
    """One property's change: where, from what, to what.  None is absent."""

    path: str
    old: Any
    new: Any

    @property
    def name(self) -> str:
        """The top-level property that the path is in."""
        return self.path.split(".", 1)[0].split("[", 1)[0]


class Sealer(Protocol):
    """What encrypts and decrypts secret values."""

    def encrypt_value(self, value: Any) -> str:
        """Return the ciphertext of a JSON value."""
        ...

    def decrypt_value(self, text: str) -> Any:
        """Return the JSON value of a ciphertext."""
        ...


def convert(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return a copy of `value` in which `leaf` has replaced every Secret, UNKNOWN and scalar."""
    if isinstance(value, dict):
        return {key: convert(item, leaf) for key, item in value.items()}
    if isinstance(value, list):
        return [convert(item, leaf) for item in value]
    return leaf(value)


def reveal(value: Any) -> Any:
    """Return `value` with its secrets in the clear."""
    return convert(value, lambda leaf: reveal(leaf.value) if isinstance(leaf, Secret) else leaf)


def has_secret(value: Any) -> bool:
    """Whether `value` holds a Secret anywhere."""
    if isinstance(value, dict):
        return any(map(has_secret, value.values()))
    if isinstance(value, list):
        return any(map(has_secret, value))
    return isinstance(value, Secret)


def has_unknown(value: Any) -> bool:
    """Whether `value` holds UNKNOWN anywhere."""
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    if isinstance(value, Secret):
        return has_unknown(value.value)
    return value is UNKNOWN


def from_wire(struct: struct_pb2.Struct) -> Any:
    """Return our form of a protobuf Struct (a Secret where the whole is one)."""
    plain = {
        key: _from_wire(struct.fields[key]) for key in sorted(struct.fields)
    }  # it has no order
    return Secret(plain["value"]) if plain.get(SIGNATURE) == SECRET else plain


def _from_wire(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == UNKNOWN_TEXT else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return from_wire(value.struct_value)
    if kind == "list_value":
        return [_from_wire(item) for item in value.list_value.values]
    return None


def to_wire(properties: Values) -> struct_pb2.Struct:
    """Return the protobuf Struct of our form."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        _fill(struct.fields[key], value)
    return struct


def _fill(slot: struct_pb2.Value, value: Any) -> None:
    if isinstance(value, str):
        slot.string_value = value
    elif isinstance(value, bool):
        slot.bool_value = value
    elif isinstance(value, (int, float)):
        slot.number_value = value
    elif isinstance(value, dict):
        slot.struct_value.SetInParent()
        for key, item in value.items():
            _fill(slot.struct_value.fields[key], item)
    elif isinstance(value, list):
        slot.list_value.SetInParent()
        for item in value:
            _fill(slot.list_value.values.add(), item)
    elif isinstance(value, Secret):
        _fill(slot, {SIGNATURE: SECRET, "value": value.value})
    elif value is UNKNOWN:
        slot.string_value = UNKNOWN_TEXT
    else:
        slot.null_value = struct_pb2.NULL_VALUE


def to_json(value: Any, sealer: Sealer) -> Any:
    """Return the checkpoint's form: secrets encrypted."""

    def plain(leaf: Any) -> Any:
        if isinstance(leaf, Secret):
            return {SIGNATURE: SECRET, "ciphertext": sealer.encrypt_value(reveal(leaf.value))}
        return UNKNOWN_TEXT if leaf is UNKNOWN else leaf

    return convert(value, plain)


def from_json(value: Any, sealer: Sealer) -> Any:
    """
    Return our form of the checkpoint's.

    Raise BadInputError for a ciphertext that the sealer cannot open.
    """
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            if "ciphertext" in value:
                return Secret(sealer.decrypt_value(value["ciphertext"]))
            return Secret(json.loads(value["plaintext"]))  # an export with its secrets shown
        return {key: from_json(item, sealer) for key, item in value.items()}
    if isinstance(value, list):
        return [from_json(item, sealer) for item in value]
    return UNKNOWN if value == UNKNOWN_TEXT else value


def masked(value: Any) -> Any:
    """Return `value` as plain JSON in which secrets and unknown values are only named."""
    return convert(value, lambda leaf: "[secret]" if isinstance(leaf, Secret) else _named(leaf))


def _named(leaf: Any) -> Any:
    return "[unknown]" if leaf is UNKNOWN else leaf


def differences(old: Any, new: Any, path: str = "") -> list[Difference]:
    """Return the changes from `old` to `new`, deepest property first known, secrets kept secret."""
    hide = isinstance(old, Secret) or isinstance(new, Secret)
    was = old.value if isinstance(old, Secret) else old
    becomes = new.value if isinstance(new, Secret) else new
    if isinstance(was, dict) and isinstance(becomes, dict):
        found = [
            change
            for key in sorted({*was, *becomes})
            for change in differences(
                was.get(key), becomes.get(key), f"{path}.{key}" if path else key
            )
        ]
    elif isinstance(was, list) and isinstance(becomes, list) and len(was) == len(becomes):
        found = [
            change
            for index, (one, other) in enumerate(zip(was, becomes, strict=True))
            for change in differences(one, other, f"{path}[{index}]")
        ]
    elif becomes is UNKNOWN or was != becomes:
        found = [Difference(path, was, becomes)]
    else:
        found = []
    if hide:
        return [Difference(one.path, _hidden(one.old), _hidden(one.new)) for one in found]
    return found


def _hidden(value: Any) -> Any:
    return value if value is None or isinstance(value, Secret) else Secret(value)
