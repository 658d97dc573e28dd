"""report.html: whole, well-formed, escaped, self-contained, and it reads little of large data."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import h5py
import numpy as np
import pytest
from handmade_results import LIST_TEXT, curves, result, saved, volume

from tomosaxs import Axis, Estimate, InputError, Result
from tomosaxs.report import report_again, write_report
from tomosaxs.report.page import duration, methods_text, size_text, value_text, verdict
from tomosaxs.report.views import take_sample, view_of
from tomosaxs_plugins.savers.nexus import nexus

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Checker(HTMLParser):
    """Every tag is closed in order; nothing is fetched, nothing runs."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.count, self.texts, self.addresses = [], {}, [], []

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.addresses += [v for k, v in attrs if k in ("src", "href") and tag != "a"]
        assert not any(k.startswith("on") for k, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.addresses += [v for k, v in attrs if k in ("src", "href") and tag != "a"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def page_of(made, tmp_path, **options):
    path = tmp_path / "report.html"
    write_report(made, path, plan_text="pass 1 <reads> 5 %", **options)
    text = path.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    assert "script" not in checker.count
    assert all(address.startswith("data:image/png;base64,") for address in checker.addresses)
    assert not re.search(r"url\(|@import", text)
    for word in ("nan", "None", "inf"):  # numbers that are not known are said in words
        assert not re.search(rf"[\s\">]{word}[\s<\",]", re.sub(r"<code>.*?</code>|<pre>.*?</pre>", "", text)), word
    return checker, "".join(checker.texts)


def test_a_whole_report(tmp_path):
    made = result(tmp_path, curves(tmp_path), volume(tmp_path))
    made.messages.append("3 dead pixels <b>")
    made = replace(made, settings=("--set reconstruct.filter=hann", "--root /a=/b"))
    checker, text = page_of(made, tmp_path, extra=[("More & more", "<p>from <em>elsewhere</em></p>")])
    assert "Tooth <script>alert('x')</script>" in text
    assert "3 dead pixels <b>" in text
    assert "85.470 ± 0.030 px" in text
    assert "confidence 0.93" in text
    assert LIST_TEXT.strip() in text
    assert "pass 1 <reads> 5 %" in text
    assert "looked at 20 rows" in text
    assert [part for part in checker.texts if part.startswith("--")] == [*made.settings]
    assert "NXtomo in /entry1/tomo_entry" in text
    assert f"silx view {made.path}" in text
    assert "More & more" in text
    assert checker.count["em"] == 1
    # three slices and the grey scale of the volume, three maps of the curves
    assert checker.count["image"] == 7
    assert checker.count["img"] == 1
    assert checker.count["path"] == 5  # mean, its band, and three curves
    assert checker.count["circle"] == 20  # the axis of every row
    for doi in made.citations:
        assert f"https://doi.org/{doi}" in text
    assert "find_rotation_axis (rows 20) [1]; reconstruct (centre 85.47) [1] [2]" in methods_text(made)


def test_an_empty_report(tmp_path):
    made = Result(tmp_path, tmp_path / "result.nxs", "", "", None, (), "")
    _, text = page_of(made, tmp_path)
    assert "nothing was saved" in text


def test_verdict(tmp_path):
    made = result(tmp_path, volume(tmp_path))
    assert verdict(made)["well"]
    assert verdict(made)["line"] == "Done in 35 s: reconstruct (6 × 40 × 50); axis = 85.470 ± 0.030 px."
    made.estimates["axis"] = Estimate(85.0, "px", 1.0, 0.2)
    assert verdict(made)["doubtful"]
    assert verdict(made)["line"].startswith("Done, but in doubt")
    assert verdict(made)["warnings"][0].startswith("axis: low confidence (0.20)")


def test_what_a_loader_warns_of_is_in_the_verdict(tmp_path):
    """What it merely recognised is not."""
    made = result(tmp_path, volume(tmp_path))
    (first, *_) = made.inputs
    told = (*first.messages, "WARNING: 3 files are left out")
    made.inputs = [replace(first, messages=told)]
    assert verdict(made)["warnings"] == [f"{first.name}: 3 files are left out"]
    assert not verdict(made)["well"]


@pytest.mark.parametrize(("estimate", "text"), [
    (Estimate(1.23456, "deg", 0.0123), "1.235 ± 0.012 deg"), (Estimate(1234.5, "px", 21.0), "1234 ± 21 px"),
    (Estimate(5.0, "px"), "5 px"), (Estimate(np.float32(5.5), "px", 0.0), "5.5 px"),
    (Estimate(float("nan"), "px"), "not found px"), (Estimate(np.ones((2, 3)), "counts"), "array of 2 × 3 counts"),
    (Estimate("left"), "left"),
])  # fmt: skip
def test_values_with_uncertainty(estimate, text):
    assert value_text(estimate) == text


def test_times_and_sizes():
    assert [duration(s) for s in (0.123, 35, 60, 3599.7, 7260)] == [
        "0.12 s",
        "35 s",
        "1 min 0 s",
        "1 h 0 min",
        "2 h 1 min",
    ]
    assert [size_text(s) for s in (12, 345e6, 2e13)] == ["12 B", "345 MB", "20 TB"]


@pytest.mark.parametrize("fill", [0.0, np.nan, np.inf, "mixed"])
@pytest.mark.parametrize("shape", [(), (7,), (1, 1), (3, 4), (1, 9, 1), (2, 3, 4, 5), (2, 2, 3, 4, 5)])
def test_any_rank_and_any_values(tmp_path, shape, fill):
    values = np.full(shape, 1.5 if fill == "mixed" else fill, np.float32)
    if fill == "mixed":
        values.reshape(-1)[::3] = np.nan
        values.reshape(-1)[1::5] = -np.inf
    axes = tuple(Axis(f"axis{place}", size, np.full(size, np.nan)) for place, size in enumerate(shape))
    page_of(result(tmp_path, saved(tmp_path, "thing", values, axes)), tmp_path)
    if shape:
        ends_in_q = (*axes[:-1], Axis("q", shape[-1], np.arange(shape[-1]) * 0.1, "nm^-1"))
        page_of(result(tmp_path, saved(tmp_path, "curves", values, ends_in_q)), tmp_path)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.complex64])
