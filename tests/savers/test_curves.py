"""Curve files: every dialect of .chi, columns of text, NeXus of ours and of others; what is written is read again."""

import h5py
import numpy as np
import pytest
from handmade_results import curves, result

from tomosaxs_plugins.curves.chi import chi_text, read_chi, write_chi
from tomosaxs_plugins.curves.curve import Curve, described
from tomosaxs_plugins.curves.nexus import curve_sets, read_nexus
from tomosaxs_plugins.curves.read import read_curves
from tomosaxs_plugins.curves.text import read_text, text_of, write_text
from tomosaxs_plugins.savers.nexus import nexus

FIT2D = """buf.tif: Q-Space Scan
 Q (Inverse Nanometres)

          3
 3.3657656E-03  0.0000000E+00
 1.0097297E-02  1.5000000E+01
 1.6828828E-02 -2.0000000E+00
"""
SAXSDOG_2014 = """output/data_buf.chi
q [nm^-1]
Intensity
   2
 3.366602370545553665e-03 0.000000000000000000e+00 0.000000000000000000e+00
 1.009980708871372791e-02 1.250000000000000000e+01 5.000000000000000000e-01
"""
SAXSDOG_LAST = """{"Title": "a", "Geometry": {"BeamCenter": [1, 2]}}
{"I0": 1.0, "I1": 2.0, "I2": 3.0}
["Scattering vector q [nm^-1]", "Intensity", "sigma"]
   3
 1.0e-01 nan nan
 2.0e-01 7.5e+00 2.5e-01
 3.0e-01 6.5e+00 2.0e-01
"""


def written(tmp_path, text, name="curve.chi"):
    path = tmp_path / name
    path.write_text(text)
    return path


def an_example(sigma=True):
    q = np.linspace(0.01, 5, 40)
    y = np.exp(-q) * 1e4
    y[3] = np.nan
    return Curve(q, y, np.sqrt(y) if sigma else None, "buf_00001", "q", "nm^-1", "intensity", "1/cm")


def test_fit2d(tmp_path):
    read = read_chi(written(tmp_path, FIT2D))
    assert (read.x_name, read.x_units, read.name) == ("q", "nm^-1", "curve")
    assert read.sigma is None
    np.testing.assert_array_equal(read.y, [0.0, 15.0, -2.0])
    np.testing.assert_array_equal(read.x, [3.3657656e-03, 1.0097297e-02, 1.6828828e-02])


def test_saxsdog_of_2014(tmp_path):
    read = read_chi(written(tmp_path, SAXSDOG_2014))
    assert (read.x_name, read.x_units) == ("q", "nm^-1")
    np.testing.assert_array_equal(read.y, [0.0, 12.5])
    np.testing.assert_array_equal(read.sigma, [0.0, 0.5])


def test_the_last_saxsdog(tmp_path):
    read = read_chi(written(tmp_path, SAXSDOG_LAST))
    assert (read.x_name, read.x_units) == ("q", "nm^-1")
    np.testing.assert_array_equal(read.y, [np.nan, 7.5, 6.5])
    np.testing.assert_array_equal(read.sigma, [np.nan, 0.25, 0.2])


