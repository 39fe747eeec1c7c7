"""The embedded engine, for the lab, laptops, CI and places without the official CLI."""

from collections.abc import Mapping
from typing import Any

from catalogue.errors import CityDCError
from citydc.outcome import Change, Outcome, Progress
from citydc.project import Project
from lab.engine import Engine, Plan, resource, values
from lab.engine.result import Op, Result, lines


class Embedded:
    """A site's stack, in the hands of the embedded engine; `config` is beside its file's."""

    name = "embedded"
    described = "embedded (not Pulumi's own CLI)"

    def __init__(
        self, project: Project, site: str, config: Mapping[str, str] | None = None
    ) -> None:
        self.project, self.site, self.config = project, site, config
        self.passphrase = project.passphrase()

    def preview(self, progress: Progress) -> Outcome:
        """Compare the program with the state; change nothing."""
        return self._outcome(self._engine(progress).preview())

    def plan(self, progress: Progress) -> tuple[Outcome, Plan | None]:
        """Compare the program with state and cloud: what a deploy would do (None: errors)."""
        result, plan = self._engine(progress).plan()
        return self._outcome(result), plan

    def deploy(self, progress: Progress, plan: Plan | None = None) -> Outcome:
        """Make the cloud what the program says, by what the cloud has now."""
        return self._outcome(self._engine(progress).deploy(plan))

    def drift(self, progress: Progress) -> Outcome:
        """Compare the cloud with the state; change nothing."""
        return self._outcome(self._engine(progress).drift())

    def destroy(self, progress: Progress) -> Outcome:
        """Remove all that the state has."""
        return self._outcome(self._engine(progress).destroy())

    def checkpoint(self, progress: Progress, *, deployed: bool) -> Mapping[str, Any]:
        """
        Return the stack as a checkpoint has it, its secrets closed.

        As it is deployed, or as a deploy would leave it.  Raise what the program or state raises.
        """
        engine = self._engine(progress)
        if deployed:
            return dict(engine.export_state()["deployment"])
        result = engine.preview()
        if result.errors:
            raise result.errors[0]
        outputs = values.to_json(dict(result.outputs), _Closed())
        found = [resource.to_json(one, _Closed()) for one in result.resources_after]
        return {
            "resources": [
                {**one, "outputs": outputs} if one["type"] == resource.STACK else one
                for one in found
            ]
        }

    def _engine(self, progress: Progress) -> Engine:
        return Engine(
            self.project.folder,
            self.site,
            self.project.backend_url,
            self.passphrase,
            config=self.config,
            listener=_Listener(progress),
        )

    def _outcome(self, result: Result) -> Outcome:
        return Outcome(
            self.site,
            self.name,
            {str(op): count for op, count in result.changes.items()},
            [
                Change(one.urn, one.op, one.as_json()["diff"], lines(one))
                for one in result.resources
            ],
            result.seconds,
            result.errors,
            result.skipped,
        )


class _Closed:
    """Seals secrets so that nobody opens them."""

    def encrypt_value(self, value: Any) -> str:
        """Forget the value."""
        del value
        return ""

    def decrypt_value(self, text: str) -> Any:
        """Return no value."""
        del text


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
