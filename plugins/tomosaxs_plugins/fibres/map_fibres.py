"""Plugin `map_fibres`: a table of fibres in; the table with D-period, strain and positions, and maps, out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tomosaxs import (
    Axis,
    Dataset,
    InputError,
    InputFile,
    Output,
    Param,
    Quantity,
    Scan,
    Uncertain,
    custom_pattern,
    plugin,
)
from tomosaxs_plugins.fibres import strain as strains
from tomosaxs_plugins.fibres.columns import COLUMNS, MORE_COLUMNS, flag_text
from tomosaxs_plugins.fibres.places import places_of, voxel_mm
from tomosaxs_plugins.fibres.table import Labels, Rows, rows_of
from tomosaxs_plugins.fibres.voxel_maps import MAPS, maps_of

FibreTables: TypeAlias = Annotated[NDArray[Any], custom_pattern("FibreTables", "y", "fibre", "quantity")]
"""(n, y, fibre, quantity): fibres of all slices; rows without a fibre have NaN as identifier."""
FibreMaps: TypeAlias = Annotated[NDArray[Any], custom_pattern("FibreMaps", "quantity", "y", "z", "x")]
"""(n, quantity, y, z, x): maps over the voxels of all slices."""
_NEEDED = ("identifier", "flag", "q0", "q0_sd")


def labels_of(dataset: Dataset) -> Labels:
    """Return what the columns of a table are.

    Raises
    ------
    InputError
        When they are not named, or those that are needed are not among them.
    """
    axis = dataset.axis("quantity")
    labels = axis.labels or (COLUMNS if axis.size == len(COLUMNS) else ())
    missing = [name for name in _NEEDED if name not in [label[0] for label in labels]]
    if missing:
        have = ", ".join(label[0] for label in labels) or f"{axis.size} columns without names"
        raise InputError(f"the table has no column {', '.join(missing)}; it has {have}: run reconstruct_fibres before")
    return labels


def _more_labels(labels: Labels) -> Labels:
    """Return the columns of the table that comes out; those of an earlier `map_fibres` are made again."""
    new = [name for name, _, _ in MORE_COLUMNS]
    return (*(label for label in labels if label[0] not in new), *MORE_COLUMNS)


def _shape(
    dataset: Dataset, *, beam_paths: Path | None, voxel_size: float | None, **_: Any
) -> list[tuple[Axis, ...] | Output]:
    labels = _more_labels(labels_of(dataset))
    places = places_of(dataset, beam_paths)
    grid = places.grid(voxel_mm(places, voxel_size))
    y, count = dataset.axis("y"), dataset.axis("fibre").size
    fibre = Axis("fibre", count, np.arange(count))
    columns = Axis("quantity", len(labels), np.arange(len(labels)), labels=labels)
    mapped = Axis("quantity", len(MAPS), np.arange(len(MAPS)), labels=MAPS)
    z, x = (Axis(name, len(values), 1e-3 * values, "m") for name, values in (("z", grid.z), ("x", grid.x)))
    side = {"voxel_size": Quantity(grid.pitch, "mm")}
    return [
        Output((y, fibre, columns), dtype="float64", label="fibres", metadata=side),
        Output((mapped, y, z, x), dtype="float64", label="maps of fibres", uncertainty=True, metadata=side),
    ]


def _check(dataset: Dataset, **_: Any) -> None:
    labels_of(dataset)


def _memory(
    slices: int, dataset: Dataset, *, beam_paths: Path | None = None, voxel_size: float | None = None, **_: Any
) -> float:
    places = places_of(dataset, beam_paths)
    grid = places.grid(voxel_mm(places, voxel_size))
    voxels = dataset.axis("y").size * grid.n_x * grid.n_z
    return float(slices * (5 * dataset.nbytes + 8 * voxels * (4 * len(MAPS) + 30)))


@plugin(shape=_shape, check=_check, uncertainty=True, nan=True, memory=_memory)
def map_fibres(
    data: FibreTables,
    scan: Scan,
    *,
    order: Annotated[int, Param("order of the D-period that the streaks are", ge=1, le=50)] = 3,
    reference: Annotated[
        float | None, Param("D-period without strain; default the median of the solved fibres", unit="nm", gt=0)
    ] = None,
    reference_sd: Annotated[float, Param("standard uncertainty of `reference`", unit="nm", ge=0)] = 0.0,
    beam_paths: Annotated[
        InputFile | None, Param("NeXus file with the beam-path table, where the data do not say where fibres lie")
    ] = None,
    voxel_size: Annotated[
        float | None, Param("side of the voxels of the maps; default the step of the beam", unit="um", gt=0)
    ] = None,
) -> tuple[FibreTables, FibreMaps]:
    """Put the values of fibres back into the volume: D-periods, strains, and maps with their uncertainties.

    Two datasets come out, named by `to:`. The first is the table with more columns: positions in the sample (mm, at
    rotation 0), the D-period 2 pi order / q0 and its strain (D - reference) / reference, with standard uncertainties.
    The second has a map (y, z, x) of every quantity, with uncertainties: z runs along the beam at rotation 0, x across
    it. A voxel's value is the mean of its solved fibres, weighted by the share of the voxel that each has; NaN where
    none is solved, and `flag` then says why. In the result every column and every map is data of its own, with units.

    Where fibres lie comes with the data, or from the file `beam_paths`: stated there, or found by least squares from
    the beams that see each of them at its rotations. The uncertainty of the reference is that of the measurement, not
    the spread of the fibres, and is common to all.

    Raises
    ------
    InputError
        When the table has no column that is needed, or nothing says where the fibres lie.
    """
    labels = labels_of(scan.dataset)
    places = places_of(scan.dataset, beam_paths)
    grid = places.grid(voxel_mm(places, voxel_size))
    table = np.asarray(data[0], dtype=np.float64)
    rows = rows_of(table, labels)
    period = strains.d_period(rows["q0"], rows["q0_sd"], order)
    if reference is None:
        reference, reference_sd = strains.median(period, rows.solved)
    strain = strains.strain(period, reference, reference_sd)
    more = np.stack([*places.of(rows.slice, rows["identifier"]), *period, *strain], axis=-1)
    made_of = _more_labels(labels)
    kept = [rows[name] for name, _, _ in made_of[: -len(MORE_COLUMNS)]]
    whole = Rows(np.stack([*kept, *more.T], axis=-1), made_of, rows.slice, rows.row)
    made = np.full((*table.shape[:2], len(whole.labels)), np.nan)
    made[rows.slice, rows.row] = whole.values
    placed = np.isfinite(more[:, 0] + more[:, 1])
    inside = Rows(whole.values[placed], whole.labels, rows.slice[placed], rows.row[placed])
    maps = maps_of(inside, np.ones(len(inside)), grid, table.shape[0])
    scan.keep("reference_d_period_nm", np.array([reference, reference_sd]))
    _tell(scan, rows, reference, reference_sd)
    return made[None], Uncertain(maps.values[None], maps.sd[None])  # type: ignore[return-value]


def _tell(scan: Scan, rows: Rows, reference: float, reference_sd: float) -> None:
    """Say how many fibres are solved, and why the others are not."""
    scan.remark(f"{int(rows.solved.sum())} of {len(rows)} fibres are solved")
    for flag, count in sorted(Counter(rows.flags[~rows.solved].tolist()).items()):
        scan.remark(f"{count} fibre{'s' if count > 1 else ''}: {flag_text(flag)}")
    if np.isfinite(reference):
        scan.remark(
            f"strains are against a D-period of {reference:.4f} nm (standard uncertainty {reference_sd:.2g} nm)"
        )
