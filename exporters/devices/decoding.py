"""What a device's raw values mean: pure functions from what was on the wire to figures."""

import math
import struct
from collections.abc import Mapping, Sequence

from exporters.devices.profile import Figure, Register

_FORMATS = {
    "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q",
    "float32": "f", "float64": "d",
}  # fmt: skip
WORD = 2
"""Bytes of a Modbus register."""


def figure(point: Figure, raw: float, *, bits: int | None = None) -> float | None:
    """
    Return what a raw value is in the quantity's unit, None if it says "not available".

    With `bits`, the raw value is a whole number of so many bits, and a sentinel's pattern is met in
    either signedness.
    """
    if isinstance(raw, float) and not math.isfinite(raw):
        return None
    for text in point.unavailable:
        sentinel = int(text, 0)
        same_bits = bits is not None and int(raw) % 2**bits == sentinel % 2**bits
        if raw == sentinel or (same_bits and text.startswith("0x")):
            return None
    return raw * point.factor()


def width(point: Register) -> int:
    """Return how many registers the figure takes."""
    return struct.calcsize(f">{_FORMATS[point.type]}") // WORD


def from_registers(point: Register, words: Sequence[int]) -> tuple[float | None, str]:
    """
    Return the figure in these registers, and the raw value as text.

    A float's sentinel is met by its bits, as is a whole number's.
    """
    ordered = words if point.word_order == "high-first" else words[::-1]
    mark = ">" if point.byte_order == "high-first" else "<"
    octets = b"".join(struct.pack(f"{mark}H", word) for word in ordered)
    (raw,) = struct.unpack(f">{_FORMATS[point.type]}", octets)
    bits = len(octets) * 8
    if isinstance(raw, float):
        pattern = int.from_bytes(octets)
        if any(int(one, 0) == pattern for one in point.unavailable if one.startswith("0x")):
            return None, f"0x{pattern:0{bits // 4}X}"
        return figure(point, raw), str(raw)
    return figure(point, raw, bits=bits), str(raw)


def ranges(points: Sequence[Register], gap: int, largest: int) -> list[tuple[int, int]]:
    """
    Return which registers to read, as (first, count), so that few requests give all points.

    Figures at most `gap` registers apart are read together, `largest` registers at a time at most;
    no figure is torn in two.
    """
    found: list[tuple[int, int]] = []
    for point in sorted(points, key=lambda one: one.register_):
        end = point.register_ + width(point)
        if found:
            first, count = found[-1]
            if point.register_ <= first + count + gap and end - first <= largest:
                found[-1] = (first, max(count, end - first))
                continue
        found.append((point.register_, end - point.register_))
    return found


def number(value: object) -> float | None:
    """Return a number, given as such or as text in decimals; None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return None


def labelled(text: str) -> dict[str, str]:
    """
    Return what a program says line by line as "label : value".

    >>> labelled("Current Power : 164 Watts")
    {'Current Power': '164 Watts'}
    """
    pairs = (line.partition(":") for line in text.splitlines())
    return {label.strip(): value.strip() for label, mark, value in pairs if mark}


def matches(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Return whether these labels have the wanted values, whatever else they say."""
    return all(labels.get(name) == value for name, value in wanted.items())