def test_any_type(tmp_path, dtype):
    values = np.arange(60).reshape(3, 4, 5).astype(dtype)
    axes = tuple(Axis(name, size) for name, size in zip("zyx", values.shape, strict=True))
    page_of(result(tmp_path, saved(tmp_path, "thing", values, axes)), tmp_path)


def test_empty_dataset(tmp_path):
    _, text = page_of(
        result(tmp_path, saved(tmp_path, "none", np.ones((0, 4)), (Axis("y", 0), Axis("x", 4)))), tmp_path
    )
    assert "It is empty." in text


def test_estimates_of_all_kinds(tmp_path):
    made = result(tmp_path)
    made.estimates["odd"] = Estimate(
        float("nan"), "px", float("inf"), float("nan"), ("<script>",),
        {"table": np.array([[1.0, 2.0], [3.0, np.nan]]), "unknown": np.full(4, np.nan), "words": ["a", "b"],
         "nothing": None, "map": {"a": 1}, "cube": np.ones((2, 2, 2)), "ragged": [[1], [2, 3]]},
        {"colour": np.zeros((4, 5, 3), np.uint8)},
    )  # fmt: skip
    _, text = page_of(made, tmp_path)
    assert "not found px" in text


def test_slices_are_the_right_ones(tmp_path):
    # every value tells its place; the picture of the middle z slice has the grey of that slice
    values = np.zeros((5, 6, 7), np.float32)
    values[2], values[4] = 1.0, 2.0
    axes = tuple(Axis(name, size, np.arange(size) * 1e-6, "m") for name, size in zip("zyx", values.shape, strict=True))
    view = view_of(saved(tmp_path, "v", values, axes))
    assert [caption.split(" at ")[0] for _, caption in view.figures] == ["y, x", "z, x", "z, y"]
    assert view.figures[0][1].startswith("y, x at z 2 (2 µm)")
    assert view.figures[1][1].startswith("z, x at y 3 (3 µm)")
    assert view.figures[2][1].startswith("z, y at x 3 (3 µm)")
    # percentiles of the values: 0 is black, 2 is white
    pictures = [pixels_of(chart) for chart, _ in view.figures]
    assert pictures[0].shape == (6, 7)
    assert (pictures[0] == 128).all()
    assert pictures[1].shape == (5, 7)
    assert pictures[1][:, 3].tolist() == pictures[2][:, 3].tolist() == [0, 0, 128, 0, 255]


def pixels_of(chart):
    """Return the first picture in an SVG chart."""
    from PIL import Image

    data = re.search(r"base64,([^\"]+)", chart)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_labels_in_charts_are_escaped(tmp_path):
    axes = (Axis("<script>", 3), Axis("x&y", 4, np.arange(4.0), "<b>"))
    made = result(tmp_path, saved(tmp_path, "v", np.eye(3, 4), axes, label="<em>", units="</svg>"))
    checker, text = page_of(made, tmp_path)
    assert "em" not in checker.count
    assert "x&y (<b>)" in text


def test_large_data_are_sampled():
    flat = np.lib.stride_tricks.as_strided(np.arange(1.0), (1 << 33,), (0,))  # 64 GB that take 8 bytes
    sample, told = take_sample(flat)
    assert sample.size == 1 << 20
    assert "1 048 576 of 8 589 934 592 values" in told
    small, told = take_sample(np.arange(10))
    assert small.size == 10
    assert "all 10 values" in told


def test_the_report_of_a_finished_run_again(tmp_path):
    made = result(tmp_path, curves(tmp_path), volume(tmp_path))
    made.estimates["a_later_one"] = Estimate(1.0)
    (path,) = nexus(made, tmp_path)
    assert path == made.path
    target = report_again(tmp_path)
    again = target.read_text(encoding="utf-8")
    write_report(made, tmp_path / "first.html", plan_text="")
    first = (tmp_path / "first.html").read_text(encoding="utf-8")
    # details come back in alphabetical order, parameters as JSON: everything else is the same
    assert re.findall(r"<image .*?>", again) == re.findall(r"<image .*?>", first)
    assert re.findall(r"<h[123]>.*?</h", again) == re.findall(r"<h[123]>.*?</h", first)
    assert re.findall(r"<tr>.*?</tr>", again, re.S)[:20] == re.findall(r"<tr>.*?</tr>", first, re.S)[:20]
    for text in ("85.470 ± 0.030 px", "axis.size=3", "looked at 20 rows", "00ff"):
        assert text in again


def test_nothing_to_report(tmp_path):
    with pytest.raises(InputError, match=r"result\.nxs"):
        report_again(tmp_path)
    with h5py.File(tmp_path / "result.nxs", "w") as handle:
        handle.create_group("entry")
    with pytest.raises(InputError, match="not a result"):
        report_again(tmp_path)
