"""What the how-to pages on sweeps and on trying plugins say works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import tomosaxs
from tomosaxs.cli.sweep import as_sweeps
from tomosaxs.cli.try_plugin import try_plugin
from tomosaxs.testing import ScanSettings, micro_ct_scan, smooth_phantom

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
LIST = """\
input:
  tomo:
    plugin: tomography
    path: scan.nxs
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
  - plugin: reconstruct
    centre: 25.0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small scan and a list in ``demo``."""
    (tmp_path / "demo").mkdir()
    settings = ScanSettings(projections=40, rows=32, columns=48, centre=25.0, subsample=1)
    micro_ct_scan(tmp_path / "demo" / "scan.nxs", smooth_phantom(48, 32, 0.02), settings, seed=1)
    (tmp_path / "demo" / "tomography_demo.yml").write_text(LIST)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_setting_of_the_page(folder: Path) -> None:
    text = (HOW_TO / "sweep-a-parameter.md").read_text(encoding="utf-8")
    settings = [
        w
        for line in re.findall(r"(?m)^    (?!tomosaxs slice)(.*--set .*)$", text)
        for w in shlex.split(line)
        if "." in w
    ]
    settings = [word for word in settings if re.match(r"\w+\.\w+=", word)]
    assert len(settings) >= 4
    listing = folder / "demo" / "tomography_demo.yml"
    for setting in settings:
        checked = tomosaxs.check(listing, settings=as_sweeps(listing, [setting]))
        (swept,) = [each.entry.sweeps for each in checked.steps if each.entry.sweeps]
        assert len(next(iter(swept.values()))) >= 2


def test_the_plugin_of_the_page(folder: Path) -> None:
    text = (HOW_TO / "try-a-plugin.md").read_text(encoding="utf-8")
    code = re.search(r"```python file=(\S+)\n(.*?)```", text, re.DOTALL)
    assert code is not None
    (folder / code[1]).write_text(code[2])
    words = re.search(r"(?m)^    tomosaxs try (.*demo/scan.nxs.*)$", text)
    assert words is not None
    (folder / "list.yml").write_text(LIST.replace("scan.nxs", "demo/scan.nxs"))
    line = shlex.split(words[1].replace("demo/scan.nxs", "--list list.yml"))
    done = CliRunner().invoke(try_plugin, line)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "sharpen behind step 3 reconstruct, detector row 30" in done.output
    assert "hint" not in done.output