@pytest.mark.parametrize(("text", "message"), [
    ("one\ntwo\n", "four lines of header"), (FIT2D.replace("          3", "many"), "number of points"),
    (FIT2D.replace("          3", "          4"), "tells 4 points, the file has 3"),
    (FIT2D.replace("1.5000000E+01", "1.5000000E+01 2.0"), "2 and 3 columns"),
    (FIT2D.replace("1.5000000E+01", "high"), "high"),
])  # fmt: skip
def test_broken_chi(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_chi(written(tmp_path, text))


def test_chi_as_fit2d_writes_it(tmp_path):
    lines = chi_text(Curve(*np.array([[3.3657656e-03, 1.0], [0.0, -15.0]]), x_units="nm^-1"), "a\nb").splitlines()
    assert lines == [
        "a b", "Q (Inverse Nanometres)", "Intensity", "          2",
        " 3.3657656E-03  0.0000000E+00", " 1.0000000E+00 -1.5000000E+01",
    ]  # fmt: skip


def test_our_rows_are_those_of_fit2d(shared):
    path = shared / "golden/saxs/buf1_00000.fit2d.chi"
    mine = chi_text(read_chi(path)).splitlines()
    assert mine[3:] == [line.rstrip() for line in path.read_text().splitlines()[3:]]


@pytest.mark.parametrize("sigma", [True, False])
def test_there_and_back(tmp_path, sigma):
    curve = an_example(sigma)
    write_chi(tmp_path / "a.chi", curve)
    write_text(tmp_path / "a.dat", curve, leave_out_empty=False)
    for name in ("a.chi", "a.dat"):
        (read,), count = read_curves(tmp_path / name)
        assert count == 1
        assert (read.x_name, read.x_units, read.name) == ("q", "nm^-1", "a")
        # eight digits are written
        np.testing.assert_allclose(read.x, curve.x, rtol=1e-7)
        np.testing.assert_allclose(read.y, curve.y, rtol=1e-7)
        if sigma:
            np.testing.assert_allclose(read.sigma, curve.sigma, rtol=1e-7)
        else:
            assert read.sigma is None


def test_two_columns_of_three(tmp_path):
    write_chi(tmp_path / "a.chi", an_example(), columns=2)
    assert read_chi(tmp_path / "a.chi").sigma is None
    with pytest.raises(ValueError, match="no uncertainties"):
        chi_text(an_example(sigma=False), columns=3)


def test_text_leaves_out_empty_bins_and_names_units():
    lines = text_of(an_example()).splitlines()
    assert lines[:2] == ["# buf_00001", "# q [nm^-1]  intensity [1/cm]  sigma [1/cm]"]
    assert len(lines) == 2 + 39
    assert all(np.isfinite([float(each) for each in line.split()]).all() for line in lines[2:])


@pytest.mark.parametrize(("text", "x", "sigma", "units"), [
    ("0.1 5\n0.2 6\n", [0.1, 0.2], None, ""),
    ("Sample: water\n 3 frames\n0.1 5 0.5 9\n0.2 6 0.5 9\n", [0.1, 0.2], [0.5, 0.5], ""),
    ("# Q (1/A), I, err\n0.1,5,0.5\n0.2,6,0.25\n\n", [0.1, 0.2], [0.5, 0.25], "angstrom^-1"),
    ("% 10 20\nq [nm-1];I\n1.0D-01;5\n2.0D-01;6\n# end\n", [0.1, 0.2], None, "nm^-1"),
    ("1 2\nwords\n0.1 5\n0.2 6\n0.3 NaN\n", [0.1, 0.2, 0.3], None, ""),
])  # fmt: skip
def test_text_of_others(tmp_path, text, x, sigma, units):
    read = read_text(written(tmp_path, text, "a.dat"))
    np.testing.assert_array_equal(read.x, x)
    np.testing.assert_array_equal(read.y[:2], [5.0, 6.0])
    assert (read.sigma is None) == (sigma is None)
    if sigma is not None:
        np.testing.assert_array_equal(read.sigma, sigma)
    assert read.x_units == units


def test_text_without_numbers(tmp_path):
    with pytest.raises(ValueError, match="no two columns"):
        read_text(written(tmp_path, "nothing\n1\n2\n", "a.dat"))


@pytest.mark.parametrize(("label", "answer"), [
    ("Q (Inverse Nanometres)", ("q", "nm^-1")), ("q [nm^-1]", ("q", "nm^-1")), ("q (1/nm)", ("q", "nm^-1")),
    ("Q (Inverse Angstroms)", ("q", "angstrom^-1")), ("q [Å⁻¹]", ("q", "angstrom^-1")),
    ("q A^-1", ("q", "angstrom^-1")),
    ("q_{1/angstrom} q", ("q", "angstrom^-1")), ("2-Theta Angle (Degrees)", ("two_theta", "deg")),
    ("two_theta [rad]", ("two_theta", "rad")), ("Radial Distance (mm)", ("radius", "mm")),
    ("Azimuth (Degrees)", ("azimuth", "deg")), ("chi", ("azimuth", "")), ("Intensity (1/cm)", ("", "")),
])  # fmt: skip
def test_labels(label, answer):
    assert described(label) == answer


def test_units_convert(tmp_path):
    curve = an_example()
    np.testing.assert_allclose(curve.in_units("angstrom^-1").x, curve.x / 10)
    np.testing.assert_allclose(Curve([180.0], [1.0], x_name="two_theta", x_units="deg").in_units("rad").x, [np.pi])
    with pytest.raises(ValueError, match="does not convert"):
        curve.in_units("deg")
    with pytest.raises(ValueError, match="one length"):
        Curve(np.arange(3.0), np.arange(4.0))


def test_curves_of_our_result(tmp_path):
    made = curves(tmp_path)
    (path,) = nexus(result(tmp_path, made), tmp_path)
    found, count = read_nexus(path)
    assert count == len(found) == 60
    values = made.values()
    np.testing.assert_array_equal(found[33].y, values.reshape(60, 120)[33].astype(float))
    np.testing.assert_allclose(found[33].x, np.linspace(0.1, 5, 120))
    assert found[33].name == "result: rotation_angle 1, y 2, x 3"
    assert found[33].x_units == "nm^-1"
    some, count = read_nexus(path, at_most=4)
    assert count == 60
    assert [each.name for each in some] == [found[n].name for n in (0, 20, 39, 59)]
    (one,), _ = read_nexus(path, [33])
    assert one.name == found[33].name
    for wrong in (60, -1):
        with pytest.raises(ValueError, match="holds 60 curves"):
            read_nexus(path, [wrong])


def a_group(file, path, kind, **attributes):
    group = file.require_group(path)
    group.attrs["NX_class"] = kind
    group.attrs.update(attributes)
    return group


def test_nxcansas_of_others(tmp_path):
    path = tmp_path / "other.h5"
    q, rng = np.linspace(0.01, 0.3, 30), np.random.default_rng(3)
    values, sigma = rng.random((30, 4)), rng.random((30, 4))
    with h5py.File(path, "w") as file:
        for number in range(2):
            a_group(file, f"entry{number}", "NXentry", canSAS_class="SASentry", default="data")
            # Q leads: frames lie along the second axis
            group = a_group(
                file, f"entry{number}/data", "NXdata", canSAS_class="SASdata", signal="I", I_axes="Q,Time",
                Q_indices=np.int64(0),
            )  # fmt: skip
            group["Q"], group["I"], group["Idev"] = q, values + number, sigma
            group["Q"].attrs["units"] = "1/angstrom"
            group["I"].attrs.update(units="1/cm", uncertainties="Idev")
        file.attrs["default"] = "entry0"
    found, count = read_nexus(path)
    assert count == 8
    np.testing.assert_array_equal(found[6].y, values[:, 2] + 1)
    np.testing.assert_array_equal(found[6].sigma, sigma[:, 2])
    np.testing.assert_array_equal(found[6].x, q)
    assert (found[6].x_units, found[6].y_units, found[6].name) == ("angstrom^-1", "1/cm", "other: Time 2")


def test_nxdata_of_others(tmp_path):
    path = tmp_path / "other.nxs"
    with h5py.File(path, "w") as file:
        a_group(file, "entry", "NXentry", default="curve")
        group = a_group(file, "entry/curve", "NXdata", signal="intensity", axes=["two_theta"])
        group["intensity"], group["intensity_errors"] = np.arange(5.0), np.ones(5)
        group["two_theta"] = np.arange(5) * 0.1
        group["two_theta"].attrs["units"] = "degrees"
        image = a_group(file, "entry/image", "NXdata", signal="data", axes=["y", "x"])
        image["data"], image["y"], image["x"] = np.ones((3, 4)), np.arange(3), np.arange(4)
        file.attrs["default"] = "entry"
    (found,), _ = read_nexus(path)
    assert (found.x_name, found.x_units) == ("two_theta", "deg")
    np.testing.assert_array_equal(found.sigma, np.ones(5))
    with h5py.File(path, "r+") as file:
        del file["entry/curve"]
    with pytest.raises(ValueError, match="holds no curves"):
        curve_sets(path)


def test_masked_points_and_scattering_images(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        a_group(file, "entry", "NXentry", canSAS_class="SASentry")
        group = a_group(file, "entry/one", "NXdata", canSAS_class="SASdata", signal="I", I_axes="Q", mask="bad")
        group["Q"], group["I"], group["bad"] = np.arange(3.0), np.arange(3.0), np.array([False, True, False])
        flat = a_group(file, "entry/two", "NXdata", canSAS_class="SASdata", signal="I", Q_indices=[0, 1])
        flat["Q"], flat["I"] = np.arange(4.0), np.ones((4, 4))  # I(Qx, Qy): no curve
    (found,), _ = read_nexus(path)
    np.testing.assert_array_equal(found.y, [0.0, np.nan, 2.0])


def test_not_hdf5(tmp_path):
    with pytest.raises(ValueError, match="cannot be read as HDF5"):
        read_curves(written(tmp_path, "text", "a.nxs"))
