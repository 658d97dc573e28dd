"""The command in the record can be typed again."""

from __future__ import annotations

import pytest

from tomosaxs.runner.typed import typed_command


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("/opt/env/bin/tomosaxs", "tomosaxs run list.yml"),
        ("/opt/env/lib/tomosaxs/__main__.py", "python -m tomosaxs run list.yml"),
    ],
)
def test_programs_and_modules(program: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [program, "run", "list.yml"])
    assert typed_command() == expected
