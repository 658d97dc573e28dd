"""Write report.html: what came out, how sure it is, and how it came about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from tomosaxs.plugin import Estimate
from tomosaxs.report.details import curves_of, details_of
from tomosaxs.report.pictures import png_uri
from tomosaxs.report.plain import style
from tomosaxs.report.views import view_of
from tomosaxs.result import Result, StepRecord
from tomosaxs.traffic import READ, WRITTEN

LOW_CONFIDENCE = 0.5
_LOUD = "WARNING: "
"""How a loader begins a message that is to be seen before the result is used."""


def write_report(result: Result, path: Path, *, plan_text: str, extra: Sequence[tuple[str, str]] = ()) -> None:
    """Write the report of a finished run: one HTML file, nothing outside it, no scripts.

    Parameters
    ----------
    result : Result
        What the run produced; of large datasets only a few slices are read.
    path : Path
        File to write.
    plan_text : str
        The plan as it was printed before the run.
    extra : sequence of (heading, HTML fragment), optional
        Further sections, taken as they are: their authors have escaped what needs it.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = resources.files("tomosaxs.report").joinpath("report.html").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        style=Markup(style()),
        result=result,
        verdict=verdict(result),
        views=[view_of(saved) for saved in reversed(result.datasets)],
        estimates=[_estimate(name, estimate) for name, estimate in result.estimates.items()],
        steps=[_step(step, result) for step in result.steps],
        methods=methods_text(result),
        references=[f"https://doi.org/{doi}" for doi in result.citations],
        seconds=duration(result.seconds),
        memory=size_text(result.peak_memory),
        moved=[size_text(sum(sum(result.bytes_moved.get(kind, ())) for kind in kinds)) for kinds in (READ, WRITTEN)]
        if result.bytes_moved
        else [],
        size_text=size_text,
        plan_text=plan_text,
        extra=[(heading, Markup(body)) for heading, body in extra],
        svg=Markup,
    )
    Path(path).write_text(page, encoding="utf-8", errors="replace")


def sections_of(hook: Any, plan: Any, result: Result) -> list[tuple[str, str]]:
    """Ask every package for its sections, (heading, HTML), by the hook ``report``.

    A package that fails costs its own section, not the run: the failure becomes a message of the result.
    """
    given = {"plan": plan, "result": result}
    found: list[tuple[str, str]] = []
    for each in reversed(hook.get_hookimpls()):
        try:
            pairs = each.function(**{name: given[name] for name in each.argnames})
            found.extend([(str(heading), str(body)) for heading, body in pairs])
        except Exception as error:  # noqa: BLE001 - a stranger's hook may fail in any way; it is reported
            reason = f"{type(error).__name__}: {error}"
            result.messages.append(f"report: the section of {each.plugin_name} could not be made: {reason}")
    return found


def verdict(result: Result) -> dict[str, Any]:
    """Return what a reader should know first: a line, whether all is well, and what to look at."""
    known = {f"{each.name}: {message}" for each in result.inputs for message in each.messages}
    doubtful = [
        f"{name}: low confidence ({estimate.confidence:.2f}): do not use the result before you have looked at it"
        for name, estimate in result.estimates.items()
        if estimate.confidence < LOW_CONFIDENCE
    ]
    loud = [
        f"{each.name}: {message.removeprefix(_LOUD)}"
        for each in result.inputs
        for message in each.messages
        if message.startswith(_LOUD)
    ]
    warnings = doubtful + loud + [message for message in result.messages if message not in known]
    made = [f"{saved.name} ({' × '.join(map(str, saved.dataset.shape))})" for saved in reversed(result.datasets)]
    found = [f"{name} = {value_text(estimate)}" for name, estimate in result.estimates.items()]
    head = "Done, but in doubt" if doubtful else "Done"
    line = f"{head} in {duration(result.seconds)}: " + "; ".join([*made, *found] or ["nothing was saved"]) + "."
    return {"line": line, "well": not warnings, "doubtful": bool(doubtful), "warnings": warnings}


