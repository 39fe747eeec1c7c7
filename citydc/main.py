"""The front door: every verb, and the one place where errors become words and exit codes."""

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from typer._click import ClickException  # typer gives it no public name

from catalogue.errors import CityDCError
from citydc import console
from citydc.actions import (
    check,
    comment,
    configure,
    deploy,
    destroy,
    drift,
    exporter,
    image,
    lab,
    policy,
    preview,
    verify,
)

INTERRUPTED = 130  # as a shell counts what Ctrl-C ended

app = typer.Typer(
    name="citydc",
    help="Runs a city's cloud data centre and its backup site as code.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("check")(check.check)
app.command("preview")(preview.preview)
app.command("deploy")(deploy.deploy)
app.command("drift")(drift.drift)
app.command("destroy")(destroy.destroy)
app.command("policy")(policy.policy)
app.command("comment")(comment.comment)
app.command("configure")(configure.configure)
app.command("verify")(verify.verify)
app.add_typer(exporter.app, name="exporter")
app.add_typer(image.app, name="image")
app.add_typer(lab.app, name="lab")


def main(arguments: list[str] | None = None) -> None:
    """Run one verb and exit with its code: 0 done, 1 found something, 2 bad input, 3 outside."""
    sys.exit(_guarded(lambda: app(arguments, standalone_mode=False)))


def _guarded(work: Callable[[], Any]) -> int:
    code = 0
    try:
        code = int(work() or 0)
        if code == INTERRUPTED:  # typer's own, of a KeyboardInterrupt
            console.note("interrupted")
    except CityDCError as problem:
        console.error(problem)
        code = problem.exit_code
    except ClickException as problem:
        problem.show()
        code = problem.exit_code
    except typer.Abort:
        console.note("interrupted")
        code = INTERRUPTED
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as problem:  # noqa: BLE001  no traceback reaches a user
        console.error(_unforeseen(problem))
        code = CityDCError.exit_code
    return code


def _unforeseen(problem: Exception) -> CityDCError:
    descriptor, path = tempfile.mkstemp(prefix="citydc-", suffix=".log")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        traceback.print_exception(problem, file=file)
    return CityDCError(
        "citydc failed in a way it should not",
        why=f"{type(problem).__name__}: {problem}",
        remedy=f"report it with {Path(path)}, which only you can read",
    )
