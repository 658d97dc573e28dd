"""Values change in the text of a list, and nothing else does."""

from __future__ import annotations

import pytest

from tomosaxs import InputError
from tomosaxs.process_list.edit import Change, with_values

LIST = """\
# A list with everything that a careful person writes.
title: 'Quoted: title'   # said so

input:
    tomo: {plugin: tomography, path: "scan.nxs"}
steps:
  # first the flats
  - plugin: dark_flat_correction   # interpolated
  - name: filter
    plugin: ./own.py:smooth
    size:   3     # px, odd
    mode: "wrap"
    word: 'a''b'
    # a comment at the end of the step

  - {plugin: scale, factor: 2, offset: [1, 2]}   # flow
  - plugin: reconstruct
    centre: {sweep: [150.3, 150.8]}  # swept
    filter:
      sweep:
        - ramp
        - hann   # the last
    empty:
    mask: null
output:
  plugin: nexus
"""


@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        (Change(2, "size", 5), "size:   3     # px, odd", "size:   5     # px, odd"),
        (Change(2, "size", 0.5), "size:   3 ", "size:   0.5 "),
        (Change(2, "mode", "nearest"), 'mode: "wrap"', 'mode: "nearest"'),
        (Change(2, "word", "it's"), "word: 'a''b'", "word: 'it''s'"),
        (Change(3, "factor", 1e-7), "factor: 2,", "factor: 1e-07,"),
        (Change(3, "offset", [3, 4.5]), "offset: [1, 2]}", "offset: [3, 4.5]}"),
        (Change(3, "mode", "up"), "offset: [1, 2]}", "offset: [1, 2], mode: up}"),
        (Change(4, "centre", 150.8), "centre: {sweep: [150.3, 150.8]}  #", "centre: 150.8  #"),
        (
            Change(4, "filter", "hann"),
            "filter:\n      sweep:\n        - ramp\n        - hann   # the",
            "filter: hann   # the",
        ),
        (Change(4, "empty", True), "empty:\n", "empty: true\n"),
        (Change(4, "mask", "no: plain"), "mask: null\n", "mask: 'no: plain'\n"),
        (Change(4, "mask", "007"), "mask: null\n", "mask: 007\n"),
        (Change(4, "mask", "true"), "mask: null\n", "mask: 'true'\n"),
        (Change(2, "extra", None), "word: 'a''b'\n", "word: 'a''b'\n    extra: null\n"),
        (
            Change(1, "extra", 1.5),
            "dark_flat_correction   # interpolated\n",
            "dark_flat_correction   # interpolated\n    extra: 1.5\n",
        ),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_only_the_value_changes(change: Change, old: str, new: str, ending: str) -> None:
    before, old, new = (text.replace("\n", ending) for text in (LIST, old, new))
    assert before.count(old) == 1
    assert with_values(before, [change]) == before.replace(old, new)


def test_several_at_once_a_mark_at_the_start_and_no_line_at_the_end() -> None:
    text = "\ufeffsteps:\n- plugin: one\n  a: 1\n- plugin: two"
    assert with_values(text, [Change(1, "a", 22), Change(2, "b", 3), Change(1, "c", "x")]) == (
        "\ufeffsteps:\n- plugin: one\n  a: 22\n  c: x\n- plugin: two\n  b: 3"
    )


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        (LIST, Change(9, "a", 1), "no step 9"),
        ("steps:\n- &s {plugin: one}\n- *s\n", Change(2, "a", 1), "alias of another one"),
        ("steps:\n- &s {plugin: one}\n- *s\n", Change(1, "a", 1), "would break"),
        ("steps:\n- plugin: one\n  a: &v 3\n  b: *v\n", Change(1, "a", 1), "anchor"),
        ("steps:\n- plugin: one\n  a: |\n    long\n    text\n", Change(1, "a", 1), "several lines"),
        ("title: x\n", Change(1, "a", 1), "has no steps"),
    ],
)
def test_what_cannot_be_done_alone_is_refused(text: str, change: Change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_values(text, [change])


def test_an_alias_as_value_is_replaced_where_it_stands() -> None:
    text = "steps:\n- plugin: one\n  a: &v 3\n  b: *v   # same\n"
    assert with_values(text, [Change(1, "b", 7)]) == text.replace("*v", "7")