def value_text(estimate: Estimate) -> str:
    """Return value ± uncertainty with units."""
    if isinstance(estimate.value, (str, Mapping)):
        return str(estimate.value)
    value = np.asarray(estimate.value)
    units = f" {estimate.units}" if estimate.units else ""
    if value.ndim or value.dtype.kind not in "biuf":
        return f"array of {' × '.join(map(str, value.shape))}{units}" if value.ndim else str(estimate.value)
    number, spread = float(value), estimate.uncertainty
    if not (math.isfinite(spread) and math.isfinite(number)):
        return f"{number:.6g}{units}" if math.isfinite(number) else f"not found{units}"
    if spread == 0:
        return f"{number:.6g}{units}"
    # two digits of the uncertainty, the value to the same place
    places = max(0, 1 - math.floor(math.log10(spread)))
    return f"{number:.{places}f} ± {spread:.{places}f}{units}"


def duration(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size_text(count: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _estimate(name: str, estimate: Estimate) -> dict[str, Any]:
    charts, numbers = details_of(estimate)
    confidence = float(estimate.confidence)
    return {
        "name": name,
        "value": value_text(estimate),
        "confidence": min(max(confidence, 0.0), 1.0) if math.isfinite(confidence) else None,
        "low": confidence < LOW_CONFIDENCE,
        "messages": estimate.messages,
        "charts": charts,
        "numbers": numbers,
        "pictures": [(key.replace("_", " "), png_uri(np.asarray(p))) for key, p in estimate.pictures.items()],
    }


def _step(step: StepRecord, result: Result) -> dict[str, Any]:
    numbers = {doi: place for place, doi in enumerate(result.citations, 1)}
    longest = max((each.seconds for each in result.steps), default=0.0) or 1.0
    parameters = [
        (name, _parameter(value), _parameter(step.given[name]) if name in step.given else None)
        for name, value in step.resolved.items()
    ]
    missing = [(name, _parameter(value), None) for name, value in step.given.items() if name not in step.resolved]
    return {
        "record": step,
        "parameters": [*parameters, *missing],
        "seconds": duration(step.seconds),
        "share": 100.0 * step.seconds / longest,
        "citations": sorted(numbers[doi] for doi in step.citations),
        "charts": [(chart, f"{step.label}: {caption}") for chart, caption in curves_of(step.kept)],
    }


def _parameter(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.8g}"
    if isinstance(value, np.ndarray):
        return f"array of {' × '.join(map(str, value.shape))}" if value.ndim else _parameter(value.item())
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_parameter(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_parameter(item)}" for key, item in value.items()) + "}"
    return str(value)


def methods_text(result: Result) -> str:
    """Return a paragraph for the methods section of a paper, with numbered references."""
    numbers = {doi: place for place, doi in enumerate(result.citations, 1)}
    version = result.software.get("tomosaxs", "")
    parts = []
    for step in result.steps:
        chosen = [f"{n} {_parameter(step.resolved.get(n, v))}" for n, v in step.given.items()]
        cited = "".join(f" [{number}]" for number in sorted(numbers[doi] for doi in step.citations))
        parts.append(f"{step.plugin}{_brackets(chosen)}{cited}")
    sentences = []
    if result.site:
        cited = "".join(f" [{numbers[doi]}]" for doi in result.site["papers"])
        sentences.append(f"Data were taken at {result.site['title']}{cited}.")
    sentences += [f"Data were processed with tomosaxs {version}".rstrip() + "."]
    if parts:
        sentences.append(f"The steps were, in this order: {'; '.join(parts)}.")
    for name, estimate in result.estimates.items():
        sentences.append(f"The value of {name} was {value_text(estimate)}.")
    if result.site.get("acknowledgement"):
        sentences.append(f"Acknowledgement that the beamline asks for: {result.site['acknowledgement']}")
    return " ".join(sentences)


def _brackets(texts: Sequence[str]) -> str:
    return f" ({', '.join(texts)})" if texts else ""
