"""A loader of several files takes a list of paths, patterns and folders; what is missing is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomosaxs import PluginError, Source, loader
from tomosaxs.declaration import spec_of
from tomosaxs.process_list import check_list, json_schema, parse_list
from tomosaxs.process_list.files import natural

OWN = '''
from collections.abc import Sequence
from pathlib import Path
from tomosaxs import Source, loader

@loader(absent="allow_missing")
def several(paths: Sequence[Path], *, allow_missing: bool = False) -> Source:
    """Load several files."""
    raise NotImplementedError

@loader
def one(path: Path) -> Source:
    """Load one."""
    raise NotImplementedError
'''
LIST = """\
input:
  saxs:
    plugin: ./own.py:several
    path: {path}
steps:
  - plugin: smooth
"""


@pytest.fixture
def scans(folder):
    (folder / "own.py").write_text(OWN)
    for number in (1, 2, 10):
        (folder / f"i22-{number}.nxs").touch()
    return folder


def paths(folder, text, **options):
    checked = check_list(parse_list(LIST.format(path=text), file=folder / "list.yml", **options))
    return [str(path.relative_to(folder)) for path in checked.inputs[0].paths]


def test_patterns_come_in_natural_order(scans):
    assert paths(scans, "i22-*.nxs") == ["i22-1.nxs", "i22-2.nxs", "i22-10.nxs"]
    assert paths(scans, "[i22-10.nxs, 'i22-?.nxs']") == ["i22-10.nxs", "i22-1.nxs", "i22-2.nxs"]
    assert paths(scans, "\n    - i22-2.nxs\n    - i22-1.nxs") == ["i22-2.nxs", "i22-1.nxs"]
    assert paths(scans, ".") == ["."]
    assert paths(scans, "[i22-1.nxs, i22-1.nxs]") == ["i22-1.nxs"]
    deep = scans / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "x.nxs").touch()
    assert paths(scans, "'**/x.nxs'") == ["a/b/x.nxs"]
    assert sorted(["s10", "s9", "s9b", "a2"], key=natural) == ["a2", "s9", "s9b", "s10"]


def test_a_file_called_like_a_pattern_comes_first(scans):
    (scans / "i22-[1].nxs").touch()
    assert paths(scans, "'i22-[1].nxs'") == ["i22-[1].nxs"]
    assert paths(scans, "'i22-[2].nxs'") == ["i22-2.nxs"]
    odd = scans / "run [1]"
    odd.mkdir()
    for number in (1, 2):
        (odd / f"a{number}.nxs").touch()
    assert paths(scans, "'run [1]/a*.nxs'") == ["run [1]/a1.nxs", "run [1]/a2.nxs"]


def test_a_pattern_on_the_command_line_belongs_to_the_current_folder(scans, faults):
    for number in (3, 12):
        (scans / "elsewhere" / f"b-{number}.nxs").touch()
    assert paths(scans, "i22-1.nxs", inputs=["saxs=b-*.nxs"]) == ["elsewhere/b-3.nxs", "elsewhere/b-12.nxs"]
    assert paths(scans, "i22-1.nxs", inputs=["b-*.nxs"]) == ["elsewhere/b-3.nxs", "elsewhere/b-12.nxs"]
    (message,) = faults(LIST.format(path="i22-1.nxs"), inputs=["saxs=c-*.nxs"])
    assert message.startswith("--input saxs=c-*.nxs: input saxs.path: no file matches 'c-*.nxs' in ")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("x-*.nxs", "list.yml:4: input saxs.path: no file matches 'x-*.nxs' in "),
        ("no/such/*.nxs", "list.yml:4: input saxs.path: no file or folder 'no' in "),
        ("[i22-1.nxs, i22-3.nxs]", "list.yml:4: input saxs.path: no file or folder 'i22-3.nxs' in "),
        ("'run[1]/a.nxs'", "list.yml:4: input saxs.path: no file matches 'run[1]/a.nxs' in "),
        ("[]", "list.yml:4: input saxs.path: expected a text, or a list of texts, got an empty list"),
        ("[i22-1.nxs, 3]", "list.yml:4: input saxs.path: expected a text, or a list of texts, got integer 3"),
        ("{a: b}", "list.yml:4: input saxs.path: expected a text, got a mapping"),
    ],
)
def test_faults(scans, faults, path, expected):
    (message,) = faults(LIST.format(path=path))
    assert message.startswith(expected)


def test_absent_files_where_the_loader_allows_it(scans, faults):
    text = LIST.format(path="[i22-1.nxs, i22-3.nxs]\n    allow_missing: true")
    checked = check_list(parse_list(text, file=scans / "list.yml"))
    assert [path.name for path in checked.inputs[0].paths] == ["i22-1.nxs", "i22-3.nxs"]
    (message,) = faults(LIST.format(path="'x*.nxs'\n    allow_missing: true"))
    assert "no file matches 'x*.nxs'" in message


def test_a_loader_of_one_file_takes_one(scans, faults):
    text = LIST.replace("several", "one")
    (message,) = faults(text.format(path="[i22-1.nxs, i22-2.nxs]"))
    assert message == "list.yml:4: input saxs.path: one reads one path, 2 are given"
    (message,) = faults(text.format(path="i22-*.nxs"))
    assert message.endswith("; one reads one file, no pattern")
    checked = check_list(parse_list(text.format(path="[i22-1.nxs]"), file=scans / "list.yml"))
    assert checked.inputs[0].argument == scans / "i22-1.nxs"


def test_the_schema_tells_loaders_of_several_files(fake_plugins):
    schema = json_schema()
    assert schema["$defs"]["raw"]["properties"]["path"]["type"] == "string"
    assert len(schema["properties"]["input"]["additionalProperties"]["properties"]["path"]["anyOf"]) == 2


def test_the_switch_for_absent_files_must_be_a_parameter():
    @loader(absent="missing")
    def wrong(paths: tuple[Path, ...], *, allow_missing: bool = False) -> Source:
        """Load."""
        raise NotImplementedError

    with pytest.raises(PluginError, match="absent='missing' names no parameter"):
        spec_of(wrong)
