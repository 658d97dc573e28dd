"""The examples of the how-to pages run: on a small scan, on one rank."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import docs_pages as pages

HOW_TO = pages.DOCS / "how-to"
INPUT = "input:\n  tomo:\n    plugin: tomography\n    path: scan.nxs\n"
CORRECTED = """steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
  - plugin: find_rotation_axis
    name: axis
    value: 25.0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small scan."""
    from tomosaxs.testing import ScanSettings, micro_ct_scan, packing

    made = tmp_path_factory.mktemp("how_to")
    settings = ScanSettings(projections=60, rows=6, columns=48, centre=25.0, subsample=1)
    micro_ct_scan(made / "scan.nxs", packing(settings.columns, settings.rows, seed=1), settings, seed=1)
    return made


def write_files(page: str, folder: Path) -> None:
    """Write every block that is a file."""
    for block in pages.blocks(HOW_TO / page):
        if "file" in block.options:
            target = folder / block.options["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")


def texts(page: str, language: str) -> list[str]:
    """Return the blocks of a language that are no files."""
    return [b.text for b in pages.blocks(HOW_TO / page) if b.language == language and "file" not in b.options]


def run_list(text: str, folder: Path, name: str) -> dict[str, tuple[int, ...]]:
    """Run a list in a process of its own and return the shapes of what it saved."""
    import tomosaxs

    (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    result = tomosaxs.run(folder / f"{name}.yml", output=folder / name, log=lambda line: None)
    return {saved.name: saved.values().shape for saved in result.datasets} | {
        key: () for key in result.estimates if key != "axis"
    }


def test_write_an_estimator(folder: Path) -> None:
    page = "write-an-estimator.md"
    write_files(page, folder)
    steps = texts(page, "yaml")[0] + "  - plugin: ./contrast.py:FindContrast\n    name: contrast\n"
    assert run_list(INPUT + steps, folder, "estimators") == {"brightness": (), "contrast": ()}


def test_several_datasets(folder: Path) -> None:
    page = "several-datasets-and-branches.md"
    write_files(page, folder)
    for name in ("before.nxs", "after.nxs"):
        (folder / name).symlink_to(folder / "scan.nxs")
    joined, branches = texts(page, "yaml")
    assert run_list(joined, folder, "joined") == {"change": (60, 6, 48)}
    both = run_list(INPUT + CORRECTED + branches.removeprefix("steps:\n"), folder, "branches")
    assert both == {"sharp": (6, 48, 48), "smooth": (6, 48, 48)}


def test_flat_fields_and_phase(folder: Path) -> None:
    double, eigen = texts("correct-flat-fields.md", "yaml")
    assert run_list(INPUT + double, folder, "double") == {"reconstruct": (6, 48, 48), "dff": ()}
    assert run_list(eigen + "    save: true\n", folder, "eigen") == {"eigen_flat_correction": (60, 6, 48)}
    phase, sweep = texts("retrieve-phase.md", "yaml")
    assert run_list(INPUT + phase, folder, "phase") == {"reconstruct": (6, 48, 48)}
    swept = sweep.replace("]}", "]}\n    distance: 0.1\n    energy: 20.0\n    save: true")
    shapes = run_list(INPUT + "steps:\n  - plugin: dark_flat_correction\n" + swept, folder, "swept_phase")
    assert shapes == {"retrieve_phase": (3, 60, 6, 48)}


def test_sweep(folder: Path) -> None:
    step = texts("sweep-a-parameter.md", "yaml")[0].replace("150.3, 150.8, 151.3, 151.8", "24.0, 24.5, 25.0")
    assert run_list(INPUT + CORRECTED + step, folder, "sweep") == {"volume": (3, 6, 48, 48)}


def test_iterative_reconstruction(folder: Path) -> None:
    for number, step in enumerate(texts("iterative-reconstruction.md", "yaml")):
        quick = step.replace("iterations: 150", "iterations: 4") + "    save: true\n"
        assert quick.count("iterations: 4") == 1
        assert run_list(INPUT + CORRECTED + quick, folder, f"iterations_{number}") == {"reconstruct": (6, 48, 48)}


def test_correct_projections(folder: Path) -> None:
    zingers, sinograms, across, air, by_file, by_numbers, tilt, obscured = texts("correct-projections.md", "yaml")
    (folder / "coefficients.txt").write_text("xcenter = 24\nycenter = 3\nfactor0 = 1.0\nfactor1 = 1e-5\n")
    by_numbers = by_numbers.replace("1283.25", "24").replace("995.24", "3")  # the scan is small
    flat = "  - plugin: dark_flat_correction\n"
    given = "  - plugin: find_rotation_axis\n    name: axis\n"
    searched = f"{given}    method: correlation\n    on_low_confidence: warn\n    minimum_confidence: 0\n"
    first = zingers + flat + sinograms + across + air + by_file + by_numbers
    steps = first + obscured.replace("  - plugin: reconstruct\n    exclude: ${obscured}\n", "")
    last = tilt.replace(given, searched) + "    exclude: ${obscured}\n"
    assert run_list(INPUT + "steps:\n" + steps + last, folder, "projections") == {
        "reconstruct": (6, 48, 48), "obscured": (),
    }  # fmt: skip


def test_notebook(folder: Path, environment: dict[str, str]) -> None:
    demo = folder / "demo"
    demo.mkdir()
    (demo / "scan.nxs").symlink_to(folder / "scan.nxs")
    text = INPUT + CORRECTED + "  - plugin: reconstruct\n    centre: ${axis}\n"
    (demo / "tomography_demo.yml").write_text(text, encoding="utf-8")
    given = "import numpy as np\nsinogram = np.zeros((181, 303), np.float32)\nsinograms = sinogram[None]\n"
    code = given + "\n".join(texts("use-from-a-notebook.md", "python")) + "\nprint(volume.shape, slices.shape)\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "(6, 48, 48) (1, 303, 303)"


def test_packages_are_found(tmp_path: Path, environment: dict[str, str]) -> None:
    write_files("package-your-plugins.md", tmp_path)
    write_files("add-a-backend.md", tmp_path)
    filter_text = next(
        b.text for b in pages.blocks(pages.DOCS / "tutorials" / "your-first-plugin.md") if "file" in b.options
    )
    (tmp_path / "beamline_plugins" / "rings.py").write_text(filter_text, encoding="utf-8")
    # what an installer writes
    found = tmp_path / "beamline_plugins-0.1.0.dist-info"
    found.mkdir()
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: beamline-plugins\nVersion: 0.1.0\n")
    (found / "entry_points.txt").write_text(
        "[tomosaxs]\nbeamline_plugins = beamline_plugins.index\nmy_package = my_package.index\n"
    )
    shell = {**environment, "PYTHONPATH": f"{tmp_path}:{environment['PYTHONPATH']}"}

    def said(*words: str) -> str:
        done = subprocess.run(
            ["tomosaxs", *words], cwd=tmp_path, env=shell, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "remove_rings" in said("list", "ring", "column")
    assert "columns compared" in said("show", "remove_rings")
    assert "needs fastlib, which is not installed; install with: pip install fastlib" in said("list", "fast")
    for code in texts("package-your-plugins.md", "python"):
        if "check_plugin" in code:
            (tmp_path / "test_it.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_it.py"],
        cwd=tmp_path, env=shell, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_plot_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    import h5py
    import numpy as np

    page = "plot-curves.md"
    with h5py.File(tmp_path / "result.nxs", "w") as file:
        group = file.create_group("entry/data")
        group.attrs.update(NX_class="NXdata", signal="I", axes=["frame", "q"])
        group["I"], group["q"] = np.ones((6, 9)), np.arange(9.0)
        group["q"].attrs["units"] = "1/nm"
        for place, name in (("/", "entry"), ("/entry", "data")):
            file[place].attrs["default"] = name
    monkeypatch.chdir(tmp_path)
    for code in texts(page, "python"):
        exec(compile(code, page, "exec"), {})
    assert (tmp_path / "two.png").is_file()
    curves = "input:\n  saxs:\n    plugin: result\n    path: result.nxs\nsteps:\n  - plugin: calculate\n"
    run_list(curves + "    expression: 2 * data\n" + texts(page, "yaml")[0], tmp_path, "savers")
    made = {path.name for path in (tmp_path / "savers").iterdir() if path.is_file()}
    names = {f"saxs_000{number}.{suffix}" for number in range(6) for suffix in ("chi", "dat")}
    assert made - {"run.log"} == {"result.nxs", "report.html", "saxs_curves.svg", *names}
    assert (tmp_path / "savers" / "saxs_0003.dat").read_text().splitlines()[3] == "1.00000000e-01  2.00000000e+00"


def test_load_images(tmp_path: Path) -> None:
    fabio = pytest.importorskip("fabio")
    import numpy as np

    (tmp_path / "frames").mkdir()
    for number in range(3):
        image = fabio.tifimage.TifImage(data=np.full((40, 30), number + 1, np.int32))
        image.write(str(tmp_path / "frames" / f"{number}.tif"))
    (tmp_path / "geometry.poni").write_text(
        "poni_version: 2.1\nDetector: Detector\n"
        'Detector_config: {"pixel1": 1e-4, "pixel2": 1e-4, "max_shape": [40, 30], "orientation": 3}\n'
        "Distance: 0.1\nPoni1: 0.002\nPoni2: 0.0015\nRot1: 0\nRot2: 0\nRot3: 0\nWavelength: 1e-10\n"
    )
    assert run_list(texts("load-images.md", "yaml")[0], tmp_path, "images") == {"azimuthal_integrate": (3, 100)}


def test_load_saxs_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import h5py
    import numpy as np

    from tomosaxs_plugins.loaders.scattering_scan import scattering_scan

    page = "load-saxs-scans.md"
    monkeypatch.chdir(tmp_path)
    for code in texts(page, "python"):
        exec(compile(code, page, "exec"), {})
    nine, other = texts(page, "yaml")
    assert run_list(nine, tmp_path, "maps") == {"small_angles": (3, 3, 4, 200), "wide_angles": (3, 3, 4, 200)}
    assert scattering_scan(Path("i22-1001.nxs"), detector="SAXS").dataset.auxiliaries["missing"] is not None
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["measurement/eiger"] = np.ones((2, 3, 8, 8), np.float32)
    mean = "steps:\n  - plugin: calculate\n    expression: 2 * data\n"
    assert run_list(other + mean, tmp_path, "other") == {"calculate": (2, 3, 8, 8)}


def test_reconstruct_fibres(tmp_path: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("numba", reason="fibre reconstruction needs numba")
    from tomosaxs_plugins.fibres.simulate_fibre_scan import simulate_fibre_scan

    # the file has frames, geometry, mask and beam-path table, as the page's scan.nxs
    simulate_fibre_scan(
        tmp_path / "scan.nxs", voxels=2, slices=1, angles=5, rows=285, columns=552, beam_centre=(276, 276), subpixels=1
    )
    write_files("reconstruct-fibres.md", tmp_path)
    done = subprocess.run(
        ["tomosaxs", "run", "fibres.yml", "-o", "result"], cwd=tmp_path, env=environment, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (code,) = [each.text for each in pages.blocks(HOW_TO / "reconstruct-fibres.md") if each.language == "python"]
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "result" / "save_fibres" / "fibres.vtp").is_file()
