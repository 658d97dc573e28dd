"""Warnings before an integration runs: a mask that hides too much, a direct beam that nothing masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import tomosaxs
from tomosaxs import ArrayReader, Axis, Dataset, Source
from tomosaxs.cli.commands import tomosaxs as command_line
from tomosaxs_plugins.integration.look_at_frames import look_at_frames, sample

SHAPE = (60, 80)
GIVEN = {"distance": 1.0, "beam_centre": [20.5, 30.5], "pixel_size": 1e-4, "wavelength": 1e-10}


def source_of(frames: np.ndarray, transposed: bool = False) -> Source:
    axes = (Axis("y", 3), Axis("x", len(frames) // 3), Axis("detector_y", SHAPE[0]), Axis("detector_x", SHAPE[1]))
    values = frames.reshape(3, -1, *SHAPE)
    if transposed:
        axes, values = (axes[0], axes[3], axes[2], axes[1]), np.ascontiguousarray(values.transpose(0, 3, 2, 1))
    return Source(Dataset(axes, frames.dtype), ArrayReader(values))


def smooth(number: int = 6) -> np.ndarray:
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    # scattering that falls from the beam: bright in the middle, and nothing wrong with it
    level = 200 * np.exp(-np.hypot(y - 20, x - 30) / 20) + 3
    return np.random.default_rng(5).poisson(level, (number, *SHAPE)).astype(np.int32)


def warned(source: Source, **parameters: object) -> list[str]:
    return list(look_at_frames(source.dataset, source, **{"calibration": GIVEN, "mask_gaps": True, **parameters}))


def test_frames_with_nothing_wrong_give_no_warning():
    assert warned(source_of(smooth())) == []
    assert warned(source_of(smooth(), transposed=True)) == []


def test_poisson_errors_of_what_is_no_longer_counted():
    source = source_of(smooth())
    for changes, wrong in (({}, False), ({"units": "counts/s"}, True), ({"label": "intensity", "units": ""}, True)):
        dataset = replace(source.dataset, **changes)
        changed = replace(source, dataset=dataset)
        told = warned(changed, error_model="poisson")
        assert any("put poisson_uncertainty before" in text for text in told) == wrong
        assert warned(changed, error_model="data") == []


def test_what_was_corrected_already(tmp_path: Path):
    """Steps tell what they corrected; an integration that does it again is warned of, others are not."""
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["frames"] = smooth()
    calibration = "{distance: 1.0, beam_centre: [20.5, 30.5], pixel_size: 1.0e-4, wavelength: 1.0e-10}"

    def told(step: str, **more: object) -> list[str]:
        given = "".join(f"    {name}: {value}\n" for name, value in more.items())
        (tmp_path / "list.yml").write_text(
            "input:\n  saxs:\n    plugin: array\n    path: frames.h5\n    dataset: frames\n"
            f"    axes: [x, detector_y, detector_x]\nsteps:\n{step}    calibration: {calibration}\n"
            f"  - plugin: azimuthal_integrate\n    calibration: {calibration}\n    bins: 20\n{given}"
        )
        return [text for text in tomosaxs.plan(tmp_path / "list.yml").warnings if "does it again" in text]

    step = "  - plugin: solid_angle\n"
    (text,) = told(step)
    assert "corrected for solid angle by an earlier step" in text
    assert told(step, solid_angle="false") == []
    fused = "  - plugin: frame_corrections\n    count_time: 1.0\n    incident: 1.0\n    transmission: 1.0\n"
    assert told(fused) == []
    fused += "    solid_angle: true\n    horizontal: 0.9\n"
    (text,) = told(fused, polarization=0.8)
    assert "solid angle and polarisation" in text


def test_the_direct_beam_is_seen_in_the_first_middle_or_last_frame(tmp_path: Path):
    for number in (0, 2, 5):
        frames = smooth()
        frames[number, 19:22, 29:32] = 50_000
        for transposed in (False, True):
            [text] = warned(source_of(frames, transposed))
            assert "row 20.5, column 30.5" in text
            assert "9 of up to 50000" in text
    assert warned(source_of(frames[:3])) == []  # frames 0 to 2 are as they should be

    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[18:23, 28:33] = 1
    np.save(tmp_path / "beam.npy", mask)
    assert warned(source_of(frames), mask=tmp_path / "beam.npy") == []
    assert warned(source_of(frames), mask_above=10_000.0) == []
    assert warned(source_of(frames), hot_pixels=mask.astype(bool)) == []
    # q at 3 px: 2 pi / 0.1 nm * 3e-4 = 0.019
    assert warned(source_of(frames), unit="q_nm^-1", range=(0.03, 0.5)) == []
    assert len(warned(source_of(frames), unit="q_nm^-1", range=(0.001, 0.5))) == 1
    assert warned(source_of(frames), unit="q_nm^-1", band=(0.1, 0.2), background=[(0.05, 0.1)]) == []
    assert len(warned(source_of(frames), unit="q_nm^-1", band=(0.1, 0.2), background=[(0.0, 0.1)])) == 1


def test_a_beam_beside_the_detector_or_among_dead_pixels_is_no_matter():
    frames = smooth()
    assert warned(source_of(frames), calibration={**GIVEN, "beam_centre": [-40, 500]}) == []
    frames[:, 5:40, 10:50] = -1
    assert warned(source_of(frames)) == []


@pytest.mark.parametrize("share", [0.5, 0.7])
def test_a_mask_that_hides_more_than_60_percent(tmp_path: Path, share: float):
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[: int(SHAPE[0] * share)] = 1
    np.save(tmp_path / "half.npy", mask)
    found = warned(source_of(smooth()), mask=tmp_path / "half.npy", calibration={**GIVEN, "beam_centre": [-40, 500]})
    if share < 0.6:
        assert found == []
        other = warned(source_of(smooth()), mask=[tmp_path / "half.npy"], mask_marks="used")
        assert other == []
    else:
        [text] = found
        assert text.startswith(
            "the mask hides 70% of the pixels: masked are 3360 of 4800 pixels (70.0%): half.npy 3360"
        )
        assert text.endswith("if its file marks the pixels that are used, write mask_marks: used")
        assert warned(source_of(smooth()), mask=tmp_path / "half.npy", mask_marks="used") == []
        assert (
            len(list(look_at_frames(source_of(smooth()).dataset, None, calibration=GIVEN, mask=tmp_path / "half.npy")))
            == 1
        )


def test_values_that_cannot_be_used_count_too():
    frames = smooth()
    frames[:, 10:] = -1
    [text] = warned(source_of(frames), calibration={**GIVEN, "beam_centre": [-40, 500]})
    assert text.startswith("83% of the pixels are masked or have no usable value")
    frames[1:, :] = -1  # frames that were not measured say nothing about the mask
    frames[0] = smooth()[0]
    assert warned(source_of(frames)) == []
    frames[0] = -1
    assert warned(source_of(frames)) == []


def test_a_few_frames_are_read_from_first_to_last():
    frames = smooth(9)
    found = sample(source_of(frames).dataset, source_of(frames), 3)
    assert [any(np.array_equal(each, frames[n]) for each in found) for n in range(9)] == [
        True, False, False, False, True, False, False, False, True,
    ]  # fmt: skip
    assert len(sample(source_of(frames[:3]).dataset, source_of(frames[:3]), 10)) == 3


LIST = """\
input:
  frames:
    plugin: array
    path: frames.h5
    dataset: frames
    axes: [y, x, detector_y, detector_x]
steps:
  - plugin: azimuthal_integrate
    calibration: {distance: 1.0, beam_centre: [20.5, 30.5], pixel_size: 1e-4, wavelength: 1 angstrom}
    bins: 20
"""


def test_check_of_a_list_shows_them(tmp_path: Path):
    frames = smooth().reshape(2, 3, *SHAPE)
    frames[1, 2, 20, 30] = 10**6
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["frames"] = frames
    path = tmp_path / "list.yml"
    path.write_text(LIST)
    shown = CliRunner().invoke(command_line, ["check", str(path)], standalone_mode=False)
    assert shown.exit_code == 0, shown.output
    assert "warning: step 1 azimuthal_integrate: the beam centre (row 20.5, column 30.5) lies on hot" in shown.output
    [text] = tomosaxs.plan(path).warnings
    assert "1 of up to 1e+06" in text
    frames[1, 2, 20, 30] = 0
    with h5py.File(tmp_path / "better.h5", "w") as file:
        file["frames"] = frames
    assert tomosaxs.plan(path, inputs=[str(tmp_path / "better.h5")]).warnings == []
