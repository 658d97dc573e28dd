"""Pages of packages and commands in the style of the report: one HTML file with everything in it."""

from __future__ import annotations

import html
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.report.pictures import png_uri, robust_limits, shrink, to_grey


def style() -> str:
    """Return the style sheet of the report."""
    return resources.files("tomosaxs.report").joinpath("style.css").read_text(encoding="utf-8")


def html_page(title: str, body: str, generator: str) -> str:
    """Return an HTML page that looks as the report does and needs nothing outside it.

    Parameters
    ----------
    title : str
        Plain text; it stands in the window's title and above the body.
    body : str
        HTML; its author has escaped what needs it.
    generator : str
        What wrote it, for instance ``tomosaxs look``; kept in the page.
    """
    name, maker = html.escape(title), html.escape(generator, quote=True)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="{maker}">\n<title>{name} - tomosaxs</title>\n<style>\n{style()}</style>\n'
        f"</head>\n<body>\n<main>\n<h1>{name}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def picture_uri(image: NDArray[Any], *, limits: tuple[float, float] | None = None, largest: int = 640) -> str:
    """Return an image in grey as a ``data:`` address for an HTML page.

    Parameters
    ----------
    image : (y, x) array
        Values that are not numbers are shown in colour.
    limits : (low, high), optional
        Values shown black and white; default the 0.5 and 99.5 percentiles.
    largest : int, optional
        Larger images are averaged over squares until no side exceeds it.
    """
    small = shrink(np.asarray(image), largest)
    return png_uri(to_grey(small, limits or robust_limits(small)))
