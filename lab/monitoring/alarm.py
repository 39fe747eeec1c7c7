"""Alerts put to the test: what they watch is made to happen until they fire, then undone."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from catalogue.errors import OutsideError
from lab.monitoring import asking, figures
from lab.monitoring.figures import Availability

PATIENCE_S = 420
LOOK_S = 1
FAMILIES = 2
Say = Callable[[str], None]


@dataclass
class Trial:
    """What is made to happen, and the labels of the alert that it must bring."""

    what: str
    alert: Mapping[str, str]
    begin: Callable[[], object]
    undo: Callable[[], object]
    began: float = 0.0
    undone: float = 0.0
    told: int = 0
    """How often Alertmanager had been told of the end of an alert when it was undone."""
    resolved: float = 0.0

    def fires(self, held: Sequence[Mapping[str, str]]) -> bool:
        """Say whether the alert is among those that Alertmanager holds."""
        return any(self.alert.items() <= one.items() for one in held)


@dataclass
class Alarm:
    """Trials side by side, on an Alertmanager at that address."""

    alertmanager: str
    say: Say
    trials: list[Trial] = field(default_factory=list)

    def run(self) -> None:
        """
        Begin all, undo each as soon as its alert fires, and wait until all are resolved.

        Resolved means that Alertmanager was told of the end, and holds the alert no more.  What
        was begun is undone whatever happens.  Raise OutsideError if an alert stays out.
        """
        deadline = time.monotonic() + PATIENCE_S
        try:
            for trial in self.trials:
                trial.began = time.monotonic()
                trial.begin()
                self.say(f"{trial.what}; waiting for {_named(trial.alert)}")
            while any(not trial.resolved for trial in self.trials):
                self._look()
                if time.monotonic() > deadline:
                    raise self._late()
                time.sleep(LOOK_S)
        finally:
            with contextlib.ExitStack() as left:  # one that fails keeps no other from it
                for trial in self.trials:
                    if trial.began and not trial.undone:
                        left.callback(trial.undo)

    def _look(self) -> None:
        held, told = asking.alerts(self.alertmanager), asking.ends_told(self.alertmanager)
        for trial in self.trials:
            fires, now = trial.fires(held), time.monotonic()
            if not trial.undone and fires:
                self.say(
                    f"{_named(trial.alert)} fires, {now - trial.began:.0f} s later; undoing it"
                )
                trial.undo()
                trial.undone, trial.told = now, told
            elif trial.undone and not trial.resolved and not fires and told > trial.told:
                trial.resolved = now
                self.say(f"{_named(trial.alert)} is resolved, {now - trial.undone:.0f} s later")

    def _late(self) -> OutsideError:
        late = [one for one in self.trials if not one.resolved]
        return OutsideError(
            f"after {PATIENCE_S} s: "
            + ", ".join(
                f"{_named(one.alert)} is not {'resolved' if one.undone else 'firing'}"
                for one in late
            ),
            remedy="look at citydc lab figures, and at what is pending on Prometheus's /alerts",
        )


def good_service(prometheus: str, servers: Mapping[str, int], say: Say) -> str:
    """
    Return a service that is good in both families, of those with the fewest servers.

    `servers` are how many each service has.  Raise OutsideError when none is in time.
    """
    deadline, told = time.monotonic() + PATIENCE_S, False
    while True:
        found = _good(figures.availability(prometheus), servers)
        if found:
            return found
        if time.monotonic() > deadline:
            raise OutsideError(
                f"no service is known to be good after {PATIENCE_S} s",
                remedy="citydc lab figures; why a target is bad stands in"
                " .lab/monitoring/exporter-uptime-main.log",
            )
        if not told:
            say("waiting until both observers have counted the services")
            told = True
        time.sleep(LOOK_S)


def _good(several: Sequence[Availability], servers: Mapping[str, int]) -> str:
    good = [one["service"] for one in several if one["now"] == "good"]
    both = {one for one in good if good.count(one) == FAMILIES and servers.get(one)}
    return min(both, key=lambda one: (servers[one], one), default="")


def _named(alert: Mapping[str, str]) -> str:
    name, *rest = alert.values()
    return f"{name} ({', '.join(rest)})"
