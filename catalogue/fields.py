"""
A file's data against its model, in words for people: what was found, what is wanted.

Nothing is converted behind the author's back: a number in quotes is no number.
"""

import ipaddress
import json
import types
import typing
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from catalogue.documents import Document, Steps
from catalogue.problems import Problem, suggestion

M = TypeVar("M", bound=BaseModel)

_PATTERNS = {
    r"^[a-z][a-z0-9-]{1,31}$": "2 to 32 lower-case letters, digits and dashes, a letter first",
    r"^[a-z][a-z0-9-]{1,31}(/[a-z][a-z0-9-]{1,31})?$": (
        'a name such as "app", "lgsp/gateway", "citizens" or "all"'
    ),
    r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+$": (
        'a lower-case domain name with a dot at its end, such as "dc.example.vn."'
    ),
    r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$": 'a lower-case host name such as "lgsp"',
    r"^(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d{1,5})?$": 'a host such as "ups.example.vn:502"',
    r"^127\.0\.0\.1:\d{1,5}$": 'an address of the lab such as "127.0.0.1:26100"',
    r"^[0-9a-f]{128}$": "128 hexadecimal digits",
    r"^\d\d:\d\d-\d\d:\d\d$": 'hours such as "09:30-11:30"',
    r"^\d{4}(-\d{2}(-\d{2})?)?$": 'a date such as "2025-02-26", "2025-02" or "2025"',
}
_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "fields",
    "model_type": "fields",
    "ip_any_address": "an IPv4 or IPv6 address",
}
_TYPES = {
    ipaddress.IPv4Network: 'an IPv4 prefix such as "10.58.0.0/16"',
    ipaddress.IPv6Network: 'an IPv6 prefix such as "2001:db8:58::/48"',
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def checked(document: Document, model: type[M]) -> tuple[M | None, list[Problem]]:
    """Return the document as that model, and what is wrong with its fields; None if anything is."""
    try:
        text = json.dumps(document.data)
        return model.model_validate_json(text, strict=True), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    faults = [(fault["loc"], fault) for fault in found if fault["loc"] not in document.refused]
    return None, list(_problems(document, model, faults))


def _problems(
    document: Document, model: type[BaseModel], faults: list[tuple[Steps, Any]]
) -> Iterator[Problem]:
    """Tell each fault once: a field under a wrong name is not missing as well."""
    missing: dict[Steps, set[str]] = defaultdict(set)
    for steps, fault in faults:
        if fault["type"] == "missing":
            missing[steps[:-1]].add(str(steps[-1]))
    for steps, fault in faults:
        if fault["type"] == "extra_forbidden":
            yield _unknown(document, model, steps, missing[steps[:-1]])
    for steps, fault in faults:
        if fault["type"] == "missing":
            if steps[-1] in missing[steps[:-1]]:
                yield _missing(document, model, steps)
        elif fault["type"] != "extra_forbidden":
            yield _wrong(document, model, steps, fault)


def _unknown(
    document: Document, model: type[BaseModel], steps: Steps, missing: set[str]
) -> Problem:
    """Tell of a field that isn't known, and take the missing one that it stands for away."""
    name = str(steps[-1])
    remedy = suggestion(name, missing, "field")
    if missing and remedy.startswith("did"):
        missing.discard(remedy.split('"')[1])
    else:
        remedy = suggestion(name, _known(model, steps[:-1]), "field")
    return document.problem(steps, "no such field", remedy, at_key=True)


def _missing(document: Document, model: type[BaseModel], steps: Steps) -> Problem:
    owner = _model_at(model, steps[:-1])
    said = ""
    for name, info in owner.model_fields.items() if owner else ():
        if (info.alias or name) == steps[-1] and info.description:
            said = " ".join(info.description.split())
    return document.problem(steps, "is missing", f"add {steps[-1]}", why=said.rstrip("."))


def _wrong(document: Document, model: type[BaseModel], steps: Steps, fault: Any) -> Problem:
    """Tell of a value that its field can't have."""
    kind, context = fault["type"], fault.get("ctx", {})
    value = _value(document.data, steps)
    what, why = f"is {_shown(value)}", ""
    if kind in {"literal_error", "enum"}:
        known = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        remedy = suggestion(value, known, "value")
    elif kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        remedy = f"write {_PATTERNS.get(pattern, f'what matches {pattern}')}"
    elif kind in {"string_too_short", "too_short"}:
        what, remedy = "is empty", "give it at least one entry or letter"
    elif kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        remedy = f"write {words} {context[bound]}"
    elif kind == "model_type" and (inner := _model_at(model, steps)):
        remedy = f"write fields here: {', '.join(_required(inner))}"
    elif kind in _KINDS:
        quotes = kind == "string_type" and isinstance(value, int | float)
        remedy = f"write {_KINDS[kind]}" + (", in quotes" if quotes else "")
    else:
        wanted = _TYPES.get(_annotation(model, steps), "a valid value")
        remedy, why = f"write {wanted}", str(context.get("error") or fault["msg"])
    return document.problem(steps, what, remedy, why=why)


def _shown(value: Any) -> str:
    """Return what was found, as short as it can be told."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f'"{value if len(value) < 40 else value[:37] + "..."}"'  # noqa: PLR2004 - fits a line
        case list():
            return "a list"
        case _:
            return "a group of fields"


def _value(data: Any, steps: Steps) -> Any:
    for step in steps:
        data = data[step]
    return data


def _known(model: type[BaseModel], steps: Steps) -> list[str]:
    """Return the names of the fields that the part with that path may have."""
    owner = _model_at(model, steps)
    fields = owner.model_fields.items() if owner else ()
    return [info.alias or name for name, info in fields]


def _required(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items() if info.is_required()]


def _model_at(model: type[BaseModel], steps: Steps) -> type[BaseModel] | None:
    """Return the model of the part with that path, if it has fields."""
    here = _annotation(model, steps)
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _annotation(model: type[BaseModel], steps: Steps) -> Any:
    """Return the type of the part with that path."""
    here: Any = model
    for step in steps:
        if isinstance(step, int):
            here = typing.get_args(here)[0]
        else:
            here = next(
                info.annotation
                for name, info in here.model_fields.items()
                if (info.alias or name) == step
            )
        here = _plain(here)
    return here


def _plain(annotation: Any) -> Any:
    """Return the annotation without what says that it may be left out."""
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return next(one for one in typing.get_args(annotation) if one is not type(None))
    return annotation
