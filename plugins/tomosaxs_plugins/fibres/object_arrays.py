"""Arrays of Python objects in .npy files, read without running what else a pickle may hold.

A pickle is a program for a small machine that may call any function by name. Here it may name nothing but the few
things that arrays are made of, and of those it gets stand-ins of our own: numpy itself would take shapes, types and
raw bytes from the file unchecked.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

_TYPE = re.compile(r"[<>|=]?([biufc?SU])([0-9]{0,3})")
_LARGEST = 10**9
_DEEPEST = 8


class NotOnlyArrays(ValueError):
    """A file asks for something else than numpy arrays, Python containers and numbers."""


def holds_objects(path: Path) -> bool:
    """Return whether a .npy file holds Python objects, by its header alone.

    Raises
    ------
    ValueError
        When it is no .npy file.
    """
    with path.open("rb") as handle:
        return _header(handle, path).hasobject


def _header(handle: BinaryIO, path: Path) -> np.dtype[Any]:
    """Return the type of a file's entries; the handle then stands at its content."""
    try:
        version = npy.read_magic(handle)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        dtype: np.dtype[Any] = read(handle)[2]
    except ValueError as error:
        raise ValueError(f"{path} is no .npy file: {error}") from None
    return dtype


def read_objects(path: Path) -> Any:
    """Return the array of objects of a .npy file as nested lists of lists, numbers and texts.

    Raises
    ------
    NotOnlyArrays
        When it asks for anything but arrays, containers, numbers and text; the message names what. Nothing that it asks
        for is run.
    ValueError
        When it is no .npy file or is damaged.
    """
    with path.open("rb") as handle:
        if not _header(handle, path).hasobject:
            return np.load(path, allow_pickle=False).tolist()
        try:
            return _plain(_Reader(handle).load(), 0)
        except NotOnlyArrays as error:
            raise NotOnlyArrays(f"{path}: {error}") from None
        except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is damaged: {type(error).__name__}: {error}") from None


class _Type:
    """Stands for a numpy.dtype of numbers, texts or objects."""

    def __init__(self, text: Any, *_: Any) -> None:
        self.objects = text in ("O", "O8", "|O")
        if not self.objects and not (isinstance(text, str) and _TYPE.fullmatch(text)):
            raise NotOnlyArrays(f"it holds an array of the type {text!r:.80}")
        self.dtype = np.dtype(object if self.objects else text)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or any(each is not None for each in state[2:5]):
            raise NotOnlyArrays("it holds an array with fields")
        if not self.objects and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for a numpy.ndarray; its content is checked and made by us."""

    shape: tuple[int, ...] = ()
    content: Any = None
    fortran = False

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise NotOnlyArrays("it holds an array that is written in an unknown way")
        _version, shape, kind, fortran, content = state
        self.fill(shape, kind, bool(fortran), content)

    def fill(self, shape: Any, kind: Any, fortran: bool, content: Any) -> None:
        """Take shape, type and content, where they fit each other."""
        sizes = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
        if not sizes or math.prod(shape) > _LARGEST or not isinstance(kind, _Type):
            raise NotOnlyArrays(f"it holds an array of an impossible shape or type, {shape!r:.80}")
        self.shape, self.fortran = shape, fortran
        if kind.objects:
            if not isinstance(content, list) or len(content) != math.prod(shape):
                raise NotOnlyArrays("it holds an array whose content does not fit its shape")
            self.content = content
        else:
            if not isinstance(content, (bytes, bytearray)) or len(content) != math.prod(shape) * kind.dtype.itemsize:
                raise NotOnlyArrays("it holds an array whose content does not fit its shape")
            self.content = np.frombuffer(bytes(content), kind.dtype).tolist()

    def nested(self, depth: int) -> Any:
        """Return the content as lists in lists."""
        flat = np.empty(len(self.content or []), dtype=object)
        for number, each in enumerate(self.content or []):
            flat[number] = _Leaf(_plain(each, depth + 1))
        order = flat.reshape(self.shape, order="F" if self.fortran else "C").tolist()
        return _unwrapped(order)


class _Leaf:
    """Keeps a list in an array from being taken for more of its dimensions."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _unwrapped(value: Any) -> Any:
    return value.value if isinstance(value, _Leaf) else [_unwrapped(each) for each in value]


def _plain(value: Any, depth: int) -> Any:
    """Return content of a file as lists, numbers and texts."""
    if depth > _DEEPEST:
        raise NotOnlyArrays(f"it holds lists in lists more than {_DEEPEST} deep")
    if isinstance(value, _Array):
        return value.nested(depth)
    if isinstance(value, (list, tuple)):
        return [_plain(each, depth + 1) for each in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise NotOnlyArrays(f"it holds a {type(value).__name__.strip('_')}")


def _scalar(kind: Any, content: Any) -> Any:
    one = _Array()
    one.fill((1,), kind, False, content)
    return one.content[0]


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any) -> _Array:
    one = _Array()
    one.fill(shape, kind, order == "F", content)
    return one


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise NotOnlyArrays(f"it encodes text as {encoding!r:.40}")
    return text.encode("latin-1")


def _begun(*_: Any) -> _Array:
    return _Array()


class _Only:
    """Something that may be called, and nothing else: a pickle may also try to change what it names."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise NotOnlyArrays("it tries to change what it names")


_ADMITTED: dict[tuple[str, str], _Only] = {
    ("numpy", "ndarray"): _Only(_begun),
    ("numpy", "dtype"): _Only(_Type),
    ("_codecs", "encode"): _Only(_encoded),
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Only(_begun) for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Only(_scalar) for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Only(_from_buffer) for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    """Knows the few names that arrays are made of, and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        found = _ADMITTED.get((module, name))
        if found is None:
            raise NotOnlyArrays(f"it asks for {module}.{name}, which no array of numbers and lists needs")
        return found

    def persistent_load(self, pid: Any) -> Any:
        raise NotOnlyArrays("it refers to objects outside of the file")
