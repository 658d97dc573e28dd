"""``bin:`` in lists: the same physics with fewer pixels, on any ranks."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from running_commands import AXIS, values

LIST = """\
input:
  tomo:
    plugin: tomography
    path: {scan}
    bin: {{detector_y: 2, detector_x: 2}}
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
  - plugin: find_rotation_axis
    name: axis
  - plugin: reconstruct
    centre: ${{axis}}
    name: volume
"""


def test_a_binned_scan(scan, command, tmp_path) -> None:
    """The axis stays one of the full detector row; voxels are twice as wide and hold the same attenuation."""
    (tmp_path / "binned.yml").write_text(LIST.format(scan=scan))
    (tmp_path / "whole.yml").write_text(LIST.format(scan=scan).replace("    bin:", "    # bin:"))
    for name, ranks in (("binned", 0), ("binned", 2), ("whole", 0)):
        done = command("run", tmp_path / f"{name}.yml", "-o", tmp_path / f"{name}{ranks}", ranks=ranks)
        assert done.status == 0, done.text
    binned, whole = values(tmp_path / "binned0"), values(tmp_path / "whole0")
    np.testing.assert_array_equal(binned["volume"], values(tmp_path / "binned2")["volume"])
    assert binned["volume"].shape == (16, 32, 32)
    with h5py.File(tmp_path / "binned0" / "result.nxs") as file, h5py.File(tmp_path / "whole0" / "result.nxs") as full:
        assert file["entry/estimates/axis/value"][()] == pytest.approx(AXIS, abs=0.2)
        wide, narrow = np.diff(file["entry/volume/x"][:2]), np.diff(full["entry/volume/x"][:2])
        assert wide == pytest.approx(2 * narrow)
    coarse = whole["volume"].reshape(16, 2, 32, 2, 32, 2).mean(axis=(1, 3, 5))
    middle = (slice(2, -2), slice(8, 24), slice(8, 24))
    scale = float(np.abs(coarse[middle]).max())
    assert float(np.abs(binned["volume"][middle] - coarse[middle]).mean()) < 0.02 * scale
    assert binned["volume"][middle].mean() == pytest.approx(coarse[middle].mean(), rel=0.01)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            "2",
            "list.yml:5: input tomo.bin: expected a mapping of axes, for instance {detector_y: 2, detector_x: 2}, got",
        ),
        ("{detector_x: 0}", "list.yml:5: input tomo.bin: detector_x: expected a whole number from 1, got 0"),
        ("{detector_z: 2}", "list.yml:5: input tomo.bin.detector_z: the dataset has no axis 'detector_z'"),
    ],
)
def test_faults_are_named_with_their_line(scan, command, tmp_path, given, text) -> None:
    listing = tmp_path / "list.yml"
    listing.write_text(LIST.format(scan=scan).replace("{detector_y: 2, detector_x: 2}", given))
    done = command("plan", listing)
    assert done.status == 2
    assert text in done.text
