"""The report of a run: one HTML file with everything in it, readable without a network or scripts."""

from tomosaxs.report.page import write_report
from tomosaxs.report.pictures import contact_sheet, write_png

__all__ = ["contact_sheet", "write_png", "write_report"]
