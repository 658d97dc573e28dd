"""Small frames, a calibration, and the command in this process or in one of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import tifffile
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (40, 50)
PONI = """poni_version: 2.1
Detector: Detector
Detector_config: {{"pixel1": 0.000172, "pixel2": 0.000172, "max_shape": [{rows}, {columns}], "orientation": 3}}
Distance: 0.5
Poni1: 0.0031
Poni2: 0.0042
Rot1: 0.001
Rot2: -0.002
Rot3: 0.0
Wavelength: 1.54e-10
"""


def frame(number: int, shape: tuple[int, int] = SHAPE) -> NDArray[np.int32]:
    """Return counts that differ from frame to frame."""
    return np.random.default_rng(number).poisson(100 + 10 * number, shape).astype(np.int32)


def write_bench(folder: Path, images: int = 5) -> Path:
    """Write a calibration and a folder ``images`` of TIFF files; return the folder above."""
    (folder / "images").mkdir(parents=True)
    (folder / "cal.poni").write_text(PONI.format(rows=SHAPE[0], columns=SHAPE[1]))
    for number in range(images):
        tifffile.imwrite(folder / "images" / f"scan_{number}.tif", frame(number))
    return folder


def integrate(*arguments: str | Path) -> int:
    """Run the command in this process and return its status; errors are raised."""
    from tomosaxs_plugins.commands.integrate import integrate as command

    return int(command.main([str(each) for each in arguments], standalone_mode=False) or 0)


def start(*arguments: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PMI", "OMPI_"))},
        "PYTHONPATH": f"{ROOT / 'framework'}:{ROOT / 'plugins'}",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tomosaxs", "integrate", *map(str, arguments)],
        cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Press Ctrl-C and return the exit status and what was said."""
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    return process.returncode, said


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is true."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "it did not happen in time"
        time.sleep(0.05)


def curves(folder: Path) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return name of the image -> (curves, sigmas) of result.nxs, by its default path."""
    with h5py.File(folder / "result.nxs") as handle:
        entry = handle[handle.attrs["default"]]
        data = entry[entry.attrs["default"]]
        values = data[data.attrs["signal"]][()]
        sigma = data["Idev"][()]
        names = [Path(text).name for text in data["file"].asstr()[()]]
    found: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    for name in dict.fromkeys(names):
        rows = [place for place, each in enumerate(names) if each == name]
        found[name] = values[rows], sigma[rows]
    return found


def problems(folder: Path) -> dict[str, str]:
    """Return name of the image -> why it could not be used, of result.nxs."""
    with h5py.File(folder / "result.nxs") as handle:
        table = handle["entry/files"]
        pairs = zip(table["path"].asstr()[()], table["problem"].asstr()[()], strict=True)
        return {Path(path).name: text for path, text in pairs if text}
