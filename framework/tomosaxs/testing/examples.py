"""Small datasets in memory, one for every pattern, for the plugin contract and for tutorials."""

from __future__ import annotations

import numpy as np

from tomosaxs.dataset import ArrayReader, Auxiliary, Axis, Dataset, Quantity, Source
from tomosaxs.errors import InputError, did_you_mean


def example_source(pattern: str = "Projections", *, seed: int = 0) -> Source:
    """Return a small dataset that a plugin of the given pattern can take.

    Parameters
    ----------
    pattern : str
        ``Projections``, ``Sinograms``, ``Rows`` or ``Pointwise`` (24 angles x 7 rows x 16 columns, raw counts as
        float32, with flats, darks and a monitor), ``DiffractionPatterns`` (2 angles x 3 y x 4 x, frames of
        12 x 16), ``AzimuthalProfiles`` (2 x 3 x 4 x 20 q), ``Spectra``, ``VolumeSlices`` or
        ``VerticalSlices`` (7 x 16 x 16), ``FibreTables`` (2 y x 6 fibres, columns named) or
        ``FibreSlices`` (2 y x 3 angles x 4 x x 9 azimuths x 12 q, with beam paths and uncertainties).
    """
    makers = {
        "Projections": _scan,
        "Sinograms": _scan,
        "Pointwise": _scan,
        "Rows": _scan,
        "DiffractionPatterns": _frames,
        "AzimuthalProfiles": _curves,
        "Spectra": _spectra,
        "VolumeSlices": _volume,
        "VerticalSlices": _volume,
        "FibreTables": _fibre_table,
        "FibreSlices": _fibre_slices,
    }
    if pattern not in makers:
        raise InputError(f"there is no example for {pattern!r}{did_you_mean(pattern, makers)}")
    return makers[pattern](np.random.default_rng(seed))


def _scan(rng: np.random.Generator) -> Source:
    angles, rows, columns = 24, 7, 16
    axes = (
        Axis("rotation_angle", angles, np.arange(angles) * 180.0 / angles, "deg"),
        Axis("detector_y", rows, np.arange(rows) * 1e-6, "m"),
        Axis("detector_x", columns, np.arange(columns) * 1e-6, "m"),
    )
    after = np.linspace(0, 1, angles, dtype=np.float32)
    flats = 1000 + 50 * rng.random((2, rows, columns), dtype=np.float32)
    companions = {
        "flats": Auxiliary(("flat", "detector_y", "detector_x"), ArrayReader(flats)),
        "flat_weights": Auxiliary(("flat", "rotation_angle"), ArrayReader(np.stack([1 - after, after]))),
        "darks": Auxiliary(
            ("dark", "detector_y", "detector_x"), ArrayReader(rng.random((1, rows, columns), dtype=np.float32))
        ),
        "monitor": Auxiliary(("rotation_angle",), ArrayReader(1 + 0.1 * rng.random(angles))),
        "monitor_flats": Auxiliary(("flat",), ArrayReader(np.ones(2))),
    }
    profile = np.exp(-np.exp(-(((np.arange(columns) - 7.5) / 5) ** 2)))
    counts = (900 * profile + 20 * rng.random((angles, rows, columns))).astype(np.float32)
    metadata = {"pixel_size_x": Quantity(1e-6, "m"), "energy": Quantity(20.0, "keV")}
    return Source(Dataset(axes, counts.dtype, "counts", "counts", companions, metadata), ArrayReader(counts))


def _points() -> tuple[Axis, ...]:
    return (
        Axis("rotation_angle", 2, np.array([0.0, 90.0]), "deg"),
        Axis("y", 3, np.arange(3) * 5e-5, "m"),
        Axis("x", 4, np.arange(4) * 5e-5, "m"),
    )


def _monitor(rng: np.random.Generator) -> Auxiliary:
    return Auxiliary(("rotation_angle", "y", "x"), ArrayReader(1 + 0.1 * rng.random((2, 3, 4))))


def _frames(rng: np.random.Generator) -> Source:
    axes = (*_points(), Axis("detector_y", 12), Axis("detector_x", 16))
    frames = rng.poisson(50, [axis.size for axis in axes]).astype(np.float32)
    metadata = {
        "distance": Quantity(1.0, "m"),
        "pixel_size_x": Quantity(172e-6, "m"),
        "pixel_size_y": Quantity(172e-6, "m"),
        "beam_center_x": Quantity(8.0, "px"),
        "beam_center_y": Quantity(6.0, "px"),
        "wavelength": Quantity(1.0, "angstrom"),
    }
    dataset = Dataset(axes, frames.dtype, "counts", "counts", {"monitor": _monitor(rng)}, metadata)
    return Source(dataset, ArrayReader(frames))


