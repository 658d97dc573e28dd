"""tomosaxs integrate, once over: what comes out, what goes on, what is refused."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

sys.path.insert(0, str(Path(__file__).parent))
import integrate_help as bench

import tomosaxs
from tomosaxs import InputError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with images and the result of the plain command."""
    folder = bench.write_bench(tmp_path_factory.mktemp("bench"))
    assert bench.integrate(folder / "cal.poni", folder / "images", "--npt", "40", "-o", folder / "out") == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Return a folder with images of its own."""
    shutil.copytree(made / "images", tmp_path / "images")
    shutil.copy(made / "cal.poni", tmp_path)
    return tmp_path


def run(folder: Path, *options: str | Path, images: str = "images", out: str = "out") -> int:
    return bench.integrate(folder / "cal.poni", folder / images, "--npt", "40", "-o", folder / out, *options)


def listed(folder: Path, **parameters: object) -> tomosaxs.Result:
    """Run the same as a process list on the frames as one stack."""
    with h5py.File(folder / "stack.h5", "w") as handle:
        handle["frames"] = np.stack([bench.frame(number) for number in range(5)])
    more = "".join(f"    {name}: {value}\n" for name, value in parameters.items())
    text = (
        "input:\n  scan:\n    plugin: array\n    path: stack.h5\n    dataset: /frames\n"
        "    axes: [frame, detector_y, detector_x]\n"
        "steps:\n  - plugin: azimuthal_integrate\n    calibration: cal.poni\n    bins: 40\n    error_model: poisson\n"
        f"{more}"
    )
    (folder / "list.yml").write_text(text)
    return tomosaxs.run(folder / "list.yml", output=folder / "listed", log=lambda line: None)


def test_the_curves_of_a_list_to_the_bit(made: Path, tmp_path: Path) -> None:
    shutil.copy(made / "cal.poni", tmp_path)
    result = listed(tmp_path, solid_angle="false")
    found = bench.curves(made / "out")
    assert list(found) == [f"scan_{number}.tif" for number in range(5)]
    sigma = result.datasets[-1].sigma()
    assert sigma is not None
    for number, (values, errors) in enumerate(found.values()):
        assert np.array_equal(values[0], result.data[number], equal_nan=True)
        assert np.array_equal(errors[0], sigma[number], equal_nan=True)


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        (("--polarization", "0.95", "--solid-angle"), {"polarization": 2 * 0.95 - 1, "solid_angle": "true"}),
        (("--range", "0.05", "0.25"), {"range": "[0.05, 0.25]", "solid_angle": "false"}),
    ],
)
def test_options_are_the_parameters_of_the_step(
    options: tuple[str, ...], parameters: dict[str, object], folder: Path
) -> None:
    assert run(folder, *options) == 0
    result = listed(folder, **parameters)
    found = np.concatenate([values for values, _ in bench.curves(folder / "out").values()])
    assert np.array_equal(found, result.data, equal_nan=True)


def test_nothing_is_corrected_unless_asked(folder: Path) -> None:
    for number in range(5):
        tifffile.imwrite(folder / "images" / f"scan_{number}.tif", np.full(bench.SHAPE, 7, np.int32))
    assert run(folder) == 0
    values = bench.curves(folder / "out")["scan_3.tif"][0]
    # a constant image stays constant where neither solid angle nor polarisation enters
    assert np.nanmax(np.abs(values / 7 - 1)) < 1e-6
    assert run(folder, "--solid-angle", out="corrected") == 0
    assert np.nanmax(bench.curves(folder / "corrected")["scan_3.tif"][0] / 7 - 1) > 1e-4


def test_range_gives_the_outer_edges(folder: Path) -> None:
    assert run(folder, "--range", "0.05", "0.25") == 0
    with h5py.File(folder / "out" / "result.nxs") as handle:
        q = handle["entry/azimuthal_integrate/q"]
        assert q.shape == (40,)
        assert handle["entry/azimuthal_integrate/Q"].attrs["units"] == "1/nm"
        # centres of 40 equal bins whose outer edges are 0.05 and 0.25
        assert np.allclose(q[[0, -1]], [0.0525, 0.2475], rtol=0, atol=1e-12)


def test_a_mask_file_is_used(folder: Path) -> None:
    mask = np.zeros(bench.SHAPE, bool)
    mask[:, 25:] = True
    np.save(folder / "mask.npy", mask)
    for number in range(5):
        counts = bench.frame(number)
        counts[:, 25:] = 1_000_000
        tifffile.imwrite(folder / "images" / f"scan_{number}.tif", counts)
    assert run(folder, "--mask", folder / "mask.npy") == 0
    assert np.nanmax(bench.curves(folder / "out")["scan_0.tif"][0]) < 1000


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_any_number_of_threads_gives_the_same_bits(jobs: str, made: Path, folder: Path) -> None:
    for number in range(5, 23):
        tifffile.imwrite(folder / "images" / f"scan_{number}.tif", bench.frame(number % 5))
    assert run(folder, "-j", jobs) == 0
    found, first = bench.curves(folder / "out"), bench.curves(made / "out")
    assert list(found) == [f"scan_{number}.tif" for number in range(23)]  # natural order: 2 before 10
    for number in range(23):
        expected = first[f"scan_{number % 5}.tif"]
        for have, want in zip(found[f"scan_{number}.tif"], expected, strict=True):
            assert np.array_equal(have, want, equal_nan=True)


def test_bad_images_are_named_and_the_others_go_on(
    made: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = folder / "images"
    whole = (images / "scan_0.tif").read_bytes()
    (images / "scan_0.tif").write_bytes(whole[: len(whole) // 2])  # the first one: nothing is known before it
    tifffile.imwrite(images / "scan_2.tif", bench.frame(2, (30, 30)))
    tifffile.imwrite(images / "scan_4.tif", np.full(bench.SHAPE, -1, np.int32))
    (images / "scan_1b.tif").write_text("no image at all")
    old = 1_700_000_000  # nobody writes them any more, so there is nothing to wait for
    for path in images.iterdir():
        os.utime(path, (old, old))
    assert run(folder) == 0
    found, good = bench.curves(folder / "out"), bench.curves(made / "out")
    assert sorted(found) == ["scan_0.tif", "scan_1.tif", "scan_1b.tif", "scan_2.tif", "scan_3.tif", "scan_4.tif"]
    for name in ("scan_1.tif", "scan_3.tif"):
        assert np.array_equal(found[name][0], good[name][0], equal_nan=True)
    why = bench.problems(folder / "out")
    assert sorted(why) == ["scan_0.tif", "scan_1b.tif", "scan_2.tif", "scan_4.tif"]
    assert why["scan_2.tif"] == "frames of 30 x 30 pixels, 40 x 50 are expected"
    assert why["scan_4.tif"] == "no usable pixel"
    assert why["scan_0.tif"].startswith("not whole: ")
    for name in why:
        assert np.isnan(found[name][0]).all()
        assert np.isnan(found[name][1]).all()
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if line.startswith("not usable: ")]) == 4
    assert any("4 images cannot be used" in line for line in said)
    assert "scan_1b.tif" in (folder / "out" / "report.html").read_text()


def test_a_mask_that_fits_no_image_is_named_and_costs_no_earlier_curves(folder: Path) -> None:
    rows, columns = bench.SHAPE
    text = (folder / "cal.poni").read_text()
    (folder / "cal.poni").write_text(text.replace('"max_shape": [40, 50], ', ""))  # else the two are compared before
    np.save(folder / "turned.npy", np.zeros((columns, rows), bool))
    why = rf"no image could be integrated \(the mask turned.npy is for {columns} x {rows} pixels\)"
    with pytest.raises(InputError, match=why + "$"):
        run(folder, "--mask", folder / "turned.npy", out="new")
    assert run(folder) == 0
    before = bench.curves(folder / "out")
    with pytest.raises(InputError, match=why + ".*result.nxs is kept"):
        run(folder, "--mask", folder / "turned.npy")
    after = bench.curves(folder / "out")
    assert sorted(after) == sorted(before)
    assert np.isfinite(after["scan_1.tif"][0]).any()


def test_a_pattern_that_finds_nothing_is_told(folder: Path) -> None:
    with pytest.raises(InputError, match=r"no images were found in .*images/scan_\*\.tiff"):
        run(folder, images="images/scan_*.tiff", out="new")


def test_hdf5_files_hold_many_frames(made: Path, folder: Path) -> None:
    stack = np.stack([bench.frame(number % 5) for number in range(70)])  # several parts of a file
    with h5py.File(folder / "scan.h5", "w") as handle:
        entry = handle.create_group("entry/data")
        handle["entry"].attrs["NX_class"], entry.attrs["NX_class"] = "NXentry", "NXdata"
        handle.attrs["default"], handle["entry"].attrs["default"], entry.attrs["signal"] = "entry", "data", "data"
        entry["data"] = stack
    assert run(folder, "--chi", images="scan.h5") == 0
    (values, errors), good = bench.curves(folder / "out")["scan.h5"], bench.curves(made / "out")
    assert values.shape == (70, 40)
    for number in range(70):
        assert np.array_equal(values[number], good[f"scan_{number % 5}.tif"][0][0], equal_nan=True)
        assert np.array_equal(errors[number], good[f"scan_{number % 5}.tif"][1][0], equal_nan=True)
    assert len(list((folder / "out").glob("scan_000??.chi"))) == 70


def test_chi_files_hold_the_curves(folder: Path) -> None:
    assert run(folder, "--chi") == 0
    values, errors = bench.curves(folder / "out")["scan_3.tif"]
    table = np.loadtxt(folder / "out" / "scan_3.chi", skiprows=4)
    assert table.shape == (40, 3)
    # eight digits are written
    assert np.allclose(table[:, 1], values[0], rtol=1e-7, equal_nan=True)
    assert np.allclose(table[:, 2], errors[0], rtol=1e-7, equal_nan=True)


def test_inplace_and_folders_of_folders(folder: Path) -> None:
    (folder / "images" / "deep").mkdir()
    shutil.copy(folder / "images" / "scan_1.tif", folder / "images" / "deep" / "scan_1.tif")
    shutil.copy(folder / "images" / "scan_1.tif", folder / "images" / "scan_1.tiff")
    assert run(folder, "--inplace", "--recursive") == 0
    beside = sorted(str(path.relative_to(folder / "images")) for path in (folder / "images").rglob("*.chi"))
    assert beside == ["deep/scan_1.chi", *(f"scan_{n}.chi" for n in (0, 1)), "scan_1_tiff.chi", "scan_2.chi",
                      "scan_3.chi", "scan_4.chi"]  # fmt: skip
    assert run(folder, "--chi", "--recursive", out="flat") == 0
    assert (folder / "flat" / "deep_scan_1.chi").is_file()


def test_resume_skips_what_is_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder) == 0
    before = bench.curves(folder / "out")
    tifffile.imwrite(folder / "images" / "scan_5.tif", bench.frame(5))
    tifffile.imwrite(folder / "images" / "scan_1.tif", bench.frame(9))
    capsys.readouterr()
    assert run(folder, "--resume") == 0
    assert "2 frames" in capsys.readouterr().err
    after = bench.curves(folder / "out")
    assert list(after) == [f"scan_{number}.tif" for number in range(6)]
    same = [name for name in before if np.array_equal(before[name][0], after[name][0], equal_nan=True)]
    assert same == ["scan_0.tif", "scan_2.tif", "scan_3.tif", "scan_4.tif"]
    assert run(folder, out="again") == 0  # the same as everything at once
    for name, (values, errors) in bench.curves(folder / "again").items():
        assert np.array_equal(values, after[name][0], equal_nan=True)
        assert np.array_equal(errors, after[name][1], equal_nan=True)


def test_resume_refuses_other_settings(folder: Path) -> None:
    assert run(folder) == 0
    with pytest.raises(InputError, match=r"other settings.*solid_angle: false there, true now.*leave out --resume"):
        run(folder, "--resume", "--solid-angle")
    text = (folder / "cal.poni").read_text()
    (folder / "cal.poni").write_text(text.replace("Distance: 0.5", "Distance: 0.51"))
    with pytest.raises(InputError, match="a calibration, mask or other file has another content"):
        run(folder, "--resume")
    assert len(bench.curves(folder / "out")) == 5  # what was there is left alone


def test_the_result_is_a_whole_result(made: Path) -> None:
    from tomosaxs.report.again import read_result

    result = read_result(made / "out")
    (step,) = result.steps
    assert (step.plugin, step.resolved["bins"], step.resolved["solid_angle"]) == ("azimuthal_integrate", 40, False)
    assert step.resolved["error_model"] == "poisson"
    assert step.citations
    (images,) = result.inputs
    assert [path.name for path, _, _ in images.files] == [f"scan_{number}.tif" for number in range(5)]
    assert images.files[2][2] == hashlib.sha256((made / "images" / "scan_2.tif").read_bytes()).hexdigest()
    assert "plugin: azimuthal_integrate" in result.list_text
    report = (made / "out" / "report.html").read_text()
    assert "Frames that azimuthal_integrate integrated" in report  # the first image with mask and beam centre
    assert sorted(path.name for path in (made / "out").iterdir()) == ["report.html", "result.nxs", "run.log"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cal.pony", "images"), r"calibration: .*cal.pony does not exist \(did you mean 'cal.poni'\?\)"),
        (("cal.poni", "image"), r"images: .*image does not exist \(did you mean 'images'\?\)"),
        (("cal.poni", "images", "--mask", "nothing.npy"), "mask: .*nothing.npy does not exist"),
        (("cal.poni", "images", "--range", "2", "1"), "--range: expected 0 <= QMIN < QMAX, got 2 1"),
        (("cal.poni", "images", "--range", "200", "300"), "range .* holds no pixel"),
        (("cal.poni", "empty"), "no images were found"),
        (("broken.poni", "images"), "calibration .*broken.poni: a .poni file gives"),
        (("other.poni", "images"), "no image could be integrated"),
    ],
)
def test_faults_are_named(
    arguments: tuple[str, ...], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    (folder / "broken.poni").write_text("Distance: 1\n")
    (folder / "other.poni").write_text(bench.PONI.format(rows=100, columns=100))
    with pytest.raises(InputError, match=message):
        bench.integrate(*arguments, "-o", "out")


def test_exit_statuses_and_mpirun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = bench.start("cal.poni", "images", "--mask", "no.npy", cwd=folder)
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, said.startswith("tomosaxs: error: mask: no.npy does not exist")) == (2, True)
    monkeypatch.setenv("PMI_SIZE", "2")
    with pytest.raises(InputError, match="leave out mpirun"):
        run(folder)


def test_a_second_run_into_the_same_folder_is_refused(folder: Path) -> None:
    from tomosaxs import GrowingResult

    growing = GrowingResult(folder / "out", "azimuthal_integrate", {"calibration": folder / "cal.poni"})
    with growing, pytest.raises(InputError, match="is writing here"):
        run(folder)
    assert run(folder) == 0


def test_measured_frames(shared: Path, tmp_path: Path) -> None:
    """A real frame gives FIT2D's own curve; figures as in tests of the engine."""
    golden = shared / "golden" / "saxs"
    arguments = ["--npt", "1002", "--range", "0", "6.744994174722", "--polarization", "0.995"]
    mask = ["--mask", str(golden / "AAA_integ.msk")]
    bench.integrate(golden / "buf1_00000.poni", golden / "buf1_00000.tif", *arguments, *mask, "-o", tmp_path / "out")
    values, _ = bench.curves(tmp_path / "out")["buf1_00000.tif"]
    theirs = np.loadtxt(golden / "buf1_00000.fit2d.chi", skiprows=4)[:, 1]
    with h5py.File(tmp_path / "out" / "result.nxs") as handle:
        empty = handle["entry/azimuthal_integrate/mask"][0].astype(bool)
    area = np.loadtxt(golden / "buf1_00000_converged_ov16.csv", delimiter=",", skiprows=1)[:, 4]
    used = ~empty & (theirs > 0) & (area > 20)
    off = np.abs(values[0][used] / theirs[used] - 1)
    assert np.median(off) < 4e-4
    assert np.percentile(off, 99) < 2.5e-3
    assert off.max() < 6e-3


