"""Tiny files of every layout that the loader `tomography` accepts, with values that tell where they came from.

Projection p holds 1000 + 10 p + row, flats before 5000 + n, flats after 7000 + n, darks 100 + n.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

ROWS, COLUMNS = 4, 6
KEYS = np.array([2, 2, 1, 1, 1, *[0] * 8, 1, 1, 2])
"""Image keys of the plain scan: 2 darks, 3 flats, 8 projections, 2 flats, 1 dark."""
ANGLES = np.linspace(0.0, 175.0, 8)


def frames(keys, dtype="u2"):
    """Return the frames that go with a sequence of image keys."""
    keys = np.rint(np.asarray(keys, dtype=float)).astype(int)
    first = np.flatnonzero(keys == 0)[0]
    counts = dict.fromkeys((0, 1, 2, 3, 4, -1), 0)
    stack = np.zeros((len(keys), ROWS, COLUMNS), dtype)
    for n, key in enumerate(keys):
        base = {0: 1000, 1: 5000 if n < first else 7000, 2: 100, 3: 9, 4: 8, -1: 7}[key]
        step = 10 if key == 0 else 1
        stack[n] = base + step * counts[key] + (np.arange(ROWS)[:, None] if key == 0 else 0)
        counts[key] += 1
    return stack


def frame_angles(keys, angles=ANGLES):
    """Return one angle a frame: flats and darks are taken where the stage stands."""
    keys = np.rint(np.asarray(keys, dtype=float)).astype(int)
    full = np.full(len(keys), float(angles[0]))
    full[keys == 0] = angles
    return full


def expected(projections=8):
    """Return what the projections hold."""
    return (1000 + 10 * np.arange(projections)[:, None, None] + np.arange(ROWS)[None, :, None]) * np.ones(
        (1, 1, COLUMNS), "u2"
    )


def put(group, path, data, units=None, **options):
    """Write a dataset with units."""
    made = group.create_dataset(path, data=data, **options)
    if units is not None:
        made.attrs["units"] = units
    return made


def nxtomo(
    path: Path,
    *,
    keys=KEYS,
    entry="entry",
    subentry="",
    definition="field",
    detector="detector",
    key_dtype="i4",
    angles=ANGLES,
    angle_at="sample/rotation_angle",
    angle_units="deg",
    angles_of="frames",
    with_keys=True,
    data=None,
    chunks=None,
    mode="w",
):
    """Write an NXtomo file, plain or departing from the definition in one way."""
    stack = frames(keys) if data is None else data
    with h5py.File(path, mode) as file:
        group = file.create_group(entry)
        group.attrs["NX_class"] = "NXentry"
        if subentry:
            group = group.create_group(subentry)
            group.attrs["NX_class"] = "NXsubentry"
        if definition == "field":
            group["definition"] = "NXtomo"
        elif definition == "misspelt":
            group["defination"] = "NXtomo"
        elif definition == "attribute":
            group.attrs["definition"] = "NXtomo"
        home = group.create_group(f"instrument/{detector}")
        home.attrs["NX_class"] = "NXdetector"
        put(home, "data", stack, chunks=chunks)
        if with_keys:
            put(home, "image_key", np.asarray(keys).astype(key_dtype))
        if angle_at:
            values = frame_angles(keys, angles) if angles_of == "frames" else np.asarray(angles, float)
            put(group, angle_at, values, angle_units)
        group["data/data"] = h5py.SoftLink(home.name + "/data")
    return path


def separate(path: Path, values, *, keys=None, inside="entry/data/data"):
    """Write flats or darks into a file of their own."""
    values = np.asarray(values)
    stack = np.broadcast_to(values[:, None, None], (len(values), ROWS, COLUMNS)).astype("u2")
    with h5py.File(path, "w") as file:
        put(file, inside, stack)
        if keys is not None:
            put(file, "entry/instrument/detector/image_key", np.asarray(keys))
    return path


def data_exchange(path: Path, *, theta=ANGLES, units="degrees", white=3, dark=2):
    """Write a Data Exchange file."""
    with h5py.File(path, "w") as file:
        put(file, "exchange/data", expected().astype("u2"))
        if white:
            put(file, "exchange/data_white", np.full((white, ROWS, COLUMNS), 5001, "u2"))
        if dark:
            put(file, "exchange/data_dark", np.full((dark, ROWS, COLUMNS), 101, "u2"))
        if theta is not None:
            put(file, "exchange/theta", theta, units)
        put(file, "measurement/instrument/detector/actual_pixel_size_x", 1.5, "microns")
        put(file, "measurement/instrument/monochromator/energy", 25.0, "keV")
        file["measurement/sample/name"] = "bone"
    return path


def flyscan(folder: Path, *, group="flyscan_00003", averaged=False, motors=("tomo1Rz1",)):
    """Write a SOLEIL Flyscan folder: four NeXus files and the parameters."""
    folder.mkdir()
    with h5py.File(folder / f"{folder.name}.nxs", "w") as file:
        data = file.create_group(f"{group}/scan_data")
        put(data, "orca_image", expected().astype("u2"))
        for number, motor in enumerate(motors):
            put(data, motor, -ANGLES - 90 * number)
        put(data, "ring_current", np.linspace(450, 449, 8))
    for name, kind, value in (("pre_ref", "ref", 5000), ("post_ref", "ref", 7000), ("post_dark", "dark", 100)):
        stack = np.full((3, ROWS, COLUMNS), value, "u2")
        with h5py.File(folder / f"{name}.nxs", "w") as file:
            if averaged:
                file[f"{kind}_2d"] = stack[0]
            else:
                file[f"{kind}_0"] = stack
    (folder / f"{folder.name}.par").write_text(
        "! HST\nNUM_IMAGE_1 = 6\nIMAGE_PIXEL_SIZE_1 = 0.65 # um\nIMAGE_PIXEL_SIZE_2 = 0.65\nar[0]=0.0\n"
    )
    return folder
