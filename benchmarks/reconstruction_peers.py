"""How `reconstruction.py` calls each library; as a program it serves those of its own Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


def own(algorithm: str) -> Callable[..., Any]:
    """Return a call of our backend."""

    def call(stack: Any, angles: Any, centre: float, threads: int) -> Any:
        from tomosaxs_plugins.reconstruction.backends.own import backend

        return backend.reconstruct(stack, angles, centre, algorithm=algorithm, threads=threads)

    return call


def gridrec(padded: bool) -> Callable[..., Any]:
    """Return a call of TomoPy's gridrec, the projections as they are or with zeros up to twice their width."""

    def call(stack: Any, angles: Any, centre: float, threads: int) -> Any:
        import tomopy

        width = stack.shape[2]
        aside = width // 2 if padded else 0
        data = np.pad(stack, ((0, 0), (0, 0), (aside, aside))) if padded else stack
        return tomopy.recon(
            data, np.deg2rad(angles), center=centre + aside, sinogram_order=True, algorithm="gridrec",
            filter_name="ramlak", num_gridx=width, num_gridy=width, ncore=threads,
        )  # fmt: skip

    return call


def astra(projector: str) -> Callable[..., Any]:
    """Return a call of ASTRA's filtered backprojection on the CPU, which has no use for threads."""

    def call(stack: Any, angles: Any, centre: float, threads: int) -> Any:
        from tomosaxs_plugins.reconstruction.backends.astra import backend

        return backend.reconstruct(stack, angles, centre, projector=projector, gpu=False, threads=threads)

    return call


def algotom(method: str) -> Callable[..., Any]:
    """Return a call of algotom, slice by slice as it works."""

    def call(stack: Any, angles: Any, centre: float, threads: int) -> Any:
        import numba
        from algotom.rec import reconstruction

        numba.set_num_threads(threads)
        more = (
            {"ramp_win": None, "filter_name": None, "pad": None, "gpu": False, "ncore": threads}
            if method == "fbp"
            else {}
        )
        if method == "dfi":
            more = {"filter_name": None, "pad_rate": 0.5}
        function = getattr(reconstruction, f"{method}_reconstruction")
        return np.stack([
            function(one, centre, angles=np.deg2rad(angles), ratio=None, apply_log=False, **more) for one in stack
        ])  # fmt: skip

    return call


def skimage(stack: Any, angles: Any, centre: float, threads: int) -> Any:
    """Call scikit-image, whose axis is pixel ``width // 2``: the projections are moved by linear interpolation."""
    from skimage.transform import iradon

    column = np.arange(stack.shape[2])
    moved = [[np.interp(column + centre - stack.shape[2] // 2, column, row) for row in one] for one in stack]
    return np.stack([iradon(np.transpose(one), theta=angles, circle=False, output_size=len(column)) for one in moved])


def finufft(stack: Any, angles: Any, centre: float, threads: int) -> Any:
    """Call finufft on filtered spectra: the same sum as our gridding."""
    import finufft as library
    import scipy.fft

    from tomosaxs_plugins.reconstruction.angles import angular_weights
    from tomosaxs_plugins.reconstruction.filters import filter_response
    from tomosaxs_plugins.reconstruction.gridding_plan import lengths

    slices, _, width = stack.shape
    length = lengths(centre, width, width)[0]
    spectra = scipy.fft.rfft(stack, n=length, axis=2, workers=threads)
    frequency = 2 * np.pi / length * np.arange(length // 2 + 1)
    turns, middle = np.deg2rad(angles)[:, None], width // 2 - 0.5 * (width - 1)
    factor = filter_response("ramp", length) / length * 2 * angular_weights(angles)[:, None]
    factor[:, [0, -1]] *= 0.5
    shift = centre + middle * (np.cos(turns) + np.sin(turns))
    spectra *= (factor * np.exp(1j * frequency * shift)).astype(np.complex64)
    x, y = (np.ascontiguousarray(frequency * part(turns), dtype=np.float32).ravel() for part in (np.cos, np.sin))
    plan = library.Plan(
        1, (width, width), n_trans=slices, eps=1e-3, isign=1, dtype="complex64", nthreads=threads, upsampfac=1.25
    )
    plan.setpts(y, x)
    return plan.execute(spectra.reshape(slices, -1)).real


@dataclass(frozen=True)
class Method:
    """One way to reconstruct: which package it needs, what is called, and whether it takes seconds for a slice."""

    module: str
    call: Callable[..., Any]
    slow: bool = False


METHODS = {
    "gridding": Method("tomosaxs_plugins", own("gridding")),
    "backproject": Method("tomosaxs_plugins", own("backproject")),
    "tomopy gridrec": Method("tomopy", gridrec(False)),
    "tomopy gridrec, padded 2 x": Method("tomopy", gridrec(True)),
    "finufft": Method("finufft", finufft),
    "algotom fbp": Method("algotom", algotom("fbp"), True),
    "algotom dfi": Method("algotom", algotom("dfi"), True),
    "astra linear": Method("astra", astra("linear"), True),
    "astra strip": Method("astra", astra("strip"), True),
    "scikit-image iradon": Method("skimage", skimage, True),
}
FITTED = ("tomopy gridrec", "tomopy gridrec, padded 2 x", "algotom dfi")


def timed(name: str, stack: Any, angles: Any, centre: float, threads: int) -> tuple[float, float, Any]:
    """Return seconds of the wall clock, seconds of the processor, and the first slice."""
    wall, processor = time.perf_counter(), time.process_time()
    volume = METHODS[name].call(stack, angles, centre, threads)
    return time.perf_counter() - wall, time.process_time() - processor, np.array(volume[0])


class Elsewhere:
    """A Python of another environment that runs methods on request.

    Parameters
    ----------
    python : str
        Its path.
    """

    def __init__(self, python: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        libraries = Path(python).parents[1] / "lib"
        self.process = subprocess.Popen(
            [python, __file__, self.folder.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
        )  # fmt: skip
        self.library = self._answer()

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()

    def _answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the other Python ended")
        return json.loads(line)

    def run(self, name: str, stack: Any, angles: Any, centre: float, threads: int) -> tuple[float, float, Any]:
        """Have a method timed there."""
        assert self.process.stdin
        place = Path(self.folder.name)
        np.savez(place / "in.npz", stack=stack, angles=angles)
        self.process.stdin.write(json.dumps([name, centre, threads]) + "\n")
        self.process.stdin.flush()
        wall, processor = self._answer()
        return wall, processor, np.load(place / "out.npy")


def serve(folder: Path) -> None:
    """Run what is asked for on the input, one line at a time."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    warnings.simplefilter("ignore")

    def answer(values: Any) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    try:
        import tomopy
        import tomopy.util.extern.gridrec  # loads what gridrec is linked to

        loaded = Path("/proc/self/maps").read_text()
        found = [name for mark, name in (("mkl", "MKL"), ("fftw3f", "FFTW")) if mark in loaded]
        answer(f"tomopy {tomopy.__version__}, its FFT is {found[0] if found else 'unknown'}")
    except (ImportError, OSError) as error:
        answer(f"not here ({error})".splitlines()[0])
    for line in sys.stdin:
        name, centre, threads = json.loads(line)
        with np.load(folder / "in.npz") as given:
            stack, angles = given["stack"], given["angles"]
        wall, processor, first = timed(name, stack, angles, centre, threads)
        np.save(folder / "out.npy", first)
        answer([wall, processor])


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
