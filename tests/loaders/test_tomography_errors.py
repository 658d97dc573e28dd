"""What is missing, broken or ambiguous is refused with file, HDF5 path and cure; nothing is invented."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tomosaxs import InputError
from tomosaxs_plugins.loaders.tomography import tomography

_spec = importlib.util.spec_from_file_location("loader_layouts", Path(__file__).with_name("layouts.py"))
layouts = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("loader_layouts", layouts)
_spec.loader.exec_module(layouts)
KEYS, ANGLES, nxtomo = layouts.KEYS, layouts.ANGLES, layouts.nxtomo


def refused(path, *texts, **parameters):
    """The loader must refuse, naming the file (if it is one) and every text."""
    with pytest.raises(InputError) as caught:
        tomography(path, **parameters)
    message = str(caught.value)
    for text in (str(path), *texts):
        assert text in message, message


def test_missing_file_and_near_name(tmp_path):
    nxtomo(tmp_path / "scan.nxs")
    refused(tmp_path / "scam.nxs", "does not exist", "did you mean 'scan.nxs'")
    refused(tmp_path / "no" / "scan.nxs", "does not exist")


def test_folder_that_is_no_flyscan(tmp_path):
    refused(tmp_path, "no scan", "give the file itself")


def test_text_file_and_empty_file(tmp_path):
    (tmp_path / "a.nxs").write_text("not a nexus file")
    refused(tmp_path / "a.nxs", "is not a NeXus/HDF5 file", "not a n")
    (tmp_path / "b.nxs").write_bytes(b"")
    refused(tmp_path / "b.nxs", "is empty")


def test_truncated_file(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs", chunks=(1, 4, 6))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "is truncated")


def test_damaged_structure(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    raw = bytearray(path.read_bytes())
    place = raw.index(b"instrument")  # the names of a group's members
    heap = raw.rindex(b"HEAP", 0, place)
    raw[heap : heap + 4] = b"JUNK"
    path.write_bytes(raw)
    refused(path, "damaged", "copy the file again")


def test_damage_met_while_reading(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        data = file["entry/instrument/detector/data"][()]
        del file["entry/instrument/detector/data"]
        made = file.create_dataset("entry/instrument/detector/data", data=data, chunks=(1, 4, 6), compression="gzip")
        place = made.id.get_chunk_info(9)
    with path.open("r+b") as raw:  # spoil the compressed bytes of frame 9, a projection
        raw.seek(place.byte_offset)
        raw.write(b"\xff" * place.size)
    source = tomography(path)
    whole = (slice(None),) * 3
    with pytest.raises(InputError, match=r"scan\.nxs: /entry/instrument/detector/data cannot be read"):
        source.reader.read(whole)


def test_frames_that_were_never_written_are_said(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        data = file["entry/instrument/detector/data"][()]
        del file["entry/instrument/detector/data"]
        made = file.create_dataset("entry/instrument/detector/data", data.shape, data.dtype, chunks=(1, 4, 6))
        made[:10] = data[:10]
    text = "\n".join(tomography(path).messages)
    assert "WARNING: 6 of 16 chunks of /entry/instrument/detector/data were never written" in text


def test_unknown_layout_lists_stacks(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["raw/images"] = np.zeros((5, 4, 6), "u2")
    refused(path, "in no known layout", "/raw/images (5, 4, 6)", "data_path")


def test_raster_scans_are_sent_to_their_loader(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs", definition="")
    with h5py.File(path, "r+") as file:
        file["entry/definition"] = "NXxrd"
    refused(path, "NXxrd", "raster_map")


def test_several_entries_must_be_chosen(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs", entry="entry0000")
    nxtomo(path, entry="entry0001", mode="a")
    refused(path, "2 scans", "/entry0000, /entry0001", "entry:")
    refused(path, "/entry7", "did you mean", entry="/entry7")


def test_several_scans_in_one_stack_must_be_chosen(tmp_path):
    angles = np.concatenate([np.arange(0, 180, 30.0)] * 3)
    path = nxtomo(tmp_path / "scan.nxs", keys=np.array([2, 1, *[0] * 18]), angles=angles)
    refused(path, "18 projections are 3 scans", "scan: 1..3", "scan: all")
    refused(path, "scan: 4 does not exist", "3 complete scans", scan=4)


def test_several_stacks_must_be_chosen(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs", detector="one")
    with h5py.File(path, "r+") as file:
        del file["entry/data"]
        file["entry/instrument/two/data"] = layouts.frames(KEYS)
    refused(path, "/entry/instrument/one/data", "/entry/instrument/two/data", "data_path:")


def test_misspelt_path(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    refused(path, "data_path", "did you mean 'detector'", data_path="/entry/instrument/detektor/data")
    refused(path, "is a group", data_path="/entry/instrument/detector")


def test_unknown_image_key(tmp_path):
    keys = KEYS.copy()
    keys[5] = 7
    path = nxtomo(tmp_path / "scan.nxs", keys=np.where(keys == 7, 3, keys), angles=ANGLES[:7])
    with h5py.File(path, "r+") as file:
        file["entry/instrument/detector/image_key"][...] = keys
    refused(path, "/entry/instrument/detector/image_key", "value 7 at frame 5")


def test_image_keys_of_another_number(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        del file["entry/instrument/detector/image_key"]
        file["entry/instrument/detector/image_key"] = KEYS[:-1]
    refused(path, "image_key has 15 values", "/entry/instrument/detector/data has 16 frames")


def test_no_projections(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        file["entry/instrument/detector/image_key"][...] = 1
    refused(path, "has no projections")


@pytest.mark.parametrize("kind", ["none", "zeros", "not numbers"])
def test_no_angles(tmp_path, kind):
    angles = {"none": ANGLES, "zeros": np.zeros(8), "not numbers": np.full(8, np.nan)}[kind]
    path = nxtomo(tmp_path / "scan.nxs", angles=angles, angle_at="" if kind == "none" else "sample/rotation_angle")
    text = {"none": "no dataset of a known name", "zeros": "holds zeros only", "not numbers": "are no numbers"}[kind]
    refused(path, "no rotation angles", text, "angles_path", "angles: {start: A, stop: B}")


def test_angles_of_another_number(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs", angles=np.linspace(0, 170, 7), angles_of="projections")
    refused(path, "/entry/sample/rotation_angle has 7 values for 16 frames of which 8 are projections")
    text = tmp_path / "angles.txt"
    text.write_text("1\n2\n3\n")
    with pytest.raises(InputError, match="3 angles, the scan has 8 projections"):
        tomography(path, angles=text)
    with pytest.raises(InputError, match="count is 9, the scan has 8"):
        tomography(path, angles={"start": 0.0, "stop": 180.0, "count": 9.0})
    with pytest.raises(InputError, match="unknown: end"):
        tomography(path, angles={"start": 0.0, "end": 180.0})


def test_angles_without_units_that_may_be_radians(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs", angles=np.linspace(0, np.pi, 8), angle_units=None)
    refused(path, "/entry/sample/rotation_angle has no units", "angle_units: rad")
    source = tomography(path, angle_units="rad")
    np.testing.assert_allclose(source.dataset.axis("rotation_angle").values[-1], 180.0)


def test_degrees_that_look_like_radians_are_questioned(tmp_path):
    source = tomography(nxtomo(tmp_path / "scan.nxs", angles=np.linspace(0, np.pi, 8)))
    assert "like radians" in "\n".join(source.messages)


@pytest.mark.parametrize("name", ["data", "image_key"])
def test_dangling_external_link(tmp_path, name):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        del file[f"entry/instrument/detector/{name}"]
        file[f"entry/instrument/detector/{name}"] = h5py.ExternalLink("gone.h5", f"/entry/{name}")
    target = tmp_path / "gone.h5"
    refused(path, f"/entry/instrument/detector/{name} is a link", f"/entry/{name} in {target}", "does not exist")


def test_soft_link_to_a_dangling_external_link_names_the_file(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        del file["entry/instrument/detector/data"]
        file["entry/instrument/detector/data"] = h5py.ExternalLink("gone.h5", "/data")
    texts = ("/entry/data/data is a link to /entry/instrument/detector/data, and that is", str(tmp_path / "gone.h5"))
    refused(path, *texts, data_path="/entry/data/data")


def test_external_link_to_a_path_that_is_not_there(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file, h5py.File(tmp_path / "frames.h5", "w") as other:
        other["else"] = 1
        del file["entry/instrument/detector/data"]
        file["entry/instrument/detector/data"] = h5py.ExternalLink("frames.h5", "/data")
    refused(path, str(tmp_path / "frames.h5"), "has no such path")


def test_virtual_dataset_without_its_file(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        del file["entry/instrument/detector/data"]
        layout = h5py.VirtualLayout((16, 4, 6), "u2")
        layout[...] = h5py.VirtualSource("gone.h5", "/data", (16, 4, 6))
        file["entry/instrument/detector"].create_virtual_dataset("data", layout)
    refused(path, "/entry/instrument/detector/data takes its values from", str(tmp_path / "gone.h5"))


def test_all_flats_saturated(tmp_path):
    stack = layouts.frames(KEYS)
    stack[KEYS == 1] = 65535
    refused(nxtomo(tmp_path / "scan.nxs", data=stack), "3 of 3 flats", "no flat is left", "flats: FILE")


def test_batch_that_does_not_exist(tmp_path):
    refused(nxtomo(tmp_path / "scan.nxs"), "no batch 3", "2: frames 13..14", ignore_flats=[3])


def test_separate_flats_that_do_not_fit(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    small = tmp_path / "small.nxs"
    with h5py.File(small, "w") as file:
        file["data"] = np.ones((2, 3, 3), "u2")
    with pytest.raises(InputError, match=r"small\.nxs: which dataset holds the flats"):
        tomography(path, flats=small)
    with pytest.raises(InputError, match=r"small\.nxs: /data has the shape \(2, 3, 3\)"):
        tomography(path, flats=small, flats_path="/data")
    keyed = layouts.separate(tmp_path / "keyed.nxs", [1, 2, 3], keys=[0, 2, 2])
    with pytest.raises(InputError, match="image_key 1 does not occur"):
        tomography(path, flats=keyed)


def test_monitor_that_does_not_fit(tmp_path):
    path = nxtomo(tmp_path / "scan.nxs")
    with h5py.File(path, "r+") as file:
        file["entry/diode"] = np.ones(5)
    refused(path, "/entry/diode has 5 values", "no monitor of this scan", monitor_path="/entry/diode")


def test_data_exchange_without_angles_and_with_sinograms(tmp_path):
    refused(layouts.data_exchange(tmp_path / "a.h5", theta=None), "no rotation angles", "angles:")
    path = layouts.data_exchange(tmp_path / "b.h5")
    with h5py.File(path, "r+") as file:
        file["exchange/data"].attrs["axes"] = "y:theta:x"
    refused(path, "sinograms first", "plugin array")


def test_flyscan_with_two_moving_motors(tmp_path):
    folder = layouts.flyscan(tmp_path / "scan", motors=("tomo1Rz1", "tomo2Rz2"))
    with pytest.raises(InputError, match=r"no rotation angles.*tomo1Rz1.*tomo2Rz2"):
        tomography(folder)
    source = tomography(folder, angles_path="/flyscan_00003/scan_data/tomo2Rz2")
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, -ANGLES - 90)


def test_flyscan_flats_of_another_size(tmp_path):
    folder = layouts.flyscan(tmp_path / "scan")
    with h5py.File(folder / "pre_ref.nxs", "w") as file:
        file["ref_0"] = np.ones((3, 2, 2), "u2")
    with pytest.raises(InputError, match=r"pre_ref\.nxs: /ref_0 has the shape \(3, 2, 2\)"):
        tomography(folder)


def test_results_are_sent_to_their_loader(tmp_path):
    path = nxtomo(tmp_path / "result.nxs", definition="")
    with h5py.File(path, "r+") as file:
        file["entry/definition"] = "NXtomoproc"
    refused(path, "NXtomoproc", "plugin result")
