"""The register of controls against its schema, the roles and what verifies it."""

import json
import re
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from catalogue.errors import BadInputError
from playbooks import controls, reference, verification
from playbooks.behaviours import BEHAVIOURS
from playbooks.controls import REGISTER, SCHEMA, Control, Register, Status, register

ROLES = {one.name for one in (REGISTER.parent / "roles").iterdir()}
VIETNAMESE = re.compile(
    r"[àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ]", re.IGNORECASE
)
HOST = {
    "citydc_host": {
        "image_user": "debian", "tier": "web", "ipv4": "10.0.0.16", "ipv6": "fd00::10",
        "security_level": 3,
    },
    "citydc_flows": [],
}  # fmt: skip


def _by_status(status: Status) -> list[Control]:
    return [one for one in register() if one.status is status]


def test_register_has_two_hundred_controls_and_more() -> None:
    """There are at least 200 controls, and all four decisions are among them."""
    counts = Counter(one.status for one in register())
    assert counts.total() >= 200
    assert set(counts) == set(Status)


def test_register_is_as_its_schema_says() -> None:
    """The committed schema is the model's own, and the register holds to it."""
    schema = json.loads(SCHEMA.read_text())
    assert schema == controls.schema()
    jsonschema.validate(yaml.safe_load(REGISTER.read_text()), schema)


def test_page_is_fresh() -> None:
    """docs/controls.md is what the register gives."""
    assert reference.PAGE.read_text() == reference.page()


@pytest.mark.parametrize("control", _by_status(Status.ENFORCED), ids=lambda one: one.id)
def test_enforced_control_has_a_role_and_a_check(control: Control) -> None:
    """Its role is there, and both kinds of host are looked at by at least one check."""
    assert control.role in ROLES
    for owned in (True, False):
        found = list(verification.checks(control, HOST, owned=owned))
        assert found
        assert all(one.commands and one.expected for one in found)


def test_titles_are_in_both_languages_and_told_apart() -> None:
    """No two controls have one title, and the Vietnamese ones are Vietnamese."""
    for language in ("vi", "en"):
        titles = Counter(getattr(one.title, language) for one in register())
        assert not [title for title, count in titles.items() if count > 1]
    plain = [one.title.vi for one in register() if not VIETNAMESE.search(one.title.vi)]
    assert not plain


# How many recommendations each section of the benchmark has, but for 1.1.1, whose numbers differ.
SECTIONS = {
    "1.1.2.1": 4, "1.1.2.2": 4, "1.1.2.3": 3, "1.1.2.4": 3, "1.1.2.5": 4, "1.1.2.6": 4,
    "1.1.2.7": 4, "1.2.1": 2, "1.2.2": 1, "1.3.1": 4, "1.4": 2, "1.5": 5, "1.6": 6, "1.7": 10,
    "2.1": 22, "2.2": 6, "2.3.1": 1, "2.3.2": 2, "2.3.3": 3, "2.4.1": 8, "2.4.2": 1, "3.1": 3,
    "3.2": 4, "3.3": 11, "4.1": 1, "4.2": 7, "4.3": 10, "4.4.1": 3, "4.4.2": 4, "4.4.3": 4,
    "5.1": 22, "5.2": 7, "5.3.1": 3, "5.3.2": 4, "5.3.3.1": 3, "5.3.3.2": 8, "5.3.3.3": 3,
    "5.3.3.4": 4, "5.4.1": 6, "5.4.2": 8, "5.4.3": 3, "6.1.1": 4, "6.1.2.1": 4, "6.1.3": 8,
    "6.1.4": 1, "6.2.1": 4, "6.2.2": 4, "6.2.3": 21, "6.2.4": 10, "6.3": 3, "7.1": 13, "7.2": 10,
}  # fmt: skip
OTHERS = {"6.1.2.2", "6.1.2.3", "6.1.2.4"}  # beside 6.1.2.1, which is a section


def test_no_recommendation_of_the_benchmark_is_passed_over() -> None:
    """Each has its control, or is among those that a control's reason says it settles."""
    wanted = OTHERS | {
        f"{section}.{number}"
        for section, count in SECTIONS.items()
        for number in range(1, count + 1)
    }
    found = {one.cis for one in register() if one.cis}
    for control in register():
        for section, first, last in re.findall(
            r"\b(\d+(?:\.\d+)+)\.(\d+)(?: to \1\.(\d+))?", control.reason or ""
        ):
            found |= {f"{section}.{one}" for one in range(int(first), int(last or first) + 1)}
    assert wanted - found == set()


def test_every_behaviour_is_asked_for() -> None:
    """A behaviour that no control names proves nothing, and a name without one can't be judged."""
    asked = {one.verify.behaviour for one in register() if one.verify and one.verify.behaviour}
    assert asked == set(BEHAVIOURS)


def test_every_role_enforces_something() -> None:
    """A hardening role that no control names is not proved."""
    play = yaml.safe_load((REGISTER.parent / "site.yml").read_text())
    used = {one["role"] for part in play for one in part.get("roles", ())}
    assert used <= {one.role for one in register()}


ENFORCED = {
    "id": "some-control",
    "title": {"vi": "Điều", "en": "Thing"},
    "status": "enforced",
    "role": "base",
    "verify": {"packages": ["sudo"]},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"role": None}, "names its role"),
        ({"verify": None}, "names its role"),
        ({"status": "opt-in"}, "says why"),
        ({"status": "left-alone", "reason": "so"}, "neither role nor verification"),
        ({"verify": {}}, "say how"),
        ({"verify": {"probes": [{"command": "true"}]}}, "exactly one"),
        ({"cis": "5.x"}, "cis"),
    ],
)
def test_unsound_control_is_refused(change: dict[str, object], said: str) -> None:
    """What is missing or contradicts itself is named."""
    with pytest.raises(ValidationError, match=said):
        Control.model_validate({**ENFORCED, **change})


def test_ids_given_twice_are_refused() -> None:
    """An id is one control's."""
    with pytest.raises(ValidationError, match="twice: some-control"):
        Register.model_validate({"controls": [ENFORCED, ENFORCED]})


def test_broken_register_is_bad_input(tmp_path: Path) -> None:
    """A file that is no register is named."""
    file = tmp_path / "controls.yaml"
    file.write_text("controls: [")
    with pytest.raises(BadInputError, match="unsound") as error:
        register(file)
    assert error.value.place == str(file)


def test_a_command_that_yaml_would_take_for_a_tag_is_refused(tmp_path: Path) -> None:
    """An exclamation mark that begins a text is lost unless the text is quoted."""
    file = tmp_path / "controls.yaml"
    file.write_text("controls:\n  - id: ! grep x\n")
    with pytest.raises(BadInputError, match="unsound") as error:
        register(file)
    assert "tag" in str(error.value)