def _curves(rng: np.random.Generator) -> Source:
    axes = (*_points(), Axis("q", 20, np.linspace(0.1, 2.0, 20), "nm^-1"))
    curves = (1 / (0.1 + axes[-1].values ** 2) + rng.random([a.size for a in axes])).astype(np.float32)  # type: ignore[operator]
    dataset = Dataset(axes, curves.dtype, "intensity", "", {"monitor": _monitor(rng)})
    return Source(dataset, ArrayReader(curves))


def _spectra(rng: np.random.Generator) -> Source:
    axes = (*_points(), Axis("energy", 20, np.arange(20.0), "keV"))
    spectra = rng.poisson(30, [a.size for a in axes]).astype(np.float32)
    return Source(Dataset(axes, spectra.dtype, "counts", "counts"), ArrayReader(spectra))


def _volume(rng: np.random.Generator) -> Source:
    axes = tuple(Axis(name, size, np.arange(size) * 1e-6, "m") for name, size in (("z", 7), ("y", 16), ("x", 16)))
    volume = rng.random([a.size for a in axes], dtype=np.float32)
    return Source(Dataset(axes, volume.dtype, "attenuation", "1/m"), ArrayReader(volume))


def _fibre_table(rng: np.random.Generator) -> Source:
    labels = (
        ("identifier", "", ""), ("flag", "", ""), ("q0", "nm^-1", ""), ("q0_sd", "nm^-1", ""), ("alpha", "deg", ""),
        ("beta", "deg", ""), ("x", "mm", ""), ("z", "mm", ""),
    )  # fmt: skip
    x, z = np.divmod(np.arange(12.0).reshape(2, 6), 3)
    columns = [
        np.arange(12.0).reshape(2, 6), rng.random((2, 6)) < 0.2, rng.normal(0.28, 1e-3, (2, 6)), np.full((2, 6), 1e-4),
        rng.uniform(0, 180, (2, 6)), rng.uniform(0, 360, (2, 6)), 0.1 * x, 0.1 * z,
    ]  # fmt: skip
    table = np.stack(columns, axis=-1).astype(np.float64)
    axes = (Axis("y", 2, np.arange(2) * 1e-4, "m"), Axis("fibre", 6), Axis("quantity", 8, labels=labels))
    places = {
        f"fibre_{name}": Auxiliary(("y", "fibre"), ArrayReader(0.1 * at), "mm") for name, at in (("x", x), ("z", z))
    }
    places["fibre_identifier"] = Auxiliary(("y", "fibre"), ArrayReader(np.arange(12).reshape(2, 6)))
    metadata = {"voxel_size": Quantity(1e-4, "m")}
    return Source(Dataset(axes, table.dtype, "fibres", "", places, metadata), ArrayReader(table))


def _fibre_slices(rng: np.random.Generator) -> Source:
    """Return three fibres a slice, every one seen by some paths at all angles: upright, inclined, lying across."""
    azimuth, q = 10 + 20.0 * np.arange(9), 0.24 + 0.0075 * (np.arange(12) + 0.5)
    axes = (
        Axis("y", 2, np.arange(2) * 5e-5, "m"), Axis("rotation_angle", 3, np.array([0.0, 60.0, 120.0]), "deg"),
        Axis("x", 4, np.arange(4) * 5e-5, "m"), Axis("azimuth", 9, azimuth, "deg"), Axis("q", 12, q, "nm^-1"),
    )  # fmt: skip
    fibre = np.full((2, 3, 4, 2), -1)
    fibre[..., 0], fibre[:, :, :2, 1] = np.array([0, 1, 1, 2]), np.array([1, 2])
    fibre[1] += 3 * (fibre[1] >= 0)
    there = fibre >= 0
    alpha = np.where(there, np.array([5.0, 40.0, 85.0, 10.0, 50.0, 80.0])[fibre], np.nan)
    beta = np.where(there, 90.0 + 20 * (fibre % 3) + np.array([0.0, 60.0, 120.0])[:, None, None], np.nan)
    weight = np.where(there, 0.2 + rng.random(fibre.shape), np.nan)
    arrays = {"fibre": fibre, "weight": weight, "alpha": alpha, "beta": beta}
    paths = {
        f"beam_path_{name}": Auxiliary(("y", "rotation_angle", "x", "entry"), ArrayReader(each))
        for name, each in arrays.items()
    }
    middle = np.where(there[..., None], np.exp(-((((azimuth + alpha[..., None]) % 180 - 90) / 12) ** 2)), 0.0)
    streaks = (np.nan_to_num(weight)[..., None] * np.nan_to_num(middle)).sum(axis=3)[..., None]
    expected = 5 + 300 * streaks / (1 + ((q - 0.2822) / 0.004) ** 2)
    counts = rng.poisson(expected).astype(np.float32)
    sigma = ArrayReader(np.sqrt(np.maximum(counts, 1)))
    metadata = {"wavelength": Quantity(0.08856, "nm")}
    dataset = Dataset(axes, counts.dtype, "intensity", "", paths, metadata, uncertainty=True)
    return Source(dataset, ArrayReader(counts), uncertainty=sigma)
