"""Saver `chi`: one file of FIT2D's format a frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from tomosaxs import Dataset, Param, Result, saver
from tomosaxs_plugins.curves.chi import write_chi
from tomosaxs_plugins.savers.curve_files import check_curves, curves_of


def _check(names: tuple[str, ...], *, datasets: Mapping[str, Dataset], dataset: str, prefix: str, **_: Any) -> None:
    check_curves(datasets, dataset, prefix)


@saver(check=_check)
def chi(
    result: Result,
    folder: Path,
    *,
    dataset: Annotated[str, Param("saved dataset to write; all that hold curves if empty")] = "",
    prefix: Annotated[str, Param("beginning of the file names; the input's name if empty")] = "",
    errors: Annotated[bool, Param("write standard uncertainties, where there are any, as a third column")] = True,
) -> list[Path]:
    """Write every curve as a .chi file: four lines of header, then columns, as FIT2D does.

    A file is called after the image it comes from, where every frame is a file; else after the place of the
    frame in the uncropped scan: saxs_0003_0007.chi. Empty bins are NAN. A frame without any value gets no file.
    """
    written = []
    for name, curve in curves_of(result, "chi", dataset, prefix):
        path = folder / f"{name}.chi"
        write_chi(path, curve, columns=0 if errors else 2)
        written.append(path)
    return written
