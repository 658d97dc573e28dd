"""Make the pictures of "Choose your list": python docs/pictures_symptoms.py SCRATCH_FOLDER."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import tomosaxs
from tomosaxs.demo import make_demo
from tomosaxs.testing.samples import packing
from tomosaxs.testing.scans import Defects, ScanSettings, micro_ct_scan

PICTURES = Path(__file__).resolve().parent / "pictures"
GAP, HEIGHT = 6, 256
HEAD = """\
input:
  tomo:
    plugin: tomography
    path: {scan}
    crop: {{detector_y: {row}{crop}}}
steps:
  - plugin: dark_flat_correction
{before}
  - plugin: minus_log
{after}
  - plugin: reconstruct
    centre: {centre}
{last}
"""


class Maker:
    """Runs lists on one row of simulated scans and puts slices side by side."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0

    def slice_of(
        self, scan: Path, centre: float, *, row: str = "[mid, mid+1]", crop: str = "",
        before: str = "  - plugin: remove_zingers_in_sinograms", after: str = "", last: str = "",
    ) -> NDArray[np.float32]:  # fmt: skip
        """Return the slice that a list makes; `before` and `after` are steps around minus_log."""
        self.number += 1
        text = HEAD.format(scan=scan, row=row, crop=crop, before=before, after=after, last=last, centre=centre)
        done = tomosaxs.run(text, output=self.folder / f"run{self.number}", log=lambda line: None)
        return np.asarray(done.data[len(done.data) // 2])

    def save(self, name: str, panels: Sequence[NDArray[np.float32]], low: float, high: float) -> None:
        """Write panels in one grey scale, with white gaps, as a small PNG."""
        gap = np.full((HEIGHT, GAP), 255, np.uint8)
        parts: list[NDArray[np.uint8]] = []
        for panel in panels:
            grey = (np.clip((panel - low) / (high - low), 0, 1) * 255).astype(np.uint8)
            image = Image.fromarray(grey)
            width = round(image.width * HEIGHT / image.height)
            parts += [np.asarray(image.resize((width, HEIGHT), Image.Resampling.LANCZOS)), gap]
        Image.fromarray(np.hstack(parts[:-1])).quantize(64).save(PICTURES / name, optimize=True)
        print(name, (PICTURES / name).stat().st_size)


def step(plugin: str, **parameters: object) -> str:
    """Return a step as text of a list."""
    return f"  - plugin: {plugin}\n" + "".join(f"    {name}: {value}\n" for name, value in parameters.items())


def ordinary(maker: Maker, folder: Path) -> None:
    """Rings, a wrong axis, zingers and few projections, of the first demonstration."""
    make_demo("tomography", folder / "tomography")
    scan, low, high = folder / "tomography" / "scan.nxs", -200.0, 3000.0
    bad = "[35, 36]"
    pair = [maker.slice_of(scan, 151.3, row=bad, after=after) for after in ("", step("remove_all_stripes"))]
    maker.save("symptom_rings.png", pair, low, high)
    maker.save("symptom_axis.png", [maker.slice_of(scan, centre) for centre in (147.3, 151.3)], low, high)
    few = ", rotation_angle: [0, end, 10]"
    sirt = "    backend: astra\n    algorithm: sirt\n    iterations: 150\n"
    pair = [maker.slice_of(scan, 151.3, crop=few, last=last) for last in ("", sirt)]
    maker.save("symptom_streaks.png", pair, low, high)
    settings = ScanSettings(projections=401, rows=9, columns=288, closed=True, centre=151.3, subsample=2)
    many = Defects(photons=20000.0, dead=0.0, bent=0.0, drifting=0.0, zingers=3e-4)
    micro_ct_scan(folder / "zingers.nxs", packing(288, 64, seed=4), settings, many, seed=1)
    frames = step("remove_zingers")
    pair = [maker.slice_of(folder / "zingers.nxs", 151.3, row="[0, end]", before=before) for before in ("", frames)]
    maker.save("symptom_zingers.png", pair, low, high)


def wide(maker: Maker, folder: Path) -> None:
    """Samples wider than the detector: seen whole in 360 degrees, or only their inside."""
    make_demo("extended_field", folder / "extended_field")
    scan = folder / "extended_field" / "scan.nxs"
    ways = ("", step("extend_field", centre=28.6))
    pair = [maker.slice_of(scan, 28.6, after=after) for after in ways]
    maker.save("symptom_extended_field.png", pair, -200.0, 3000.0)
    settings = ScanSettings(projections=401, rows=4, columns=192, closed=True, centre=97.2, subsample=2)
    micro_ct_scan(folder / "inside.nxs", packing(328, 32, seed=4), settings, Defects(photons=20000.0), seed=1)
    pair = [
        maker.slice_of(folder / "inside.nxs", 97.2, last=f"    padding: {padding}\n")
        for padding in ("zero", "cylinder")
    ]
    maker.save("symptom_inside.png", pair, -1000.0, 6000.0)


def phase(maker: Maker, folder: Path) -> None:
    """Bright edges and noise of a sample that hardly absorbs."""
    make_demo("phase_contrast", folder / "phase_contrast")
    scan = folder / "phase_contrast" / "scan.nxs"
    text = HEAD.replace("{row}{crop}", "[0, end]")  # phase retrieval looks beyond a row
    panels = []
    for before in ("", step("retrieve_phase", delta_beta=200)):
        maker.number += 1
        filled = text.format(scan=scan, before=before, after="", last="", centre=151.3)
        done = tomosaxs.run(filled, output=folder / f"phase{maker.number}", log=lambda line: None)
        panels.append(np.asarray(done.data[32]))
    maker.save("symptom_edges.png", panels, -60.0, 200.0)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    home = Path(sys.argv[1])
    home.mkdir(parents=True, exist_ok=True)
    made = Maker(home)
    for part in (ordinary, wide, phase):
        part(made, home)
