"""``tomosaxs plot``: what is drawn, compared and refused; seen in SVG text and lines."""

import re

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from tomosaxs.cli.commands import tomosaxs
from tomosaxs.cli.ending import guarded
from tomosaxs_plugins.curves.chi import write_chi
from tomosaxs_plugins.curves.compare import compare_curves, interpolated
from tomosaxs_plugins.curves.curve import Curve

pytest.importorskip("matplotlib", reason="plots need matplotlib")
from matplotlib.figure import Figure

from tomosaxs_plugins.commands.plot import plot
from tomosaxs_plugins.curves.plot import PlotOptions, draw_curves, plot_curves

Q = np.linspace(0.1, 4, 60)


def a_curve(name="first", factor=1.0, sigma=True, q=Q, **more):
    y = factor * np.exp(-q) * 100
    return Curve(q, y, 0.1 * y if sigma else None, name, "q", "nm^-1", **more)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    write_chi(tmp_path / "one.chi", a_curve())
    write_chi(tmp_path / "two.chi", a_curve("second", 1.1))
    return tmp_path


def lines_of(curves, **options):
    figure = Figure()
    draw_curves(figure, curves, PlotOptions(**options))
    return figure, [[line.get_ydata() for line in axes.get_lines()] for axes in figure.axes]


def done(*arguments):
    return CliRunner().invoke(plot, list(map(str, arguments)), catch_exceptions=False)


def test_a_file_of_every_format(files):
    for name, start in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")):
        answer = done("one.chi", "two.chi", "-o", name, "-l", "-t", "Title <&>")
        assert answer.exit_code == 0
        assert (files / name).read_bytes().startswith(start)
    text = (files / "a.svg").read_text()
    assert "Title &lt;&amp;&gt;" in text
    assert "one</text>" in text
    assert "two</text>" in text
    again = (files / "a.svg").read_bytes()
    done("one.chi", "two.chi", "-o", "a.svg", "-l", "-t", "Title <&>")
    assert (files / "a.svg").read_bytes() == again


