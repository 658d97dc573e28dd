"""Folders of TIFF and EDF images: what is taken for what, angles, partial reading, what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import tomosaxs
from tomosaxs import InputError
from tomosaxs_plugins.loaders import frame_files
from tomosaxs_plugins.loaders.tomography import tomography

tifffile = pytest.importorskip("tifffile", reason="tifffile writes the images of these tests: pip install tifffile")

ROWS, COLUMNS, COUNT = 5, 7, 9
SPAN = {"start": 0.0, "stop": 160.0}


def frame(number, base=1000):
    return (base + 10 * number + np.arange(ROWS)[:, None] + np.zeros(COLUMNS)).astype("u2")


EXPECTED = np.stack([frame(n) for n in range(COUNT)])


def tiffs(folder, name, count, base, **options):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        tifffile.imwrite(folder / f"{name}{number:04d}.tif", frame(number, base), **options)


def edf(path, values, motors=None, order="LowByteFirst", **entries):
    """Write an EDF file by the format's rules: a header of whole 512 bytes, then the values."""
    kinds = {"u2": "UnsignedShort", "f4": "FloatValue", "i4": "SignedInteger", "u4": "UnsignedInteger"}
    code = values.dtype.str[1:]
    keys = {
        "HeaderID": "EH:000001:000000:000000", "Image": 1, "ByteOrder": order, "DataType": kinds[code],
        "Dim_1": values.shape[1], "Dim_2": values.shape[0], "Size": values.nbytes, **entries,
    }  # fmt: skip
    if motors:
        keys["motor_mne"] = " ".join(motors)
        keys["motor_pos"] = " ".join(f"{value:g}" for value in motors.values())
    text = "{\n" + "".join(f"{key} = {value} ;\n" for key, value in keys.items())
    text += " " * (-(len(text) + 2) % 512) + "}\n"
    data = values.astype((">" if order.startswith("High") else "<") + code).tobytes()
    with path.open("ab") as file:
        file.write(text.encode() + data)


def values(source):
    return source.reader.read((slice(None),) * len(source.dataset.axes))


def companion(source, name):
    auxiliary = source.dataset.auxiliaries[name]
    return auxiliary.reader.read((slice(None),) * len(auxiliary.axes))


def said(source):
    return "\n".join(source.messages)


def check(source, flats=(5005.0,), dark=105.0):
    assert source.dataset.names == ("rotation_angle", "detector_y", "detector_x")
    np.testing.assert_array_equal(values(source), EXPECTED)
    np.testing.assert_array_equal(companion(source, "flats")[:, 0, 0], flats)
    np.testing.assert_array_equal(companion(source, "darks")[:, 0, 0], [dark])


NAMES = {
    "beside each other": ("proj_", "flat_", "dark_"),
    "references and backgrounds": ("sample", "ref", "background"),
    "capitals": ("img", "WhiteField", "DarkField"),
    "a name in common": ("bone_ref2_tomo_", "bone_ref2_flat_", "bone_ref2_dark_"),
    "sub-folders": ("proj/img_", "Flats/img_", "Darks/img_"),
    "sub-folders of flats and darks": ("img_", "flat_field/img_", "dark_field/img_"),
    "radios": ("radios/a", "refs/a", "dark/a"),
}


@pytest.mark.parametrize("case", NAMES)
def test_flats_and_darks_are_known_by_the_usual_names(tmp_path, case):
    folder = tmp_path / "scan7"
    for name, count, base in zip(NAMES[case], (COUNT, 2, 2), (1000, 5000, 100), strict=True):
        place, _, start = name.rpartition("/")
        tiffs(folder / place, start, count, base)
    source = tomography(folder, angles=SPAN)
    check(source)
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, np.linspace(0, 160, COUNT))
    assert "TIFF images" in source.messages[0]
    assert "flats: 2 (" in said(source)
    assert len(source.files) == COUNT + 4


def test_flats_before_and_after_are_interpolated(tmp_path):
    tiffs(tmp_path / "s/Tomo", "im", COUNT, 1000)
    tiffs(tmp_path / "s/Flat_Before", "im", 2, 5000)
    tiffs(tmp_path / "s/Flat_After", "im", 2, 7000)
    tiffs(tmp_path / "s/Dark_Before", "im", 2, 100)
    tiffs(tmp_path / "s/180deg", "im", 1, 1)
    source = tomography(tmp_path / "s", angles=SPAN)
    check(source, flats=(5005.0, 7005.0))
    np.testing.assert_allclose(companion(source, "flat_weights")[1], (np.arange(COUNT) + 0.5) / COUNT)
    assert "not used: 180deg/im0000.tif" in said(source)


