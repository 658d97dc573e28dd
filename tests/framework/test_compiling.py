"""A run that has to compile inner loops says so once, and does not take that time for the speed of the machine."""

from __future__ import annotations

import importlib
import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tomosaxs.runner import foretold
from tomosaxs.runner.compiling import LOGGER, Compiling
from tomosaxs.runner.meter import Meter


def test_it_is_said_once_and_only_while_listening() -> None:
    said: list[str] = []
    logger = logging.getLogger(LOGGER)
    with Compiling(said.append) as heard:
        assert said == []
        logger.info("one")
        logger.info("another")
    logger.info("a third")
    assert heard.heard
    assert len(said) == 1


def test_rates_are_learned_of_other_runs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(foretold, "load_rates", SimpleNamespace)
    monkeypatch.setattr(foretold, "learn", lambda *given: kept.append(given))
    monkeypatch.setattr(foretold, "save_rates", lambda rates: "")
    meter = Meter()
    plan: Any = None
    assert foretold.keep(plan, [meter.plain(), {**meter.plain(), "compiled": True}], meter, 1.0) == ""
    assert not kept
    foretold.keep(plan, [meter.plain()], meter, 1.0)
    assert len(kept) == 1


def test_functions_that_are_kept_are_told_of_and_others_not(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba", reason="nothing is compiled without it")
    from tomosaxs_plugins.compiled import compiled

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "doubling.py").write_text("def twice(x):\n    return 2 * x\n\n\ndef thrice(x):\n    return 3 * x\n")
    doubling = importlib.import_module("doubling")

    said: list[str] = []
    with Compiling(said.append):
        numba_only = numba.njit(doubling.thrice)
        kept = compiled(doubling.twice)
        assert kept._made is None
        assert kept.py_func is doubling.twice  # numba is there now, and listens
        assert numba_only(2) == 6
        assert not said
        assert kept(2) == 4
    assert len(said) == 1
    sys.modules.pop("doubling")
