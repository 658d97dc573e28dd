"""Order, reslices, halos, shapes and memory: decided, checked and printed before anything runs."""

from __future__ import annotations

from tomosaxs.plan.build import build_plan
from tomosaxs.plan.describe import describe
from tomosaxs.plan.memory import Options
from tomosaxs.plan.model import Node, Pass, Plan, PlannedInput, PlannedStep

__all__ = ["Node", "Options", "Pass", "Plan", "PlannedInput", "PlannedStep", "build_plan", "describe"]