def test_a_sample_called_after_a_flat_is_chosen_by_pattern(tmp_path):
    tiffs(tmp_path / "s", "white_matter_", COUNT, 1000)
    with pytest.raises(InputError, match=r"flats or darks by their names.*pattern"):
        tomography(tmp_path / "s", angles=SPAN)
    tiffs(tmp_path / "f", "im", 2, 5000)
    tiffs(tmp_path / "d", "im", 2, 100)
    check(tomography(tmp_path / "s", pattern="white*", angles=SPAN, flats=tmp_path / "f", darks=tmp_path / "d"))
    (tmp_path / "s").rename(tmp_path / "white_matter_")  # the scan's own name says nothing of its files
    assert tomography(tmp_path / "white_matter_", angles=SPAN).dataset.shape == (COUNT, ROWS, COLUMNS)


def test_darkstone_is_no_dark(tmp_path):
    tiffs(tmp_path / "s", "darkstone_", COUNT, 1000)
    assert tomography(tmp_path / "s", angles=SPAN).dataset.shape == (COUNT, ROWS, COLUMNS)


def test_several_sets_of_images_must_be_told_apart(tmp_path):
    tiffs(tmp_path / "s", "left_", 4, 1000)
    tiffs(tmp_path / "s", "right_", 5, 1000)
    with pytest.raises(InputError, match=r"left_0000\.tif .* \(4 files\).*right_.*pattern"):
        tomography(tmp_path / "s", angles=SPAN)
    assert tomography(tmp_path / "s", pattern="left*", angles=SPAN).dataset.shape[0] == 4


def test_files_named_in_the_list_and_flats_beside_them(tmp_path):
    tiffs(tmp_path / "s", "p", COUNT, 1000)
    tiffs(tmp_path / "s", "flat", 2, 5000)
    tiffs(tmp_path / "s", "dark", 2, 100)
    check(tomography(sorted((tmp_path / "s").glob("p*.tif")), angles=SPAN))


def test_folder_of_projections_beside_those_of_flats_and_darks(tmp_path):
    tiffs(tmp_path / "s/projections", "a", COUNT, 1000)
    tiffs(tmp_path / "s/flats", "a", 2, 5000)
    tiffs(tmp_path / "s/darks", "a", 2, 100)
    check(tomography(tmp_path / "s/projections", angles=SPAN))


def test_no_angle_is_invented(tmp_path):
    tiffs(tmp_path / "s", "p", COUNT, 1000)
    with pytest.raises(InputError, match=r"no rotation angles.*angles: \{start: A, stop: B\}"):
        tomography(tmp_path / "s")
    (tmp_path / "s/angles.txt").write_text("\n".join(f"{20 * n}" for n in range(COUNT)))
    source = tomography(tmp_path / "s")
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, 20.0 * np.arange(COUNT))
    assert "angles.txt" in said(source)
    (tmp_path / "s/angles.txt").write_text("1\n2\n")
    with pytest.raises(InputError, match=r"angles\.txt has 2 angles, the scan has 9 projections"):
        tomography(tmp_path / "s")


@pytest.mark.parametrize(
    "kind", ["plain", "strips", "tiled", "deflate", "big endian", "bigtiff", "one multi-page file"]
)
def test_kinds_of_tiff(tmp_path, kind):
    options = {
        "strips": {"rowsperstrip": 2}, "tiled": {"tile": (16, 16)}, "big endian": {"byteorder": ">"},
        "deflate": {"compression": "zlib"}, "bigtiff": {"bigtiff": True},
    }.get(kind, {})  # fmt: skip
    if kind in ("tiled", "deflate"):
        pytest.importorskip("fabio", reason="fabio reads compressed images: pip install fabio")
    if kind == "one multi-page file":
        (tmp_path / "s").mkdir()
        tifffile.imwrite(tmp_path / "s/stack.tif", EXPECTED, photometric="minisblack")
    else:
        tiffs(tmp_path / "s", "p", COUNT, 1000, **options)
    source = tomography(tmp_path / "s", angles=SPAN)
    np.testing.assert_array_equal(values(source), EXPECTED)
    assert source.dataset.dtype == np.dtype("u2")
    part = (slice(1, 8, 3), np.array([0, 2, 3]), slice(2, 6))
    np.testing.assert_array_equal(source.reader.read(part), EXPECTED[1:8:3][:, [0, 2, 3], 2:6])
    exclude = tomography(tmp_path / "s", angles=SPAN, exclude=[0, 8])
    np.testing.assert_array_equal(values(exclude), EXPECTED[1:8])


