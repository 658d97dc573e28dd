"""Order, reslices, halos, shapes and memory: decided, checked and printed before anything runs."""

from __future__ import annotations

from tomosaxs.plan.build import build_plan
from tomosaxs.plan.describe import describe
from tomosaxs.plan.model import Intermediates, Node, Options, Pass, Plan, PlannedInput, PlannedStep
from tomosaxs.plan.refine import estimated, refine

__all__ = [
    "Intermediates",
    "Node",
    "Options",
    "Pass",
    "Plan",
    "PlannedInput",
    "PlannedStep",
    "build_plan",
    "describe",
    "estimated",
    "refine",
]
