"""The examples of the page on integration in a notebook run one after the other, as a reader runs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

sys.path.insert(0, str(Path(__file__).parent))
import docs_pages as pages

SHAPE = (120, 150)


def test_all_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "calibration.poni").write_text(
        "poni_version: 2.1\nDetector: Detector\nDetector_config: "
        f'{{"pixel1": 0.000172, "pixel2": 0.000172, "max_shape": [{SHAPE[0]}, {SHAPE[1]}], "orientation": 3}}\n'
        "Distance: 0.3\nPoni1: 0.01\nPoni2: 0.005\nRot1: 0\nRot2: 0\nRot3: 0\nWavelength: 1e-10\n"
    )
    random = np.random.default_rng(0)
    mask = random.random(SHAPE) < 0.1
    np.save(tmp_path / "mask.npy", mask)
    monkeypatch.chdir(tmp_path)
    images = random.poisson(100.0, (6, *SHAPE)).astype(np.int32)
    known: dict[str, Any] = {
        "image": images[0], "images": images, "mask": mask, "monitor": np.full(6, 50.0),
        "transmission": np.full(6, 0.5), "darks": random.poisson(1.0, (20, *SHAPE)), "sensitivity": np.ones(SHAPE),
    }  # fmt: skip
    examples = [b for b in pages.blocks(pages.DOCS / "how-to" / "integrate-in-a-notebook.md") if b.language == "python"]
    assert len(examples) == 5
    shapes = []
    for block in examples:
        exec(compile(block.text, f"line {block.line}", "exec"), known)
        shapes.append(known["intensity"].shape)
    assert known["curves"].shape == known["sigmas"].shape == (6, 500)
    assert np.nanmean(known["curves"]) == pytest.approx(100 / 50, rel=0.05)
    assert known["d"][[0, -1]] == pytest.approx([1.0, 20.0], abs=0.02)
    assert known["two_theta"].size == 200
    assert np.nanmean(known["sector"]) == pytest.approx(100, rel=0.05)
    assert shapes == [(1000,)] * 5
    # the last one: variance I / 0.8 + 25
    assert np.nanmedian(known["sigma"]) > np.nanmedian(known["geometry"].integrate(images[0]).sigma) * 1.15
