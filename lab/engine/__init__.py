"""
A small Pulumi engine, which applies an unmodified Python program to OpenStack.

It runs the program in this process, through Pulumi's own resource-monitor interface.
`Engine` is what a command line uses; its state is Pulumi's, in Pulumi's own file backend.
"""

import logging

from lab.engine.engine import Engine
from lab.engine.failures import StoppedError
from lab.engine.plan import Plan, Step
from lab.engine.resource import Resource
from lab.engine.result import OPS, Change, Listener, Op, Quiet, Result, lines
from lab.engine.values import UNKNOWN, Difference, Secret

for _name in ("keystoneauth", "openstack"):  # what they warn of comes out once, as an error
    logging.getLogger(_name).addHandler(logging.NullHandler())

__all__ = [
    "OPS",
    "UNKNOWN",
    "Change",
    "Difference",
    "Engine",
    "Listener",
    "Op",
    "Plan",
    "Quiet",
    "Resource",
    "Result",
    "Secret",
    "Step",
    "StoppedError",
    "lines",
]