def test_compressed_images_without_fabio(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fabio", None)
    tiffs(tmp_path / "s", "p", COUNT, 1000, compression="zlib")
    with pytest.raises(InputError, match=r"p0000\.tif is compressed .* pip install fabio"):
        tomography(tmp_path / "s", angles=SPAN)


def test_only_the_bytes_of_the_rows_are_read(tmp_path, monkeypatch):
    tiffs(tmp_path / "s", "p", COUNT, 1000)
    source = tomography(tmp_path / "s", angles=SPAN)
    asked = []

    def noted(descriptor, target, place):
        asked.append(target.size)
        return plain(descriptor, target, place)

    plain = frame_files.read_exactly
    monkeypatch.setattr(frame_files, "read_exactly", noted)
    part = source.reader.read((slice(None), slice(1, 3), slice(None)))
    np.testing.assert_array_equal(part, EXPECTED[:, 1:3])
    assert asked == [2 * COLUMNS * 2] * COUNT


def test_only_first_and_last_file_are_opened_beforehand(tmp_path, monkeypatch):
    tiffs(tmp_path / "s", "p", 40, 1000)
    opened = []
    plain = frame_files._places
    monkeypatch.setattr(frame_files, "_places", lambda path: opened.append(path.name) or plain(path))
    tomography(tmp_path / "s", angles=SPAN)
    assert opened == ["p0000.tif", "p0039.tif"]


def test_a_stream_in_files_of_many_pages_is_cut_into_tomograms(tmp_path):
    """Three tomograms of 100 frames in a file of two parts: frame k is (k div 100, k mod 100)."""
    numbers = np.arange(300, dtype="u2")[:, None, None] * np.ones((1, 2, 3), "u2")
    (tmp_path / "s").mkdir()
    tifffile.imwrite(tmp_path / "s/fast.tif", numbers[:170], photometric="minisblack")
    tifffile.imwrite(tmp_path / "s/fast@0001.tif", numbers[170:], photometric="minisblack")
    parts = [tmp_path / "s/fast.tif", tmp_path / "s/fast@0001.tif"]
    for path in (tmp_path / "s", parts):
        source = tomography(path, series={"projections": 100.0}, angles={"start": 0.0, "stop": 178.2})
        assert source.dataset.shape == (3, 100, 2, 3)
        np.testing.assert_array_equal(values(source)[:, :, 0, 0], np.arange(300).reshape(3, 100))
        np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, np.arange(100) * 1.8)


def test_folders_of_images_are_a_series(tmp_path):
    for number in range(3):
        tiffs(tmp_path / f"t{number}", "p", COUNT, 1000 + 100 * number)
    source = tomography([tmp_path / f"t{n}" for n in range(3)], angles=SPAN)
    np.testing.assert_array_equal(values(source), np.stack([EXPECTED + 100 * n for n in range(3)]))


def test_a_file_that_is_cut_off_is_named_before_the_run(tmp_path):
    tiffs(tmp_path / "s", "p", COUNT, 1000)
    path = tmp_path / "s/p0004.tif"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"p0004\.tif cannot be read: the file ends at .*exclude"):
        tomography(tmp_path / "s", angles=SPAN)
    source = tomography(tmp_path / "s", angles=SPAN, exclude=[4])
    np.testing.assert_array_equal(values(source), np.delete(EXPECTED, 4, axis=0))


def test_a_file_that_breaks_later_is_named_when_it_is_read(tmp_path):
    tiffs(tmp_path / "s", "p", COUNT, 1000)
    source = tomography(tmp_path / "s", angles=SPAN)
    (tmp_path / "s/p0005.tif").unlink()
    with pytest.raises(InputError, match=r"p0005\.tif \(image 5 of 9\) cannot be read: No such file.*exclude: \[5\]"):
        values(source)


def test_a_file_of_another_size_is_named(tmp_path):
    tiffs(tmp_path / "s", "p", COUNT, 1000)
    tifffile.imwrite(tmp_path / "s/p0003.tif", np.zeros((ROWS, COLUMNS + 1), "u2"))
    with pytest.raises(InputError, match=r"p0003\.tif holds 5 x 8 pixels; the first of the projections, p0000\.tif"):
        tomography(tmp_path / "s", angles=SPAN)
    tifffile.imwrite(tmp_path / "s/p0003.tif", np.zeros((COLUMNS, ROWS), "u2"))  # of the same bytes: seen when read
    with pytest.raises(InputError, match=r"p0003\.tif .* it has 7 x 5 pixels, the first one 5 x 7"):
        values(tomography(tmp_path / "s", angles=SPAN))


