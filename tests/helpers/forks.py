"""Work done in a process of its own, which may be killed in the midst of it."""

import os
import signal
import sys
import traceback
from collections.abc import Callable

from lab.engine import Result


def killed(work: Callable[[], Result]) -> bool:
    """
    Fork, and run the engine there; say whether that process was killed.

    Raise AssertionError where it came to its end, but not to a good one.
    """
    child = os.fork()
    if child == 0:
        os._exit(_failed(work))
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:  # the test's time is over
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), f"the run ended with {code}; what it said is above"
    return code != 0


def _failed(work: Callable[[], Result]) -> bool:
    """Run the engine and say what went wrong, whatever it is: nothing is caught above this."""
    try:
        errors = work().errors
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        return True
    for error in errors:
        print(error, file=sys.stderr)  # noqa: T201  pytest shows it
    return bool(errors)
