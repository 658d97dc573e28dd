"""Process lists for synchrotron tomography and SAXS: from raw NeXus files to results.

Everything public is here; names are imported when they are first used, so that ``import tomosaxs`` is fast.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tomosaxs.dataset import (
        ArrayReader,
        Auxiliary,
        Axis,
        CroppedReader,
        Dataset,
        Quantity,
        Reader,
        Selection,
        Source,
    )
    from tomosaxs.entries import BackendEntry, CommandEntry, PluginEntry
    from tomosaxs.errors import InputError, ListError, Problem, StepError, Stop, TomosaxsError, did_you_mean
    from tomosaxs.hookspecs import hookimpl
    from tomosaxs.library import check, plan, run
    from tomosaxs.memory import empty_block
    from tomosaxs.parameters import InputFile, InputPath, Param
    from tomosaxs.patterns import (
        AzimuthalProfiles,
        DiffractionPatterns,
        Pointwise,
        Projections,
        Rows,
        Sinograms,
        Spectra,
        VolumeSlices,
        custom_pattern,
    )
    from tomosaxs.plugin import Estimate, Output, PluginError, Uncertain, estimator, loader, plugin, saver
    from tomosaxs.process_list.sites import Site, find_site, known_sites
    from tomosaxs.registry import backends, load, registered
    from tomosaxs.report.pictures import contact_sheet
    from tomosaxs.report.plain import html_page, picture_uri
    from tomosaxs.result import Result, SavedDataset
    from tomosaxs.runner.growing import GrowingResult
    from tomosaxs.runner.growing_rows import FileRows
    from tomosaxs.scan import Scan
    from tomosaxs.shipped import shipped_lists
    from tomosaxs.traffic import count_input
    from tomosaxs.units import convert

_HOMES = {
    "shipped": ("shipped_lists",),
    "dataset": (
        "ArrayReader", "Auxiliary", "Axis", "CroppedReader", "Dataset", "Quantity", "Reader", "Selection",
        "Source",
    ),
    "entries": ("BackendEntry", "CommandEntry", "PluginEntry"),
    "errors": ("InputError", "ListError", "Problem", "StepError", "Stop", "TomosaxsError", "did_you_mean"),
    "hookspecs": ("hookimpl",),
    "library": ("check", "plan", "run"),
    "memory": ("empty_block",),
    "parameters": ("InputFile", "InputPath", "Param"),
    "patterns": (
        "AzimuthalProfiles", "DiffractionPatterns", "Pointwise", "Projections", "Rows", "Sinograms", "Spectra",
        "VolumeSlices", "custom_pattern",
    ),
    "plugin": ("Estimate", "Output", "PluginError", "Uncertain", "estimator", "loader", "plugin", "saver"),
    "report.pictures": ("contact_sheet",),
    "report.plain": ("html_page", "picture_uri"),
    "process_list.sites": ("Site", "find_site", "known_sites"),
    "registry": ("backends", "load", "registered"),
    "result": ("Result", "SavedDataset"),
    "runner.growing": ("GrowingResult",),
    "runner.growing_rows": ("FileRows",),
    "scan": ("Scan",),
    "traffic": ("count_input",),
    "units": ("convert",),
}  # fmt: skip
_WHERE = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'tomosaxs' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tomosaxs.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """Keeps ``tomosaxs.plugin`` and ``tomosaxs.plan`` the functions, whichever module was imported first."""

    def __setattr__(self, name: str, value: Any) -> None:
        # importing a submodule sets it as an attribute of its package, which would hide the public name
        if not (name in _WHERE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])


__all__ = [
    "ArrayReader", "Auxiliary", "Axis", "AzimuthalProfiles", "BackendEntry", "CommandEntry", "CroppedReader",
    "Dataset", "DiffractionPatterns", "Estimate", "FileRows", "GrowingResult", "InputError", "InputFile", "InputPath",
    "ListError", "Output", "Param", "PluginEntry", "PluginError", "Pointwise", "Problem", "Projections", "Quantity",
    "Reader", "Result", "Rows", "SavedDataset", "Scan", "Selection", "Sinograms", "Site", "Source", "Spectra",
    "StepError", "Stop", "TomosaxsError", "Uncertain", "VolumeSlices", "backends", "check", "contact_sheet", "convert",
    "count_input", "custom_pattern", "did_you_mean", "empty_block", "estimator", "find_site", "hookimpl", "html_page",
    "known_sites", "load", "loader", "picture_uri", "plan", "plugin", "registered", "run", "saver", "shipped_lists",
]  # fmt: skip
