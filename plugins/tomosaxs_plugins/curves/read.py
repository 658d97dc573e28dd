"""Curves of any file that holds them, told apart by what they are called."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tomosaxs_plugins.curves.chi import read_chi
from tomosaxs_plugins.curves.curve import Curve
from tomosaxs_plugins.curves.text import read_text

NEXUS = (".nxs", ".nx", ".nx5", ".h5", ".hdf5", ".hdf")


def read_curves(path: Path, numbers: Iterable[int] | None = None, at_most: int = 0) -> tuple[list[Curve], int]:
    """Return the curves of a file, and how many it holds: .chi, NeXus (.nxs, .h5 ...), else columns of text.

    Parameters
    ----------
    path : Path
        The file.
    numbers : iterable of int, optional
        Flat numbers of the curves of a NeXus file; default all.
    at_most : int, optional
        Of a NeXus file read no more than so many, evenly spread; 0 reads all.

    Raises
    ------
    ValueError
        When the file is not what its name says, or holds no curves.
    OSError
        When it cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() in NEXUS:
        from tomosaxs_plugins.curves.nexus import read_nexus

        return read_nexus(path, numbers, at_most)
    return [read_chi(path) if path.suffix.lower() == ".chi" else read_text(path)], 1
