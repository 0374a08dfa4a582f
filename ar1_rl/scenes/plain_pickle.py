"""Pickles of plain data: containers, numbers, text and numpy arrays of numbers; anything else is refused by name.

A pickle is a program that may call whatever it can name. Here it can name nothing but sets and the few functions by
which numpy rebuilds arrays, and in their place it is given stand-ins that check what they are asked for; no class and
no function of numpy's own reaches it. Before it runs, its opcodes are read through: only those that build plain data
are allowed, and no length may exceed the file, since the interpreter would set aside the memory first.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np

from ar1_rl.errors import SceneError

LARGEST_FILE_BYTES = 2**28
"""A scenario of 20 s takes 1 to 5 MB."""
# fmt: off
OPCODES = frozenset((
    "PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1",
    "LONG4", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8",
    "BYTEARRAY8", "SHORT_BINSTRING", "BINSTRING", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE",
    "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS",
    "FROZENSET", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "REDUCE",
    "BUILD",
))
# fmt: on
"""Not INST, OBJ, NEWOBJ and NEWOBJ_EX (make objects), EXT* and *PERSID (name things outside), nor numbers as text."""
NESTING = ("TUPLE1", "TUPLE2", "TUPLE3", "TUPLE", "FROZENSET")
DEEPEST = 50
"""Python overruns its own stack over the hash of a tuple in a tuple in a tuple, a million times; arrays need 3."""
COUNTED = ("FRAME", "LONG_BINPUT")
"""Their number sets memory aside, and pickletools does not hold it against the file."""
NUMBERS = re.compile(r"[<>|=]?(b1|\?|[iu][1248]|f[248])")
"""Types of elements: booleans, integers and floating point numbers of fixed size; neither objects nor records."""


def load(path: Path) -> Any:
    """The content of a pickle of plain data; raises SceneError naming the file and what was refused."""
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise SceneError(f"{path}: {size} bytes, at most {LARGEST_FILE_BYTES} are read")
        data = path.read_bytes()
    except OSError as error:
        raise SceneError(f"{path}: cannot be read ({error})") from error
    try:
        _check_opcodes(data)
        return _PlainUnpickler(io.BytesIO(data)).load()
    except _RefusedError as error:
        raise SceneError(
            f"{path}: refused: {error}; only containers, numbers, text and numpy arrays of numbers are unpickled"
        ) from error
    except (
        pickle.UnpicklingError,
        EOFError,
        MemoryError,
        LookupError,
        StopIteration,
        AttributeError,
        TypeError,
        ValueError,
    ) as error:
        raise SceneError(
            f"{path}: cannot be read as a pickle ({error}); it may be truncated, fetch it again"
        ) from error


class _RefusedError(Exception):
    """What the pickle asked for."""


def _check_opcodes(data: bytes) -> None:
    """Raises ValueError where the data end too early, _RefusedError for an opcode that may not be run."""
    stack: list[int | None] = []  # how deep tuples are nested in each value; None is a mark
    memo: dict[int, int] = {}
    argument: Any
    for opcode, argument, position in pickletools.genops(data):
        name = opcode.name
        if name not in OPCODES:
            raise _RefusedError(f"opcode {name} at byte {position}")
        if name in COUNTED and argument > len(data):
            raise ValueError(f"{name} at byte {position} claims {argument}, the file has {len(data)} bytes")
        if name == "GLOBAL":
            _stand_in(*argument.split(" ", 1))
        if name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
            memo[len(memo) if argument is None else argument] = stack[-1] or 0
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(None)
        else:
            taken = _taken(stack, opcode.stack_before)
            depth = 1 + max((d or 0 for d in taken), default=0) if name in NESTING else 0
            if depth > DEEPEST:
                raise _RefusedError(f"tuples nested more than {DEEPEST} deep at byte {position}")
            stack += [depth] * len(opcode.stack_after)


def _taken(stack: list[int | None], before: list[pickletools.StackObject]) -> list[int | None]:
    """What an opcode takes off the stack: so many values, or all down to the last mark and what it names below that."""
    count = len(before)
    if pickletools.markobject in before:
        above = next(i for i, depth in enumerate(reversed(stack)) if depth is None)
        count = above + 1 + before.index(pickletools.markobject)
    if count > len(stack):
        raise ValueError("it takes more off its stack than there is")
    taken = stack[len(stack) - count :]
    del stack[len(stack) - count :]
    return taken


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _stand_in(module, name)


class _NumberType:
    """Stands in for `numpy.dtype`: `dtype("f8", False, True)`, and then BUILD with the byte order."""

    __slots__ = ("code",)

    def __init__(self, code: str, align: Any = False, copy: Any = True) -> None:
        if not isinstance(code, str) or not NUMBERS.fullmatch(code):
            raise _RefusedError(f"numpy.dtype {code!r}")
        self.code = code.lstrip("<>|=")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError(f"byte order {state[1]!r}")
        self.code = state[1] + self.code.lstrip("<>|=")


class _Array(np.ndarray):
    """An array that is filled by BUILD; from then on it is as any other."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, column_major, data = state
        filled = _filled(data, kind, shape)
        checked: Any = (1, shape, filled.dtype, bool(column_major), bytes(data))
        super().__setstate__(checked)


