"""Saver `text_curves`: one file of columns a frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from tomosaxs import Dataset, InputError, Param, Result, saver
from tomosaxs_plugins.curves.text import write_text
from tomosaxs_plugins.savers.curve_files import check_curves, curves_of, holds_curves


def _check(
    names: tuple[str, ...], *, datasets: Mapping[str, Dataset], dataset: str, prefix: str, units: str, **_: Any
) -> None:
    check_curves(datasets, dataset, prefix)
    chosen = [each for name, each in datasets.items() if dataset in ("", name) and holds_curves(each)]
    if units != "as_computed" and all(each.names[-1] != "q" for each in chosen):
        axes = ", ".join(sorted({each.names[-1] for each in chosen}))
        raise InputError(f"units {units} are of q; the curves are over {axes}", parameter="units")


@saver(check=_check)
def text_curves(
    result: Result,
    folder: Path,
    *,
    dataset: Annotated[str, Param("saved dataset to write; all that hold curves if empty")] = "",
    prefix: Annotated[str, Param("beginning of the file names; the input's name if empty")] = "",
    units: Annotated[
        Literal["as_computed", "nm^-1", "angstrom^-1"], Param("units of q; programs that do not ask expect one of them")
    ] = "as_computed",
    leave_out_empty: Annotated[bool, Param("leave out empty bins; else they are nan")] = True,
) -> list[Path]:
    """Write every curve as text: q, intensity and standard uncertainty, as SasView and ATSAS read it.

    Two comment lines name the curve, its columns and their units. Files are called as those of the saver chi.

    Of several datasets those that are not over q are left out where `units` are asked for.

    Raises
    ------
    InputError
        When `units` are asked for and no curves are over q.
    """
    written, left_out = [], set()
    over_q = [each for each in result.datasets if holds_curves(each.dataset) and each.dataset.names[-1] == "q"]
    only_q = units != "as_computed" and not dataset and bool(over_q)
    for name, curve in curves_of(result, "text_curves", dataset, prefix):
        if only_q and curve.x_name != "q":
            left_out.add(curve.x_name)
            continue
        path = folder / f"{name}.dat"
        try:
            shown = curve if units == "as_computed" else curve.in_units(units)
        except ValueError as error:
            raise InputError(str(error), parameter="units") from None
        write_text(path, shown, leave_out_empty=leave_out_empty)
        written.append(path)
    if left_out:
        over = ", ".join(sorted(left_out))
        result.messages.append(f"output text_curves: curves over {over} are left out: q in {units} was asked for")
    return written