def test_without_a_display_plot_png_is_written(files):
    answer = done("one.chi")
    assert "no display" in answer.output
    assert (files / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_with_a_display_a_window_is_opened(files, monkeypatch):
    from matplotlib import pyplot

    shown = []
    monkeypatch.setattr(pyplot, "get_backend", lambda: "TkAgg")
    monkeypatch.setattr(pyplot, "show", lambda: shown.extend(pyplot.get_fignums()))
    answer = done("one.chi", "two.chi")
    pyplot.close("all")
    assert len(shown) == 1
    assert answer.output == ""
    assert not (files / "plot.png").exists()


def test_no_legend(files):
    done("one.chi", "-n", "-o", "a.svg")
    assert "one</text>" not in (files / "a.svg").read_text()


@pytest.mark.parametrize("spelling", ["--xaxistype", "--xaxsistype", "-x"])
def test_axes_under_both_spellings(files, spelling):
    assert done("one.chi", spelling, "symlog", "-y", "log", "-o", "a.svg").exit_code == 0
    assert done("one.chi", spelling.replace("xax", "yax").replace("-x", "-y"), "log", "-o", "a.svg").exit_code == 0


@pytest.mark.parametrize(("arguments", "message"), [
    (["absent.chi"], "absent.chi"), (["one.chi", "-o", "a.docx"], "the suffix names the format"),
    (["one.chi", "-l", "-y", "linear"], "contradict"), (["one.chi", "-s", "60"], "no point to plot"),
    (["one.chi", "-c"], "at least two curves"), (["one.chi", "-f", "a"], "--frames a"),
    (["broken.chi"], "header tells 60 points"), (["angles.dat", "one.chi"], "over two_theta"),
])  # fmt: skip
def test_what_is_refused_ends_with_status_2(files, arguments, message, capsys):
    text = (files / "one.chi").read_text()
    (files / "broken.chi").write_text(text[:400])
    (files / "angles.dat").write_text("# two_theta [deg]\n1 2\n3 4\n")
    assert guarded(tomosaxs, ["plot", *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def test_skip_and_clip():
    curve = a_curve()
    np.testing.assert_array_equal(curve.cut(2, 3).x, Q[2:-3])
    np.testing.assert_array_equal(curve.cut(0, 0).x, Q)  # 0 takes nothing away
    np.testing.assert_array_equal(curve.cut(0, 0).sigma, curve.sigma)
    assert len(curve.cut(40, 40).x) == 0


def test_curves_and_bands(files):
    done("one.chi", "two.chi", "-s", "5", "-k", "10", "-o", "a.svg")
    figure, (drawn,) = lines_of([a_curve(), a_curve("b", 2.0, sigma=False)])
    np.testing.assert_array_equal(drawn[0], a_curve().y)
    (band,) = figure.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(1.1 * a_curve().y.max())
    assert heights.min() == pytest.approx(0.9 * a_curve().y.min())


def test_a_band_below_zero_is_cut_on_a_logarithmic_axis():
    wide = Curve(Q, np.ones(60), np.full(60, 5.0), "wide", "q", "nm^-1")
    figure, _ = lines_of([wide], y_scale="log")
    assert figure.axes[0].collections[0].get_paths()[0].vertices[:, 1].min() == pytest.approx(0.01)


def test_a_single_point_between_empty_bins_is_seen():
    y = np.full(60, np.nan)
    y[30] = 5.0
    _, (drawn,) = lines_of([Curve(Q, y, None, "lonely", "q", "nm^-1")])
    np.testing.assert_array_equal(drawn[1], [5.0])


def test_differences_on_another_coordinate():
    first, second = a_curve(), a_curve("second", 1.1, q=np.linspace(0.1, 3, 997))
    (found,) = compare_curves([first, second])
    inside = Q <= 3
    assert np.isnan(found.difference[~inside]).all()
    # straight lines between points 0.003 apart: error of exp(-q) below 0.003^2 / 8
    np.testing.assert_allclose(found.percent[inside], 10.0, atol=2e-4)
    np.testing.assert_allclose(found.difference[inside], 0.1 * first.y[inside], rtol=2e-5)
    np.testing.assert_allclose(found.sigma[inside], np.hypot(0.1, 0.11) * first.y[inside], rtol=2e-5)


def test_differences_in_other_units_and_beside_empty_bins():
    other = Curve(Q / 10, a_curve().y, None, "other", "q", "angstrom^-1")
    (found,) = compare_curves([a_curve(), other])
    np.testing.assert_allclose(found.difference, 0, atol=1e-10)
    assert found.sigma is None
    gap = interpolated(np.arange(5.0), np.array([0.0, 1.0, np.nan, 3.0, 4.0]), np.array([0.5, 1.0, 1.5, 2.5, 3.5, 9.0]))
    np.testing.assert_array_equal(gap, [0.5, 1.0, np.nan, np.nan, 3.5, np.nan])
    zero = Curve(Q, np.zeros(60), None, "zero", "q", "nm^-1")
    assert np.isnan(compare_curves([zero, a_curve()])[0].percent).all()


def test_zeros_of_both_axes_of_a_comparison_lie_at_one_height():
    figure, _ = lines_of([a_curve(), a_curve("b", 1.3), a_curve("c", 0.9)], compare=True)
    _, left, right = figure.axes
    for axes in (left, right):
        low, high = axes.get_ylim()
        assert low == -high
    assert right.get_ylim()[1] == pytest.approx(1.15 * 30, rel=1e-3)


def test_frames_of_nexus_files(files):
    with h5py.File(files / "many.nxs", "w") as file:
        group = file.create_group("entry/data")
        group.attrs.update(NX_class="NXdata", signal="I", axes=["frame", "q"])
        group["I"], group["q"] = np.outer(np.arange(1, 201), np.exp(-Q)), Q
    answer = done("many.nxs", "-o", "a.svg")
    assert "50 of 200 curves, evenly spread" in answer.output
    answer = done("many.nxs", "-f", "3,10:14:2", "-o", "a.svg")
    assert "evenly" not in answer.output
    names = re.findall(r"many: frame (\d+)</text>", (files / "a.svg").read_text())
    assert names == ["3", "10", "12"]


def test_names_of_images_and_of_files_in_several_folders(files):
    for folder in ("a", "b"):
        (files / folder).mkdir()
        with h5py.File(files / folder / "result.nxs", "w") as file:
            group = file.create_group("entry/data")
            group.attrs.update(NX_class="NXdata", signal="I", axes=["frame", "q"])
            group["I"], group["q"] = np.ones((3, 60)), Q
            group["file"] = ["/x/one.tif", "/x/two.h5", "/x/two.h5"]
    done("a/result.nxs", "-o", "a.svg")
    assert names_in(files / "a.svg") == ["one", "two: frame 1", "two: frame 2"]
    done("a/result.nxs", "b/result.nxs", "-f", "0", "-o", "a.svg")
    assert names_in(files / "a.svg") == ["a/result: one", "b/result: one"]


def names_in(path):
    return [text for text in re.findall(r">([^<>]+)</text>", path.read_text()) if "one" in text or "two" in text]


def test_curves_over_different_coordinates_are_not_mixed(tmp_path):
    with pytest.raises(ValueError, match="plot them apart"):
        plot_curves([a_curve(), Curve(Q, Q, None, "b", "azimuth", "deg")], tmp_path / "a.png")


def test_the_first_of_many_names(tmp_path):
    figure, _ = lines_of([a_curve(str(n)) for n in range(100)])
    assert len(figure.axes[0].get_legend().get_texts()) == 24


def test_files_that_do_not_exist_are_told_with_near_names(files):
    answer = CliRunner().invoke(plot, ["ome.chi", "-o", "a.png"])
    assert "ome.chi does not exist (did you mean 'one.chi'" in str(answer.exception)


def test_zeros_of_empty_bins_spoil_no_band_on_a_logarithmic_axis():
    y = np.exp(-Q)
    y[:5] = 0
    figure = Figure()
    draw_curves(figure, [Curve(Q, y, 0.1 * y, "a", "q", "nm^-1")], PlotOptions(y_scale="log"))
    (band,) = [each for each in figure.axes[0].collections if each.get_paths()]
    corners = np.concatenate([path.vertices for path in band.get_paths()])
    assert corners[:, 0].min() == pytest.approx(Q[5])
    assert corners[:, 1].min() > 0