def _filled(data: Any, kind: Any, shape: Any) -> np.ndarray:
    """The elements in a row, if there are as many as the shape says."""
    if not isinstance(kind, _NumberType) or not isinstance(data, (bytes, bytearray)):
        raise _RefusedError(f"a numpy array of {type(kind).__name__} from {type(data).__name__}")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"an array of shape {shape!r}")
    dtype = np.dtype(kind.code)
    count = 1
    for n in shape:
        count *= n
    if count * dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} and type {dtype} with {len(data)} bytes")
    return np.ndarray(count, dtype, buffer=data)


# The stand-ins have no attributes, since BUILD would let a pickle set them.


class _Reconstruct:
    __slots__ = ()

    def __call__(self, kind: Any, shape: Any, code: Any) -> _Array:
        if kind != "numpy.ndarray" or shape != (0,):
            raise _RefusedError(f"numpy's _reconstruct of {kind!r} with shape {shape!r}")
        return np.ndarray.__new__(_Array, (0,), "b")


class _FromBuffer:
    __slots__ = ()

    def __call__(self, data: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
        if order not in ("C", "F"):
            raise ValueError(f"an array in order {order!r}")
        return _filled(data, kind, shape).reshape(shape, order=order)


class _Scalar:
    __slots__ = ()

    def __call__(self, kind: Any, data: Any) -> Any:
        return _filled(data, kind, ())[0]


class _DType:
    __slots__ = ()

    def __call__(self, code: Any, align: Any = False, copy: Any = True) -> _NumberType:
        return _NumberType(code)


class _Set:
    __slots__ = ()

    def __call__(self, items: Any) -> set[Any]:
        return set(items)


_STAND_INS: dict[str, Any] = {
    "numpy.ndarray": "numpy.ndarray",
    "numpy.dtype": _DType(),
    "builtins.set": _Set(),  # in protocol 3; later ones have an opcode for it
    "__builtin__.set": _Set(),
}
for _core in ("numpy.core", "numpy._core"):  # numpy 1 and 2
    _STAND_INS[f"{_core}.multiarray._reconstruct"] = _Reconstruct()
    _STAND_INS[f"{_core}.multiarray.scalar"] = _Scalar()
    _STAND_INS[f"{_core}.numeric._frombuffer"] = _FromBuffer()


def _stand_in(module: str, name: str) -> Any:
    try:
        return _STAND_INS[f"{module}.{name}"]
    except KeyError:
        raise _RefusedError(f"{module}.{name}") from None
