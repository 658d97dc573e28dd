"""Process lists: YAML with line numbers -> a checked list.

`read_list` and `parse_list` give what the list says, `check_list` what it means; both report every
fault at once, as ``file:line: step 4 reconstruct.centre: what is wrong, what was given, what exists``.
"""

from tomosaxs.process_list.check import check_list
from tomosaxs.process_list.crop import resolve_crop
from tomosaxs.process_list.entries import (
    CheckedInput,
    CheckedList,
    CheckedOutput,
    CheckedStep,
    InputEntry,
    OutputEntry,
    ProcessList,
    Reference,
    StepEntry,
)
from tomosaxs.process_list.read import parse_list, read_list
from tomosaxs.process_list.schema import json_schema

__all__ = [
    "CheckedInput",
    "CheckedList",
    "CheckedOutput",
    "CheckedStep",
    "InputEntry",
    "OutputEntry",
    "ProcessList",
    "Reference",
    "StepEntry",
    "check_list",
    "json_schema",
    "parse_list",
    "read_list",
    "resolve_crop",
]
