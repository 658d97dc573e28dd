"""Backprojection, projectors and iterations beside ASTRA's and algotom's on the CPU: prints a table.

python benchmarks/backprojection.py [--width 1024 --angles 1500 --threads 1 --rounds 3] [--iterations 20]

One slice of a smooth phantom with closed-form projections. Methods take turns; a figure is the median over the rounds,
the error that of the slice inside 0.9 of the width, in units of its mean. Ratios are to the first line of a table, of
seconds and of processor seconds, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Method = Callable[[], NDArray[Any]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--angles", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slices", type=int, default=4, help="of our own backprojection, which then shares threads")
    parser.add_argument("--iterations", type=int, default=0, help="of SIRT and CGLS; 0: none, they take long")
    given = parser.parse_args()
    os.environ["NUMBA_NUM_THREADS"] = str(given.threads)
    angles = np.arange(given.angles) * 180.0 / given.angles
    centre = 0.5 * (given.width - 1) - 3.3
    data, truth = phantom(given.width, angles, centre)
    updates = given.angles * given.width**2 / 1e9
    print(f"{given.width} columns, {given.angles} angles, {given.threads} thread(s), load {os.getloadavg()[0]:.1f}")
    for title, methods in groups(data, truth, angles, centre, given):
        found = {name: call() for name, (call, _) in methods.items()}  # compiles, too
        seconds: dict[str, list[float]] = {name: [] for name in methods}
        worked: dict[str, list[float]] = {name: [] for name in methods}
        for _ in range(given.rounds):
            for name, (call, share) in methods.items():
                begin, used = time.perf_counter(), time.process_time()
                call()
                seconds[name].append((time.perf_counter() - begin) / share)
                worked[name].append((time.process_time() - used) / share)
        first = next(iter(methods))
        own = statistics.median(seconds[first]), statistics.median(worked[first])
        print(f"\n| {title} | s a slice | processor s | G updates / processor s | times ours | processor | error |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for name in methods:
            middle, used = statistics.median(seconds[name]), statistics.median(worked[name])
            print(
                f"| {name} | {middle:.3f} | {used:.3f} | {updates / used:.2f} | {middle / own[0]:.1f} "
                f"| {used / own[1]:.1f} | {error(found[name], truth, data):.1e} |",
                flush=True,
            )


def phantom(width: int, angles: NDArray[np.float64], centre: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return sinogram and slice of soft discs ``(1 - r**2 / R**2)**2``, which project to a power 5/2."""
    u = width / 100
    discs = [(0.0, 0.0, 40.0, 1.0), (-8.0, 11.0, 18.0, 0.5), (16.0, 6.0, 10.0, 0.6), (-5.0, -17.0, 12.0, -0.4)]
    turn = np.deg2rad(angles)[:, None]
    column, place = np.arange(width) - centre, np.arange(width) - 0.5 * (width - 1)
    data, truth = np.zeros((len(angles), width)), np.zeros((width, width))
    for x, y, radius, value in discs:
        t = (column - u * (x * np.cos(turn) + y * np.sin(turn))) / (u * radius)
        data += value * u * radius * 16 / 15 * np.clip(1 - t**2, 0, None) ** 2.5
        r2 = ((place - u * x) ** 2 + (place[:, None] - u * y) ** 2) / (u * radius) ** 2
        truth += value * np.clip(1 - r2, 0, None) ** 2
    return data.astype(np.float32), truth


def error(found: NDArray[Any], truth: NDArray[Any], data: NDArray[Any]) -> float:
    """Return the error of a slice or of projections; of what has another shape there is none."""
    if found.shape == data.shape != truth.shape:
        return float(np.sqrt(np.mean((found - data) ** 2)) / data.mean())
    if found.shape != truth.shape:
        return math.nan
    place = np.arange(len(truth)) - 0.5 * (len(truth) - 1)
    inside = np.hypot(place[:, None], place) <= 0.45 * len(truth)
    return float(np.sqrt(np.mean((found - truth)[inside] ** 2)) / truth[inside].mean())


def groups(data: Any, truth: Any, angles: Any, centre: float, given: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the comparisons: what is measured, and how many slices a call makes."""
    from tomosaxs_plugins.reconstruction.backends import load
    from tomosaxs_plugins.reconstruction.projector import Projector

    own, astra = load("tomosaxs"), load("astra")
    one, some = data[None], np.repeat(data[None], given.slices, axis=0)
    common: dict[str, Any] = {"threads": given.threads}
    peers: dict[str, Any] = {
        "ours, one slice": (lambda: own.reconstruct(one, angles, centre, algorithm="backproject", **common)[0], 1),
        f"ours, {given.slices} slices": (
            lambda: own.reconstruct(some, angles, centre, algorithm="backproject", **common)[0], given.slices
        ),
    }  # fmt: skip
    try:
        from algotom.rec.reconstruction import fbp_reconstruction

        peers["algotom fbp"] = (
            lambda: fbp_reconstruction(
                data, centre, angles=np.deg2rad(angles), ratio=None, filter_name=None, apply_log=False, gpu=False,
                ncore=given.threads,
            )[::-1], 1
        )  # fmt: skip
    except ImportError:
        print("algotom is not installed: left out")
    found = [("filtered backprojection", peers)]
    projector, image = Projector(angles, data.shape[1], centre, data.shape[1]), truth.astype(np.float32)
    forward: dict[str, Any] = {"ours": (lambda: projector.forward(image), 1)}
    backward: dict[str, Any] = {"ours": (lambda: projector.backward(data), 1)}
    found += [("projection", forward), ("its transpose (no error)", backward)]
    if astra.missing():
        print(f"{astra.missing()}: left out")
        return found
    peers["astra linear"] = (
        lambda: astra.reconstruct(one, angles, centre, algorithm="fbp", projector="linear", gpu=False, **common)[0], 1
    )  # fmt: skip
    there, back = astra_pair(data, angles, centre, image)
    forward["astra linear"], backward["astra linear"] = (there, 1), (back, 1)
    for method in ("sirt", "cgls") if given.iterations else ():
        more = {"algorithm": method, "iterations": given.iterations, **common}
        found.append(
            (f"{method}, {given.iterations} iterations", {
                "ours": (lambda more=more: own.reconstruct(one, angles, centre, **more)[0], 1),
                "astra linear": (lambda more=more: astra.reconstruct(one, angles, centre, gpu=False, **more)[0], 1),
            })
        )  # fmt: skip
    return found


def astra_pair(data: Any, angles: Any, centre: float, image: Any) -> tuple[Method, Method]:
    """Return ASTRA's linear projection and its transpose."""
    import astra

    width = data.shape[1]
    turn = np.deg2rad(angles)
    aside = 0.5 * (width - 1) - centre
    cosine, sine = np.cos(turn), np.sin(turn)
    vectors = np.stack([sine, cosine, aside * cosine, -aside * sine, cosine, -sine], axis=1)
    rays = astra.create_proj_geom("parallel_vec", width, vectors)
    projector = astra.create_projector("linear", rays, astra.create_vol_geom(width, width))

    def there() -> NDArray[Any]:
        identifier, found = astra.create_sino(image, projector)
        astra.data2d.delete(identifier)
        return np.asarray(found)

    def back() -> NDArray[Any]:
        identifier, found = astra.create_backprojection(data, projector)
        astra.data2d.delete(identifier)
        return np.asarray(found)

    return there, back


if __name__ == "__main__":
    main()
