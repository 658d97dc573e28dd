"""Plugins for tests: a library of a simulated sample, and a reconstruction that is the truth with normal errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import (
    ArrayReader,
    Auxiliary,
    Axis,
    Dataset,
    Output,
    Quantity,
    Scan,
    Source,
    Uncertain,
    custom_pattern,
    loader,
    plugin,
)
from tomosaxs_plugins.fibres.beam_path_source import slices_of_block, table_of_dataset
from tomosaxs_plugins.fibres.beam_paths import padded, table_of
from tomosaxs_plugins.fibres.columns import COLUMNS, place
from tomosaxs_plugins.fibres.lattice import beam_paths_of, beam_positions, lattice
from tomosaxs_plugins.fibres.map_fibres import FibreTables
from tomosaxs_plugins.fibres.simulate_library import Background, simulate_library

FIBRES, SLICES = 16, 2
PARAMETERS = ("q0", "wa", "wmu", "delta", "amplitude", "alpha", "beta")
RELATIVE = {"q0": 1e-4, "wa": 0.02, "wmu": 0.01, "delta": 0.02, "amplitude": 0.01, "alpha": 0.003, "beta": 0.003}
FibreSlices = Annotated[NDArray[Any], custom_pattern("FibreSlices", "rotation_angle", "x", "azimuth", "q")]


@loader
def library(path: Path) -> Source:
    """Return a simulated library (y, rotation_angle, x, azimuth, q), whatever the file holds."""
    rotations = np.linspace(-85, 95, 9)
    samples = [lattice(4, seed=n, first_identifier=1 + n * FIBRES) for n in range(SLICES)]
    beam = beam_positions(samples[0])
    every = [beam_paths_of(each, rotations, beam) for each in samples]
    made = []
    for number, (sample, paths) in enumerate(zip(samples, every, strict=True)):
        given = simulate_library(sample.fibres, paths, peak_counts=1e4, background=Background(), seed=number)
        whole = np.full((2, 9, len(beam), 36, 36), np.nan)
        whole[0, paths.path_rotation, paths.path_position] = given.library.values
        whole[1, paths.path_rotation, paths.path_position] = given.library.sigma
        made.append(whole)
    values, sigma = np.moveaxis(np.stack(made), 1, 0)
    axes = (
        Axis("y", SLICES, 5e-5 * np.arange(SLICES), "m"), Axis("rotation_angle", 9, rotations, "deg"),
        Axis("x", len(beam), 1e-3 * beam, "m"), Axis("azimuth", 36, given.bins.chi_deg, "deg"),
        Axis("q", 36, given.bins.q, "nm^-1"),
    )  # fmt: skip
    known = {"fibre_identifier": np.stack([each.identifiers for each in samples])}
    known |= {f"fibre_{name}": np.stack([getattr(each, name) for each in samples]) for name in ("x", "z")}
    for name in PARAMETERS:
        column = f"{name}_deg" if name in ("alpha", "beta") else name
        known[f"true_{name}"] = np.stack([getattr(each.fibres, column) for each in samples])
    more = {name: Auxiliary(("y", "fibre"), ArrayReader(each)) for name, each in known.items()}
    for name, each in padded(table_of(every, len(beam))).items():
        more[name] = Auxiliary(("y", "rotation_angle", "x", "entry"), ArrayReader(each))
    metadata = {
        "voxel_size": Quantity(samples[0].pitch, "mm"), "wavelength": Quantity(0.08856, "nm"),
        "azimuth_bin_width": Quantity(5.0, "deg"), "q_bin_width": Quantity(0.0025, "nm^-1"),
    }  # fmt: skip
    dataset = Dataset(axes, values.dtype, "intensity", "", more, metadata, uncertainty=True)
    return Source(dataset, ArrayReader(values), (path,), uncertainty=ArrayReader(sigma))


def _shape(dataset: Dataset, **_: Any) -> Output:
    return Output((Axis("fibre", FIBRES), Axis("quantity", len(COLUMNS), labels=COLUMNS)), dtype="float64")


@plugin(shape=_shape, nan=True)
def guess(data: FibreSlices, scan: Scan) -> FibreTables:
    """Return the true parameters with normal errors; the fourth fibre of every slice is flagged."""
    table = np.full((len(data), FIBRES, len(COLUMNS)), np.nan)
    several = slices_of_block(scan, table_of_dataset(scan.dataset, None))
    for row, (number, one) in enumerate(zip(scan.index.tolist(), several, strict=True)):
        rng = np.random.default_rng(number)
        table[row, :, place("identifier")] = one.paths.identifiers
        table[row, :, place("flag")] = np.where(np.arange(FIBRES) == 3, 4, 0)
        for name in PARAMETERS:
            auxiliary = scan.dataset.auxiliaries[f"true_{name}"].reader.read((slice(None), slice(None)))[number]
            sd = RELATIVE[name] * auxiliary
            table[row, :, place(name)] = auxiliary + rng.normal(0, 1, FIBRES) * sd
            table[row, :, place(f"{name}_sd")] = sd
        q0, wa, wmu, amplitude = (table[row, :, place(name)] for name in ("q0", "wa", "wmu", "amplitude"))
        table[row, :, place("height")] = amplitude / (2 * np.pi * wa * q0 * np.tan(wmu))
        table[row, :, place("reduced_chi_squared")] = 1 + 0.1 * np.arange(FIBRES)
    return table  # type: ignore[return-value]


@plugin(uncertainty=True, nan=True)
def keep(data: FibreSlices, scan: Scan) -> FibreSlices:
    """Return the library as it is."""
    return Uncertain(data, scan.uncertainty)  # type: ignore[return-value]
