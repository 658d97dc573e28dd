"""Make the pictures of README and tutorials: python docs/pictures.py FOLDER, where the tutorials were followed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

PICTURES = Path(__file__).resolve().parent / "pictures"
GAP = 6


def read(file: Path, name: str, part: Any = ()) -> NDArray[Any]:
    """Return a part of an HDF5 dataset."""
    with h5py.File(file, "r") as handle:
        return np.asarray(handle[name][part])


def grey(image: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Return an image in 256 greys."""
    return (np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def side_by_side(panels: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return panels of equal height with white gaps."""
    gap = np.full((panels[0].shape[0], GAP), 255, np.uint8)
    parts = [part for panel in panels for part in (panel, gap)]
    return np.hstack(parts[:-1])


def save(name: str, image: NDArray[np.uint8]) -> None:
    """Write a small PNG: 64 greys are enough to look at."""
    picture = Image.fromarray(image).quantize(64)
    picture.save(PICTURES / name, optimize=True)


def tomography(folder: Path) -> None:
    """A raw sinogram, the slice from it, the truth; and a slice before and after the ring filter."""
    row, bad = 32, 35
    truth = folder / "truth.nxs"
    volume = "entry/reconstruct/data"
    sinogram = read(folder / "scan.nxs", "entry/instrument/detector/data", (slice(30, 431), row))
    sinogram = sinogram[np.linspace(0, len(sinogram) - 1, sinogram.shape[1]).astype(int)]
    low, high = -200.0, 3000.0  # attenuation, 1/m
    first = folder / "with_rings" / "result.nxs"
    panels = [
        grey(sinogram, *np.percentile(sinogram, [1, 99])),
        grey(read(first, volume, row), low, high),
        grey(read(truth, "entry/data/attenuation", row), low, high),
    ]
    save("demo.png", side_by_side(panels))
    second = folder / "without_rings" / "result.nxs"
    save("rings.png", side_by_side([grey(read(file, volume, bad), low, high) for file in (first, second)]))


def saxs(folder: Path) -> None:
    """The first angle of the map: mean intensity in three ranges of q."""
    file = folder / "result" / "result.nxs"
    name = "entry/azimuthal_integrate"
    curves = read(file, f"{name}/data", 0)  # (y, x, q) of the first angle
    q = read(file, f"{name}/q")
    panels = []
    for low, high in ((0.1, 0.3), (0.3, 0.6), (0.6, 1.2)):
        chosen = (q >= low) & (q < high)
        if chosen.any():
            image = np.nanmean(curves[..., chosen], axis=-1)
            panels.append(np.kron(grey(image, float(image.min()), float(image.max())), np.ones((20, 20), np.uint8)))
    save("saxs.png", side_by_side(panels))


def fibres(folder: Path) -> None:
    """The strain of the D-period in one slice: reconstructed and true."""
    import yaml

    from tomosaxs_plugins.fibres.colours import blanked, coloured
    from tomosaxs_plugins.fibres.simulate_fibre_scan import simulate_fibre_scan

    given = yaml.safe_load((folder / "fibres_demo.yml").read_text())["input"]["saxs"]
    source = simulate_fibre_scan(**{name: value for name, value in given.items() if name != "plugin"})
    result, maps, table = folder / "result" / "result.nxs", "entry/map_fibres_maps", "entry/map_fibres_fibres"
    strain = read(result, f"{maps}/strain/data")
    middle = len(strain) // 2
    q0, x, z = (
        source.dataset.auxiliaries[name].reader.read((slice(None), slice(None)))[middle]
        for name in ("true_q0", "fibre_x", "fibre_z")
    )
    down, across = (
        np.abs(1e-3 * at[:, None] - read(result, f"{maps}/{name}")).argmin(axis=1) for at, name in ((z, "z"), (x, "x"))
    )
    solved = read(result, f"{table}/flag/data") == 0
    true = np.full(strain[middle].shape, np.nan)
    true[down, across] = 6 * np.pi / q0 / np.median(read(result, f"{table}/d_period/data")[solved]) - 1
    panels = []
    for image in (strain[middle], true):
        colours = blanked(coloured(image, -0.02, 0.02, diverging=True), np.isnan(true))
        panels.append(np.kron(colours[::-1], np.ones((24, 24, 1), np.uint8)))
    gap = np.full((panels[0].shape[0], 12 * GAP, 3), 255, np.uint8)
    save("fibres.png", np.hstack([panels[0], gap, panels[1]]))


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    home = Path(sys.argv[1])
    if (home / "demo" / "truth.nxs").is_file():
        tomography(home / "demo")
    if (home / "saxs" / "result" / "result.nxs").is_file():
        saxs(home / "saxs")
    if (home / "fibres" / "result" / "result.nxs").is_file():
        fibres(home / "fibres")
