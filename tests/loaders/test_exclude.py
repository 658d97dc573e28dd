"""Bad projections and angle ranges that are left out are never read; flats may all be kept."""

from __future__ import annotations

import h5py
import layouts
import numpy as np
import pytest
from layouts import ANGLES, nxtomo

from tomosaxs import InputError, Scan
from tomosaxs_plugins.corrections.dark_flat_correction import dark_flat_correction
from tomosaxs_plugins.loaders.tomography import tomography

ALL = (slice(None),) * 3


def companion(source, name):
    auxiliary = source.dataset.auxiliaries[name]
    return auxiliary.reader.read((slice(None),) * len(auxiliary.axes))


@pytest.mark.parametrize("exclude", [[2, 5], {"indices": [2], "angles": [[124.0, 126.0]]}])
def test_left_out(tmp_path, exclude):
    path = nxtomo(tmp_path / "scan.nxs")
    source = tomography(path, exclude=exclude)
    kept = [0, 1, 3, 4, 6, 7]
    np.testing.assert_array_equal(source.reader.read(ALL), layouts.expected()[kept])
    axis = source.dataset.axis("rotation_angle")
    np.testing.assert_allclose(axis.values, ANGLES[kept])
    assert (axis.index.tolist(), axis.full_size) == (kept, 8)
    whole = companion(tomography(path), "flat_weights")
    np.testing.assert_array_equal(companion(source, "flat_weights"), whole[:, kept])
    assert "2 of 8 projections are excluded and not read: 2, 5" in source.messages


def test_in_every_tomogram_of_a_series(tmp_path):
    paths = [nxtomo(tmp_path / f"{n}.nxs", angles=ANGLES + 180 * n) for n in range(2)]
    source = tomography(paths, exclude={"angles": [[0, 30]]})
    assert source.dataset.shape == (2, 6, 4, 6)
    np.testing.assert_array_equal(source.reader.read((slice(None),) * 4)[1], layouts.expected()[2:])


def test_a_frame_that_cannot_be_decoded_is_not_touched(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        data = file["entry/instrument/detector/data"][()]
        del file["entry/instrument/detector/data"]
        # lzf and the checksum are left to HDF5 itself, by which spans of frames are read where it may
        made = file.create_dataset(
            "entry/instrument/detector/data", data=data, chunks=(1, 4, 6), compression="lzf", fletcher32=True
        )
        place = made.id.get_chunk_info(9)
    with path.open("r+b") as raw:
        raw.seek(place.byte_offset)
        raw.write(b"\xff" * place.size)
    with pytest.raises(InputError, match="cannot be read"):
        tomography(path).reader.read(ALL)
    source = tomography(path, exclude=[4])
    np.testing.assert_array_equal(source.reader.read(ALL), layouts.expected()[[0, 1, 2, 3, 5, 6, 7]])


@pytest.mark.parametrize(
    ("exclude", "text"),
    [
        ([8], "has no projection 8: they are counted from 0 to 7"),
        ([-1], "has no projection -1"),
        ({"angles": [[200.0, 210.0]]}, "no projection of .* lies between 200 and 210"),
        ({"angles": [[20.0, 10.0]]}, "pair"),
        ({"angles": [20.0, 30.0]}, "pair"),
        ({"indexes": [1]}, "did you mean 'indices'"),
        (list(range(7)), "leaves 1 of 8"),
    ],
)
def test_exclusions_that_do_not_fit(tmp_path, exclude, text):
    with pytest.raises(InputError, match=text):
        tomography(nxtomo(tmp_path / "scan.nxs"), exclude=exclude)


def test_every_flat_is_kept_and_their_weighted_sum_is_the_mean(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        file["entry/control/data"] = np.arange(16.0) + 1
    mean, every = tomography(path), tomography(path, flat_average="none")
    auxiliary = every.dataset.auxiliaries["flats"]
    assert auxiliary.axes == ("flat", "detector_y", "detector_x")
    assert auxiliary.reader.dtype == np.float32
    np.testing.assert_array_equal(companion(every, "flats")[:, 0, 0], [5000, 5001, 5002, 7003, 7004])
    weights = companion(every, "flat_weights")
    assert weights.shape == (5, 8)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-15)
    np.testing.assert_array_equal(companion(every, "monitor_flats"), [3, 4, 5, 14, 15])
    flat_of = [
        np.einsum("fp,f->p", companion(s, "flat_weights"), companion(s, "flats")[:, 0, 0]) for s in (mean, every)
    ]
    np.testing.assert_allclose(flat_of[0], flat_of[1], rtol=1e-12)
    results = []
    for source in (mean, every):
        scan = Scan.whole(source.dataset, ("rotation_angle", "detector_x"))
        data = source.reader.read(ALL).transpose(1, 0, 2)
        results.append(dark_flat_correction(data, scan, monitor=True))
    np.testing.assert_allclose(results[0], results[1], rtol=2e-6)
    assert "all kept" in "\n".join(every.messages)


def test_saturated_flats_are_not_kept(tmp_path):
    stack = layouts.frames(layouts.KEYS)
    stack[3] = 65535
    source = tomography(nxtomo(tmp_path / "scan.nxs", data=stack), flat_average="none")
    assert companion(source, "flats").shape[0] == companion(source, "flat_weights").shape[0] == 4