def test_flats_of_another_size_are_named(tmp_path):
    tiffs(tmp_path / "s", "p", COUNT, 1000)
    tifffile.imwrite(tmp_path / "s/flat.tif", np.zeros((2, 2), "u2"))
    with pytest.raises(InputError, match=r"flat\.tif has 2 x 2 pixels; flats for projections of 5 x 7"):
        tomography(tmp_path / "s", angles=SPAN)


def test_missing_numbers_are_told_and_angles_go_by_the_numbers(tmp_path):
    tiffs(tmp_path / "s", "p", 30, 1000)
    (tmp_path / "s/p0011.tif").unlink()
    source = tomography(tmp_path / "s", angles={"start": 0.0, "stop": 29.0})
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, np.delete(np.arange(30.0), 11))
    assert "WARNING: images are missing by their numbers, from 11" in said(source)


def test_images_and_scans_do_not_mix(tmp_path):
    tiffs(tmp_path / "s", "p", 2, 1000)
    (tmp_path / "x.nxs").write_bytes(b"")
    with pytest.raises(InputError, match="images or scans, not both"):
        tomography([tmp_path / "s/p0000.tif", tmp_path / "x.nxs"])


# EDF ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["LowByteFirst", "HighByteFirst"])
def test_edf_with_angles_in_the_headers(tmp_path, order):
    folder = tmp_path / "scan"
    folder.mkdir()
    for number in range(COUNT):
        edf(folder / f"p{number:04d}.edf", frame(number), {"srot": 20.0 * number, "sx": 1.5, "rotb": 3.0}, order)
    source = tomography(folder)
    np.testing.assert_array_equal(values(source), EXPECTED)
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, 20.0 * np.arange(COUNT))
    assert "motor srot in the headers" in said(source)
    np.testing.assert_array_equal(source.reader.read((slice(2, 3), slice(3, 4), slice(None))), EXPECTED[2:3, 3:4])
    with pytest.raises(InputError, match="did you mean 'srot'"):
        tomography(folder, angles_path="srott")
    with pytest.raises(InputError, match=r"is 1\.5 throughout"):
        tomography(folder, angles_path="sx")


def test_edf_with_two_motors_that_turn(tmp_path):
    for number in range(COUNT):
        edf(tmp_path / f"p{number:04d}.edf", frame(number), {"srot": 20.0 * number, "theta": 1.0 * number})
    with pytest.raises(InputError, match=r"several motors turn \(srot, theta\): give angles_path: srot"):
        tomography(tmp_path)
    source = tomography(tmp_path, angles_path="theta")
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, np.arange(COUNT))


def test_edf_of_many_frames(tmp_path):
    for number in range(COUNT):
        edf(tmp_path / "stack.edf", frame(number), {"srot": 20.0 * number})
    source = tomography(tmp_path)
    np.testing.assert_array_equal(values(source), EXPECTED)
    np.testing.assert_array_equal(source.dataset.axis("rotation_angle").values, 20.0 * np.arange(COUNT))


def test_edf_as_fabio_writes_it(tmp_path):
    fabio = pytest.importorskip("fabio", reason="fabio writes the images of this test: pip install fabio")
    for number in range(COUNT):
        fabio.edfimage.EdfImage(data=frame(number), header={"title": "x"}).write(str(tmp_path / f"p{number:04d}.edf"))
    np.testing.assert_array_equal(values(tomography(tmp_path, angles=SPAN)), EXPECTED)


def legacy(folder, extra=0, **changes):
    """Write a legacy scan of the ESRF: projections, averaged flats before and after, a sum of darks, the .info file."""
    folder.mkdir()
    for number in range(COUNT + extra):
        edf(folder / f"{folder.name}{number:04d}.edf", frame(number), {"srot": 0.0})
    edf(folder / "refHST0000.edf", np.full((ROWS, COLUMNS), 5000, "u2"))
    edf(folder / f"refHST{COUNT:04d}.edf", np.full((ROWS, COLUMNS), 7000, "u2"))
    edf(folder / "ref0000_0000.edf", np.full((ROWS, COLUMNS), 1, "u2"))
    edf(folder / "darkend0000.edf", np.full((ROWS, COLUMNS), 2000, "u4"))
    info = {
        "Prefix": folder.name, "ScanRange": 180, "TOMO_N": COUNT, "DARK_N": 20, "REF_ON": COUNT, "PixelSize": 0.65,
        "Energy": 25, "Distance": 50, "Dim_1": COLUMNS, "Dim_2": ROWS, **changes,
    }  # fmt: skip
    text = "".join(f"{key}= {value}\n" for key, value in info.items() if value is not None)
    (folder / f"{folder.name}.info").write_text(text)
    return folder


