"""The project folder: its program, its stacks, where their state is and what opens it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from catalogue.errors import BadInputError

CHECKOUT = Path(__file__).resolve().parent.parent
NAME = "citydc"


def secrets_folder(usual: Path) -> Path:
    """Return the folder that CITYDC_SECRETS names, else the usual one."""
    return Path(os.environ.get("CITYDC_SECRETS") or usual)


@dataclass(frozen=True)
class Project:
    """A folder with a Pulumi.yaml named citydc."""

    folder: Path

    @property
    def backend_url(self) -> str:
        """Pulumi's backend; unless the environment names one, `.state/` in the folder."""
        return os.environ.get("PULUMI_BACKEND_URL") or (self.folder / ".state").as_uri()

    @property
    def secrets(self) -> Path:
        """Where the hosts' secrets are: `.state/secrets`, unless CITYDC_SECRETS names a folder."""
        return secrets_folder(self.folder / ".state" / "secrets")

    def stack_file(self, site: str) -> Path:
        """Return the site's stack file."""
        return self.folder / f"Pulumi.{site}.yaml"

    @property
    def sites(self) -> list[str]:
        """The sites that have a stack file."""
        return sorted(one.name.split(".")[1] for one in self.folder.glob("Pulumi.*.yaml"))

    def catalogue(self, site: str) -> Path | None:
        """
        Return the catalogue's folder as the stack file names it (None: citydc's own).

        Raise BadInputError if the stack file is missing or not what it should be.
        """
        named = self.setting(site, "catalogue")
        if not isinstance(named, str | None):
            raise BadInputError(
                "the stack's catalogue is no folder's name",
                place=str(self.stack_file(site)),
                why=f"{NAME}:catalogue is {named!r}",
                remedy="name the folder that city.yaml lies in",
            )
        return (self.folder / named).resolve() if named else None

    def setting(self, site: str, key: str) -> Any:
        """Return one of citydc's settings in the stack file, or None.  Raise as `catalogue`."""
        path = self.stack_file(site)
        if not path.exists():
            known = ", ".join(self.sites)
            raise BadInputError(
                f'there is no stack "{site}"',
                why=f"{path} does not exist",
                remedy=f"name one of: {known}" if known else "add a stack file for the site",
            )
        config = read_yaml(path).get("config") or {}
        if not isinstance(config, dict):
            raise BadInputError(
                "the configuration is no mapping",
                place=str(path),
                why=f"config is {config!r}",
                remedy=f"give it keys and values, as in `{NAME}:profile: lab`",
            )
        return config.get(f"{NAME}:{key}")

    @property
    def catalogues(self) -> list[Path | None]:
        """The folders that the stack files name, each once.  Raise as `catalogue`."""
        return list(dict.fromkeys(map(self.catalogue, self.sites))) or [None]

    def passphrase(self) -> str:
        """
        Return what opens the secrets in the state.

        Raise BadInputError if the environment has none.
        """
        given = os.environ.get("PULUMI_CONFIG_PASSPHRASE")
        if given is not None:
            return given
        file = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
        if not file:
            raise BadInputError(
                "the stack's passphrase is missing",
                why="neither PULUMI_CONFIG_PASSPHRASE nor PULUMI_CONFIG_PASSPHRASE_FILE is set",
                remedy="export PULUMI_CONFIG_PASSPHRASE_FILE=FILE"
                " (`make demo` keeps the lab's in .state/lab-passphrase)",
            )
        try:
            return Path(file).read_text(encoding="utf-8").strip()  # as the official CLI does
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(
                "the stack's passphrase cannot be read",
                why=str(error),
                remedy="correct PULUMI_CONFIG_PASSPHRASE_FILE",
            ) from error


def find(start: Path | None = None) -> Project:
    """Return the project around `start` (the working folder), else the checkout's own."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        file = folder / "Pulumi.yaml"
        if file.is_file() and read_yaml(file).get("name") == NAME:
            return Project(folder)
    return Project(CHECKOUT)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file's mapping.  Raise BadInputError if there is none to be had."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInputError(
            "the file cannot be read",
            place=str(path),
            why=" ".join(str(error).split()),
            remedy="correct it, or put back an earlier version",
        ) from error
    if not isinstance(data, dict):
        raise BadInputError(
            "the file holds no mapping", place=str(path), remedy="correct it, or take it away"
        )
    return data