def test_a_calibration_of_saxsdog_brings_its_settings(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = shared / "golden" / "saxs"
    calibration = golden / "buf1_00000_saxsdog_ov3.saxsconf.json"
    bench.integrate(calibration, golden / "buf1_00000.tif", "-o", tmp_path / "out")
    values, _ = bench.curves(tmp_path / "out")["buf1_00000.tif"]
    theirs = np.loadtxt(golden / "buf1_00000_saxsdog_ov3.csv", delimiter=",", skiprows=1)
    # the wavelength of the original is 1.5e-5 too large, which moves pixels at the edges of bins and not the bins
    assert values.shape == (1, len(theirs))
    both = np.isfinite(values[0]) & np.isfinite(theirs[:, 2])
    assert np.median(np.abs(values[0][both] / theirs[both, 2] - 1)) < 1e-5
    assert "oversampling 3" in capsys.readouterr().err


def test_plots_of_single_images(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    assert run(folder, "--plot", "svg") == 0
    plots = sorted((folder / "out").glob("*.svg"))
    assert [path.name for path in plots] == [f"scan_{number}.svg" for number in range(5)]
    assert "scan_3.tif" in plots[3].read_text()


def test_results_beside_the_images(folder: Path) -> None:
    for _ in range(2):  # the second time the first result lies among the images
        assert run(folder, "--chi", out="images") == 0
        assert len(bench.curves(folder / "images")) == 5


def test_another_file_of_the_same_size_and_time_is_seen_as_new(folder: Path) -> None:
    from tomosaxs_plugins.commands.integrate_places import ImagePlaces

    places = ImagePlaces.named([str(folder / "images")])
    before = places.scan()
    path = folder / "images" / "scan_1.tif"
    shutil.copy(folder / "images" / "scan_2.tif", folder / "other.tif")
    os.utime(folder / "other.tif", ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    (folder / "other.tif").rename(path)
    assert [path for path, stamp in places.scan().items() if before[path] != stamp] == [path]


def test_counts_of_every_type(made: Path, folder: Path) -> None:
    for number, kind in enumerate(("uint16", "int32", "uint32", "float32", "float64")):
        tifffile.imwrite(folder / "images" / f"scan_{number}.tif", bench.frame(number).astype(kind))
    np.save(folder / "images" / "scan_5.npy", bench.frame(1).astype("complex64"))
    assert run(folder) == 0
    found, good = bench.curves(folder / "out"), bench.curves(made / "out")
    for name in good:  # counts are whole numbers below 2**24: every type holds them exactly
        assert np.array_equal(found[name][0], good[name][0], equal_nan=True)
    assert bench.problems(folder / "out") == {"scan_5.npy": "values of type complex64 are no counts"}


def test_curves_that_cannot_be_written_are_named(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "scan_3.chi").mkdir()
    with pytest.raises(InputError, match=r"the curves of .*scan_3.tif cannot be written"):
        run(folder, "--chi")


def test_the_shipped_list_does_the_same_to_the_bit(made: Path, folder: Path) -> None:
    pytest.importorskip("fabio")
    result = tomosaxs.run(
        bench.ROOT / "process_lists" / "azimuthal_integration.yml",
        inputs=[str(folder / "images")],
        settings=[f"azimuthal_integrate.calibration={folder / 'cal.poni'}", "azimuthal_integrate.bins=40"],
        output=folder / "listed",
        log=lambda line: None,
    )
    found, sigma = bench.curves(made / "out"), result.datasets[-1].sigma()
    assert result.data.shape == (5, 40)
    assert sigma is not None
    for number, (values, errors) in enumerate(found.values()):
        assert np.array_equal(values[0], result.data[number], equal_nan=True)
        assert np.array_equal(errors[0], sigma[number], equal_nan=True)


def test_the_list_in_the_result_does_the_same_to_the_bit(folder: Path) -> None:
    pytest.importorskip("fabio")
    options = ("--range", "0.05", "0.25", "--polarization", "0.9", "--solid-angle")
    assert run(folder, *options) == 0
    with h5py.File(folder / "out" / "result.nxs") as handle:
        text = handle["entry/process_list/data"].asstr()[()]
    result = tomosaxs.run(text, output=folder / "again", log=lambda line: None)
    values = np.concatenate([each for each, _ in bench.curves(folder / "out").values()])
    assert np.array_equal(values, result.data, equal_nan=True)


def test_images_of_other_formats(made: Path, folder: Path) -> None:
    fabio = pytest.importorskip("fabio")
    images = folder / "images"
    fabio.edfimage.EdfImage(data=bench.frame(1)).write(images / "scan_1.edf")
    fabio.cbfimage.CbfImage(data=bench.frame(2)).write(images / "scan_2.cbf")
    tifffile.imwrite(images / "packed.tif", bench.frame(3), compression="zlib")
    tifffile.imwrite(images / "many.tif", np.stack([bench.frame(number % 5) for number in range(12)]))
    (images / "scan_1.log").write_text("no image")
    assert run(folder) == 0
    found, good = bench.curves(folder / "out"), bench.curves(made / "out")
    assert bench.problems(folder / "out") == {}
    for name, like in (("scan_1.edf", 1), ("scan_2.cbf", 2), ("packed.tif", 3)):
        assert np.array_equal(found[name][0], good[f"scan_{like}.tif"][0], equal_nan=True)
    assert found["many.tif"][0].shape == (12, 40)
    assert np.array_equal(found["many.tif"][0][9], good["scan_4.tif"][0][0], equal_nan=True)
    assert "scan_1.log" not in found


def test_an_eiger_is_taken_by_its_master(made: Path, folder: Path) -> None:
    images = folder / "images"
    for number in (1, 2):
        with h5py.File(images / f"run_data_00000{number}.h5", "w") as handle:
            handle["entry/data/data"] = np.stack([bench.frame(n) for n in (range(3) if number == 1 else range(3, 5))])
    with h5py.File(images / "run_master.h5", "w") as handle:
        for number in (1, 2):
            name = f"data_00000{number}"
            handle[f"entry/data/{name}"] = h5py.ExternalLink(f"run_{name}.h5", "/entry/data/data")
    assert run(folder) == 0
    found, good = bench.curves(folder / "out"), bench.curves(made / "out")
    assert sorted(found) == ["run_master.h5", *good]
    for number in range(5):
        assert np.array_equal(found["run_master.h5"][0][number], good[f"scan_{number}.tif"][0][0], equal_nan=True)
    (images / "run_data_000002.h5").rename(folder / "elsewhere.h5")
    for path in images.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert run(folder, out="missing") == 0
    assert list(bench.problems(folder / "missing")) == ["run_master.h5"]


def test_hdf5_files_of_any_layout(made: Path, folder: Path) -> None:
    images = folder / "images"
    with h5py.File(images / "bare.h5", "w") as handle:  # the stack that fits the calibration is taken
        handle["some/frames"] = np.stack([bench.frame(n) for n in (1, 3)])
        handle["other/frames"] = np.zeros((4, 7, 9), np.int32)
    with h5py.File(images / "grid.h5", "w") as handle:
        handle["entry/frames"] = np.stack([bench.frame(n % 5) for n in range(12)]).reshape(3, 4, *bench.SHAPE)
    with h5py.File(images / "none.h5", "w") as handle:
        handle["numbers"] = np.arange(9)
    assert run(folder) == 0
    found, good = bench.curves(folder / "out"), bench.curves(made / "out")
    assert np.array_equal(found["bare.h5"][0][1], good["scan_3.tif"][0][0], equal_nan=True)
    for number in range(12):
        assert np.array_equal(found["grid.h5"][0][number], good[f"scan_{number % 5}.tif"][0][0], equal_nan=True)
    assert bench.problems(folder / "out") == {"none.h5": "cannot be read: it holds no frames"}


def test_a_mask_that_hides_most_is_warned_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = np.ones(bench.SHAPE, bool)
    mask[:, ::5] = False
    np.save(folder / "mask.npy", mask)
    assert run(folder, "--mask", folder / "mask.npy") == 0
    assert "warning: " in capsys.readouterr().err
    assert "80" in (folder / "out" / "run.log").read_text()


def test_a_calibration_without_a_shape_takes_that_of_most_images(folder: Path) -> None:
    text = (folder / "cal.poni").read_text()
    (folder / "cal.poni").write_text(text.replace('"max_shape": [40, 50], ', ""))
    tifffile.imwrite(folder / "images" / "a_picture.tif", np.ones((20, 20), np.uint8))
    tifffile.imwrite(folder / "images" / "b_picture.tif", np.ones((20, 20), np.uint8))
    assert run(folder) == 0
    assert sorted(bench.problems(folder / "out")) == ["a_picture.tif", "b_picture.tif"]


def test_names_of_any_kind(folder: Path) -> None:
    names = ["sp ace [1].tif", "ü*?.tif", "line\nbreak.tif", os.fsdecode(b"latin\xe9.tif"), "{count}%s.tif"]
    for name in names:
        shutil.copy(folder / "images" / "scan_1.tif", folder / "images" / name)
    (folder / "images" / os.fsdecode(b"bad\xe9.tif")).write_bytes(b"II*\0")
    os.utime(folder / "images" / os.fsdecode(b"bad\xe9.tif"), (1_700_000_000, 1_700_000_000))
    assert run(folder, "--chi") == 0
    assert sum(len(values) for values, _ in bench.curves(folder / "out").values()) == 11
    assert len(list((folder / "out").glob("*.chi"))) == 10
    assert run(folder, "--resume") == 0
    assert sum(len(values) for values, _ in bench.curves(folder / "out").values()) == 11


def test_plain_images_need_no_fabio(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fabio", None)
    tifffile.imwrite(folder / "images" / "packed.tif", bench.frame(3), compression="zlib")
    assert run(folder) == 0
    why = bench.problems(folder / "out")
    assert list(why) == ["packed.tif"]
    assert "pip install fabio" in why["packed.tif"]