@pytest.mark.parametrize("extra", [0, 3])
def test_legacy_scan_of_the_esrf(tmp_path, extra):
    source = tomography(legacy(tmp_path / "white_sand_1_", extra))
    check(source, flats=(5000.0, 7000.0), dark=100.0)
    np.testing.assert_allclose(source.dataset.axis("rotation_angle").values, 180.0 / COUNT * np.arange(COUNT))
    np.testing.assert_allclose(companion(source, "flat_weights")[1], (np.arange(COUNT) + 0.5) / COUNT)
    data = source.dataset
    assert data.quantity("pixel_size_x").value == pytest.approx(0.65e-6)
    assert data.quantity("energy").value == pytest.approx(25e3)
    assert data.quantity("distance").value == pytest.approx(0.05)
    assert data.metadata["sample_name"] == "white_sand_1_"
    text = said(source)
    assert "ScanRange 180 deg, TOMO_N 9" in text
    assert "is a sum, divided by DARK_N = 20" in text
    assert "the averaged refHST are taken, not white_sand_1_/ref0000_0000.edf" in text
    assert ("3 images after the 9 of TOMO_N are left out" in text) == (extra == 3)


def test_legacy_scan_with_a_mean_dark_or_without_a_range(tmp_path):
    folder = legacy(tmp_path / "a")
    edf(folder / "dark.edf", np.full((ROWS, COLUMNS), 101, "f4"))
    source = tomography(folder)
    assert companion(source, "darks")[0, 0, 0] == 101.0
    assert "dark.edf is taken, not a/darkend0000.edf" in said(source)
    with pytest.raises(InputError, match=r"no \.info file tells ScanRange and TOMO_N"):
        tomography(legacy(tmp_path / "b", ScanRange=None))


def test_raw_flats_of_a_legacy_scan_without_averages(tmp_path):
    folder = legacy(tmp_path / "a")
    for path in folder.glob("refHST*"):
        path.unlink()
    for number in range(2):
        edf(folder / f"ref{number:04d}_{COUNT:04d}.edf", np.full((ROWS, COLUMNS), 3 + 2 * number, "u2"))
    source = tomography(folder)
    np.testing.assert_array_equal(companion(source, "flats")[:, 0, 0], [1, 4])
    np.testing.assert_allclose(companion(source, "flat_weights")[1], (np.arange(COUNT) + 0.5) / COUNT)


# In lists -------------------------------------------------------------------------------------------------------------

LIST = """\
input:
  tomo:
    plugin: tomography
    path: scan
    flats: {flats}
    angles: {{start: 0, stop: 160}}
    exclude: {{indices: [0], angles: [[15, 45]]}}
steps:
  - plugin: minus_log
"""


def test_lists_name_folders_of_flats_by_relative_paths(tmp_path):
    tiffs(tmp_path / "scan", "p", COUNT, 1000)
    tiffs(tmp_path / "ff", "a", 2, 5000)
    (tmp_path / "list.yml").write_text(LIST.format(flats="ff"))
    planned = tomosaxs.plan(tmp_path / "list.yml")
    data = planned.inputs[0].source.dataset
    assert data.axis("rotation_angle").values.tolist() == [60.0, 80.0, 100.0, 120.0, 140.0, 160.0]
    assert companion(planned.inputs[0].source, "flats")[0, 0, 0] == 5005.0
    (tmp_path / "list.yml").write_text(LIST.format(flats="fff"))
    with pytest.raises(tomosaxs.ListError, match=r"no file or folder 'fff' .*did you mean 'ff'"):
        tomosaxs.check(tmp_path / "list.yml")
    (tmp_path / "list.yml").write_text(
        LIST.format(flats="ff").replace("    angles: {start: 0, stop: 160}\n", "    angles: ff\n")
    )
    with pytest.raises(tomosaxs.ListError, match=r"ff is a folder; a file is expected"):
        tomosaxs.check(tmp_path / "list.yml")


def test_resume_sees_that_one_of_many_images_changed(tmp_path):
    tiffs(tmp_path / "scan", "p", 200, 1000)
    (tmp_path / "list.yml").write_text(LIST.format(flats="null"))
    before = tomosaxs.plan(tmp_path / "list.yml").inputs[0].key
    assert tomosaxs.plan(tmp_path / "list.yml").inputs[0].key == before
    tifffile.imwrite(tmp_path / "scan/p0101.tif", frame(7))
    assert tomosaxs.plan(tmp_path / "list.yml").inputs[0].key != before
