"""The embedded engine, for the lab, laptops, CI and places without the official CLI."""

from collections.abc import Callable

from catalogue.errors import CityDCError
from citydc.outcome import Change, Outcome, Progress
from citydc.project import Project
from lab.engine import Engine
from lab.engine.result import Listener, Op, Result, lines


class Embedded:
    """A site's stack, in the hands of the embedded engine."""

    name = "embedded"
    described = "embedded (not Pulumi's own CLI)"

    def __init__(self, project: Project, site: str) -> None:
        self.site = site
        self.engine = Engine(project.folder, site, project.backend_url, project.passphrase())

    def preview(self, progress: Progress) -> Outcome:
        """Compare the program with the state; change nothing."""
        return self._outcome(self.engine.preview, progress)

    def deploy(self, progress: Progress) -> Outcome:
        """Make the cloud what the program says, by what the cloud has now."""
        return self._outcome(self.engine.deploy, progress)

    def drift(self, progress: Progress) -> Outcome:
        """Compare the cloud with the state; change nothing."""
        return self._outcome(self.engine.drift, progress)

    def destroy(self, progress: Progress) -> Outcome:
        """Remove all that the state has."""
        return self._outcome(self.engine.destroy, progress)

    def _outcome(self, work: Callable[[Listener], Result], progress: Progress) -> Outcome:
        result = work(_Listener(progress))
        return Outcome(
            self.site,
            self.name,
            dict(result.changes),
            [
                Change(one.urn, one.op, one.as_json()["diff"], lines(one))
                for one in result.resources
            ],
            result.seconds,
            result.errors,
            result.skipped,
        )


class _Listener:
    """Tells the command line what the engine tells."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def step_started(self, op: Op, urn: str) -> None:
        """Wait for its end."""

    def step_done(self, op: Op, urn: str, seconds: float) -> None:
        """Count it."""
        del seconds
        self._progress.step(op, urn)

    def error(self, error: CityDCError) -> None:
        """Leave it to the outcome, which has all of them."""

    def log(self, message: str) -> None:
        """Pass it on."""
        self._progress.log(message)
