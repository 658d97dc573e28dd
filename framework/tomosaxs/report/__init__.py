"""The report of a run: one HTML file with everything in it, readable without a network or scripts.

Names are imported when they are first used, so that `contact_sheet` does not bring the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tomosaxs.report.again import report_again
    from tomosaxs.report.page import sections_of, write_report
    from tomosaxs.report.pictures import contact_sheet, write_png

_HOMES = {
    "report_again": "again", "sections_of": "page", "write_report": "page", "contact_sheet": "pictures",
    "write_png": "pictures",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tomosaxs.report' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tomosaxs.report.{_HOMES[name]}"), name)


__all__ = ["contact_sheet", "report_again", "sections_of", "write_png", "write_report"]
