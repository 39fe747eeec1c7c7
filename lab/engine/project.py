"""Pulumi.yaml and Pulumi.<stack>.yaml: what a program is and what its stack tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from catalogue.errors import BadInputError
from lab.engine.crypter import Crypter
from lab.engine.values import Secret


@dataclass(frozen=True)
class Project:
    """A project's name, its program, and a stack's configuration before anything is decrypted."""

    folder: Path
    name: str
    main: Path
    file: Path
    salt: str | None
    given: Mapping[str, Any]

    @property
    def has_secrets(self) -> bool:
        """Whether the stack's configuration holds encrypted values."""
        return any(_is_sealed(value) for value in self.given.values())

    def config(self, crypter: Crypter | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the configuration by "project:key", secrets as Secret.

        `crypter` is the stack file's own.  Raise BadInputError for a secret it cannot open.
        """
        found = {key: _opened(value, crypter, self.file) for key, value in self.given.items()}
        return found | {_full(self.name, key): value for key, value in overrides.items()}


def load(folder: Path, stack: str) -> Project:
    """Return the project in a folder.  Raise BadInputError for what is missing or wrong in it."""
    folder = folder.resolve()
    file = folder / "Pulumi.yaml"
    about = _mapping(file)
    name = about.get("name")
    if not isinstance(name, str) or not name:
        raise BadInputError("the project has no name", place=str(file))
    runtime = about.get("runtime")
    runtime = runtime.get("name") if isinstance(runtime, dict) else runtime
    if runtime != "python":
        raise BadInputError(
            f"the embedded engine cannot run a {runtime} program",
            remedy="use the official CLI",
            place=str(file),
        )
    main = folder / str(about.get("main") or ".")
    main = main if main.suffix == ".py" else main.resolve()
    if not (main if main.suffix == ".py" else main / "__main__.py").is_file():
        raise BadInputError(
            "the project has no program",
            why=f"there is no {main if main.suffix == '.py' else main / '__main__.py'}",
            place=str(file),
        )
    stack_file = folder / f"Pulumi.{stack}.yaml"
    text = _mapping(stack_file) if stack_file.exists() else {}
    if text.get("secretsprovider") not in (None, "passphrase", "default"):
        raise BadInputError(
            f"the stack's secrets are kept by {text['secretsprovider']}",
            why="the embedded engine knows passphrases only",
            remedy="use the official CLI",
            place=str(stack_file),
        )
    salt = text.get("encryptionsalt")
    if not isinstance(salt, str | None):
        raise BadInputError(
            "the stack's encryptionsalt is no text",
            remedy="put back an earlier version of the file",
            place=str(stack_file),
        )
    config = {
        _full(name, key): value.get("value", value.get("default"))
        if isinstance(value, dict)
        else value
        for key, value in _config(about, file).items()
    }
    config |= {_full(name, key): value for key, value in _config(text, stack_file).items()}
    return Project(folder, name, main, stack_file, salt, config)


def _config(content: Mapping[str, Any], file: Path) -> dict[Any, Any]:
    """Return the configuration in a file.  Raise BadInputError if it is no mapping."""
    config = content.get("config") or {}
    if not isinstance(config, dict):
        raise BadInputError(
            "the configuration is no mapping",
            why=f"config is {config!r}",
            remedy="give it keys and values, as in `citydc:profile: lab`",
            place=str(file),
        )
    return config


def _full(project: str, key: object) -> str:
    return f"{key}" if ":" in f"{key}" else f"{project}:{key}"


def _is_sealed(value: Any) -> bool:
    if isinstance(value, dict):
        return "secure" in value or any(map(_is_sealed, value.values()))
    return isinstance(value, list) and any(map(_is_sealed, value))


def _opened(value: Any, crypter: Crypter | None, file: Path) -> Any:
    """Return a configuration value with its secrets decrypted; then it is secret as a whole."""
    if not _is_sealed(value):
        return value
    if crypter is None:
        raise BadInputError(
            "the stack's configuration has secrets but no encryptionsalt", place=str(file)
        )
    return Secret(_plain(value, crypter))


def _plain(value: Any, crypter: Crypter) -> Any:
    if isinstance(value, dict):
        if "secure" in value:
            return crypter.decrypt(str(value["secure"]))
        return {key: _plain(item, crypter) for key, item in value.items()}
    return [_plain(item, crypter) for item in value] if isinstance(value, list) else value


def _mapping(path: Path) -> dict[str, Any]:
    """Return a YAML file's mapping.  Raise BadInputError."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInputError(
            "the file cannot be read", why=" ".join(str(error).split()), place=str(path)
        ) from error
    if data is not None and not isinstance(data, dict):
        raise BadInputError("the file holds no mapping", place=str(path))
    return data or {}
