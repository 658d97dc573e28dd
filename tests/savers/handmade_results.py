"""Results built by hand, as a run leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tomosaxs import Axis, Dataset, Estimate, Quantity, Result, SavedDataset
from tomosaxs.result import InputRecord, StepRecord
from tomosaxs.store import Store, flush

LIST_TEXT = "title: Tooth <script>alert('x')</script>\ninput:\n  tomo:\n    path: scan.nxs  # µm & more\n"


def saved(folder: Path, name: str, values: np.ndarray, axes: tuple[Axis, ...], **more) -> SavedDataset:
    """Return a dataset in a store of its own under folder/.work, as the runner makes it."""
    store = Store(folder / ".work" / f"key-{name}" / "data.h5", f"/entry/{name}/data")
    store.create(values.shape, values.dtype)
    if values.size:
        mapped = store.open("r+")
        mapped[...] = values
        flush(mapped)
    store.finish({})
    return SavedDataset(name, Dataset(axes, values.dtype, **more), store, f"key-{name}", name)


def ball(shape: tuple[int, int, int]) -> np.ndarray:
    """Return a ball of value 100 with a hole, in a little noise."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    body = 100.0 * ((x**2 + y**2 + z**2 < 0.7) & ((x - 0.3) ** 2 + y**2 > 0.04))
    return (body + np.random.default_rng(1).normal(0, 3, shape)).astype(np.float32)


def volume(folder: Path, name: str = "reconstruct", shape: tuple[int, int, int] = (6, 40, 50)) -> SavedDataset:
    """Return a volume whose rows are cropped: z 100 .. of 200."""
    step = 3.25e-6
    axes = (
        Axis("z", shape[0], np.arange(shape[0]) * step, "m", np.arange(100, 100 + shape[0]), 200),
        Axis("y", shape[1], (np.arange(shape[1]) - (shape[1] - 1) / 2) * step, "m"),
        Axis("x", shape[2], (np.arange(shape[2]) - (shape[2] - 1) / 2) * step, "m"),
    )
    metadata = {
        "pixel_size_x": Quantity(3.25, "um"), "energy": Quantity(53.0, "keV"), "sample_name": "tooth & root",
        "distance": Quantity(0.4, "m"), "dose": Quantity(2.0, "Gy"), "proposal": "xy123",
    }  # fmt: skip
    return saved(folder, name, ball(shape), axes, label="attenuation", units="1/m", metadata=metadata)


def curves(folder: Path, name: str = "azimuthal_integrate", units: str = "") -> SavedDataset:
    """Return curves (rotation_angle, y, x, q) whose first bin is empty."""
    q = np.linspace(0.1, 5, 120)
    axes = (
        Axis("rotation_angle", 3, np.array([0.0, 90.0, 45.0]), "deg"), Axis("y", 4), Axis("x", 5),
        Axis("q", 120, q, "nm^-1"),
    )  # fmt: skip
    weight = 1.0 + np.arange(60).reshape(3, 4, 5, 1)
    values = (weight * (q**-2.0 + np.exp(-((q - 2) ** 2) / 0.02))).astype(np.float32)
    values[..., 0] = np.nan
    return saved(folder, name, values, axes, label="intensity", units=units)


def result(folder: Path, *datasets: SavedDataset) -> Result:
    """Return a result of `datasets` with steps, one input and an estimate."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.arange(100, 200, 5)
    scatter = 85.5 + np.random.default_rng(2).normal(0, 0.1, rows.size)
    sheet = np.tile(np.arange(200, dtype=np.uint8), (60, 1))
    made = Result(
        folder, folder / "result.nxs", "Tooth <script>alert('x')</script>", LIST_TEXT, folder / "list.yml",
        ("axis.size=3", "reconstruct.backend=astra"), "tomosaxs_run list.yml", list(datasets),
    )  # fmt: skip
    made.estimates["axis"] = Estimate(
        85.47, "px", 0.03, 0.93, ("looked at 20 rows",),
        {"row_indices": rows, "row_axes": scatter, "tilt_deg": 0.01, "method": "correlation"},
        {"candidate_axes": sheet},
    )  # fmt: skip
    made.estimate_keys["axis"] = "abc123"
    made.steps = [
        StepRecord(1, "dark_flat_correction", "dark_flat_correction", "0.1.0", "Divide by flats.", {}, {"clip": True}),
        StepRecord(
            2, "axis", "find_rotation_axis", "0.1.0", "Find the rotation axis.", {"rows": 20},
            {"rows": 20, "method": "auto"}, ("10.1364/OE.22.019078",), 1.25,
        ),
        StepRecord(
            3, "reconstruct", "reconstruct", "0.1.0", "Reconstruct slices.", {"centre": "${axis}"},
            {"centre": 85.47, "backend": "astra", "limits": (0.0, np.inf), "file": Path("/a/b")},
            ("10.1016/j.ultramic.2015.05.002", "10.1364/OE.22.019078"), 12.5, 1e-6, True,
        ),
    ]  # fmt: skip
    made.inputs = [
        InputRecord(
            "tomo", "tomography", Path("/data/scan.nxs"), ((Path("/data/scan.nxs"), 1234, "00ff"),),
            (91, 135, 160), ("rotation_angle", "detector_y", "detector_x"), ("NXtomo in /entry1/tomo_entry",),
        )
    ]  # fmt: skip
    made.software = {"tomosaxs": "0.1.0", "numpy": "2.4.6"}
    made.started, made.ended, made.seconds = "2026-01-02T03:04:05+00:00", "2026-01-02T03:04:40+00:00", 35.0
    made.ranks, made.threads, made.peak_memory = 2, 1, 345_000_000
    return made
