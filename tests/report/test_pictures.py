"""Grey levels and contact sheets."""

import subprocess
import sys

import numpy as np
import pytest

from tomosaxs.report.pictures import NOT_A_NUMBER, contact_sheet, robust_limits, shrink, to_grey, write_png
from tomosaxs.report.svg import Span, length_prefix, linear_ticks, number_text, pretty_units, tick_texts


def test_grey_levels():
    image = np.array([[0.0, 0.5, 1.0], [-3.0, 9.0, np.inf]])
    np.testing.assert_array_equal(to_grey(image, (0.0, 1.0)), [[0, 128, 255], [0, 255, 255]])
    coloured = to_grey(np.array([[np.nan, 1.0]]), (0.0, 1.0))
    np.testing.assert_array_equal(coloured[0], [NOT_A_NUMBER, (255, 255, 255)])


def test_limits_withstand_specks():
    values = np.concatenate([np.linspace(0, 1, 10_000), [1e9, np.nan, np.inf]])
    low, high = robust_limits(values)
    # 0.5 and 99.5 % of an even spread
    assert abs(low - 0.005) < 1e-3
    assert abs(high - 0.995) < 1e-3
    assert robust_limits(np.full(5, np.nan)) == (0.0, 1.0)
    low, high = robust_limits(np.full(5, 3.0))
    assert low < 3.0 < high
    assert robust_limits(np.array([0.0] * 999 + [7.0])) == (0.0, 7.0)


def test_shrink_is_the_mean_of_squares():
    image = np.arange(36.0).reshape(6, 6)
    image[0, 0] = np.nan
    small = shrink(image, 3)
    assert small.shape == (3, 3)
    assert small[0, 0] == np.mean([1, 6, 7])
    assert small[2, 2] == np.mean([28, 29, 34, 35])
    assert shrink(image, 6) is image
    assert shrink(np.ones((1, 5000)), 720).shape == (1, 714)


def test_contact_sheet():
    images = [("dark", np.zeros((20, 30))), ("bright", np.ones((20, 30))), ("half", np.full((10, 10), 0.5))]
    sheet = contact_sheet(images, 2, tile=60, limits=(0.0, 1.0))
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 2
    # 2 columns of 60, then 30: the widest tile of each column, gaps of 8, strips of 26 for the labels
    assert sheet.shape == (8 + (40 + 26 + 8) + (60 + 26 + 8), 8 + 2 * (60 + 8))
    top = 8 + 26
    assert (sheet[top : top + 40, 8:68] == 0).all()
    assert (sheet[top : top + 40, 76:136] == 255).all()
    assert (sheet[top + 74 : top + 134, 8:68] == 128).all()
    # enlarged by whole factors only: 40 into 60 stays 40
    assert contact_sheet([("a", np.eye(40))], tile=60).shape == (8 + 40 + 26 + 8, 8 + 40 + 8)
    labels = sheet[8 : 8 + 24, 8:68]
    assert (labels < 100).sum() > 20  # something is written there


def test_contact_sheet_of_odd_values(tmp_path):
    images = [
        ("a label that is much too long for its picture", np.full((500, 40), np.nan)),
        ("b", np.arange(12).reshape(3, 4)),
    ]
    sheet = contact_sheet(images)
    write_png(tmp_path / "sheet.png", sheet)
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    for wrong in ([], [("x", np.ones(3))], [("x", np.ones((0, 3)))]):
        with pytest.raises(ValueError, match="contact sheet"):
            contact_sheet(wrong)


def test_pictures_come_without_the_rest():
    code = (
        "import sys; from tomosaxs import contact_sheet; "
        "print([m for m in ('jinja2', 'h5py', 'PIL', 'tomosaxs.report.page') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert ran.stdout.strip() == "[]"


def _environment():
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_numbers_and_units():
    given = [0.0, -1.5, -94770.4, 1234567.0, 1e-7, -2.5e9, 0.00123456, 99999.7]
    told = ["0", "−1.5", "−94770", "1.23·10⁶", "10⁻⁷", "−2.5·10⁹", "0.001235", "100000"]
    assert [number_text(value) for value in given] == told
    assert tick_texts([151.30, 151.32, 151.34]) == ["151.3", "151.32", "151.34"]
    assert tick_texts([-0.2, 1e-17, 0.2]) == ["−0.2", "0", "0.2"]
    assert tick_texts([0.001, 1.0, 1000.0]) == ["0.001", "1", "1000"]
    assert pretty_units("nm^-1") == "nm⁻¹"
    assert length_prefix("m", 3e-4) == (1e-6, "µm")
    assert length_prefix("m", 6e-4) == (1e-3, "mm")
    assert length_prefix("deg", 180.0) == (1.0, "deg")


def test_ticks():
    np.testing.assert_allclose(linear_ticks(-0.52, 0.52, 4), [-0.5, 0.0, 0.5])
    assert linear_ticks(0, 100, 5) == [0, 20, 40, 60, 80, 100]
    assert linear_ticks(3.0, 3.0, 5) == [3.0]
    assert Span("q", 0.05, 200.0, True).ticks(5) == [0.1, 1.0, 10.0, 100.0]
    assert Span("q", 1.0, 100.0, True).place(10.0) == 0.5
