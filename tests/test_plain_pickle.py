"""Pickles of plain data are read as pickle reads them, and whatever else a file asks for is refused by name."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.errors import SceneError
from ar1_rl.scenes.plain_pickle import DEEPEST, load


def loaded(folder: Path, data: bytes) -> object:
    path = folder / "x.pkl"
    path.write_bytes(data)
    return load(path)


def same(one: object, other: object) -> bool:
    if isinstance(other, np.ndarray):
        kinds = [array.dtype.newbyteorder("=") for array in (one, other) if isinstance(array, np.ndarray)]
        return len(kinds) == 2 and kinds[0] == kinds[1] and np.array_equal(one, other)
    if isinstance(other, dict):
        return isinstance(one, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in other)
    if isinstance(other, (list, tuple)):
        return type(one) is type(other) and all(same(a, b) for a, b in zip(one, other, strict=True))  # type: ignore
    return type(one) is type(other) and one == other


ARRAYS = {
    "poses": np.arange(12.0).reshape(4, 3),
    "by columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big endian": np.arange(3, dtype=">i4"),
    "flags": np.array([True, False]),
    "none of them": np.zeros((0, 2)),
}


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_containers_numbers_text_and_arrays_come_back_as_they_were(tmp_path, protocol):
    content = {
        "id": "scene",
        "plain": [1, -2, 2**40, 2**70, 1.5, True, None, "é", (1, (2, 3)), {4}, {}],
        "scalars": [np.float64(0.5), np.int32(7), np.bool_(True)],
        **ARRAYS,
    }
    assert same(loaded(tmp_path, pickle.dumps(content, protocol)), content)


def test_names_of_the_older_numpy_are_known(tmp_path):
    data = pickle.dumps(ARRAYS, 4)
    older = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray").replace(b"\x8c\x16", b"\x8c\x15")
    assert b"numpy.core.multiarray" in older and b"_core" not in older
    # The frame is a byte shorter now.
    start = older.index(b"\x95")
    (size,) = struct.unpack("<Q", older[start + 1 : start + 9])
    older = older[: start + 1] + struct.pack("<Q", size - 1) + older[start + 9 :]
    assert same(loaded(tmp_path, older), ARRAYS)


class Calls:
    """Pickles as a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call  # type: ignore[return-value]


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_a_pickle_that_would_run_a_command_is_refused_and_runs_nothing(tmp_path, protocol):
    mark = tmp_path / "ran"
    data = pickle.dumps({"tracks": [Calls(os.system, f"touch {mark}")]}, protocol)
    with pytest.raises(SceneError, match=r"x\.pkl: refused: (posix\.system|opcode)"):
        loaded(tmp_path, data)
    assert not mark.exists()
    subprocess.run([sys.executable, "-c", f"import pickle; pickle.loads({data!r})"], check=True)
    assert mark.exists()  # so the test could have failed


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (Calls(getattr, Calls(__import__, "os"), "system"), "builtins.getattr"),
        (Calls(eval, "1"), "builtins.eval"),
        (Calls(subprocess.Popen, "true"), "subprocess.Popen"),
        ([Path("x")], "pathlib"),
        (np.dtype("f8").newbyteorder, "builtins.getattr"),
        (np.load, "numpy.load"),
        (slice(1), "builtins.slice"),
    ],
)
def test_a_global_that_is_no_numpy_array_is_refused_by_name(tmp_path, content, name):
    with pytest.raises(SceneError, match=f"refused: {name}"):
        loaded(tmp_path, pickle.dumps(content, 4))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([object()]), "refused: opcode NEWOBJ"),
        (np.array([{}], dtype=object), "refused: numpy.dtype 'O8'"),
        (np.zeros(2, dtype=[("x", "f8")]), "refused: numpy.dtype 'V8'"),
        (np.array(["text"]), "refused: numpy.dtype 'U4'"),
        (np.zeros(1).view(np.matrix), "refused: numpy.matrix"),
    ],
)
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, array, words):
    with pytest.raises(SceneError, match=words):
        loaded(tmp_path, pickle.dumps(array, 4))


def array_pickle(rebuilt: bytes, state: bytes = b"") -> bytes:
    return b"\x80\x04" + rebuilt + state + b"."


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"
EMPTY = RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R"
DTYPE = b"cnumpy\ndtype\n\x8c\x02f8\x89\x88\x87R"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        # _reconstruct(ndarray, (2**31 - 1, 2**31 - 1), b"b") would ask for 4 EB.
        (RECONSTRUCT + NDARRAY + b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86C\x01b\x87R", "refused: numpy's _reconstruct"),
        # The pickle's way to the same by the state: an array of that shape with 8 bytes.
        (
            EMPTY + b"(K\x01J\xff\xff\xff\x7f\x85" + DTYPE + b"\x89C\x0812345678tb",
            r"an array of shape \(2147483647,\) and type float64 with 8 bytes",
        ),
        (EMPTY + b"(K\x01J\xff\xff\xff\xff\x85" + DTYPE + b"\x89C\x00tb", r"shape \(-1,\)"),
        # BUILD on a function or a class would set their attributes.
        (RECONSTRUCT + b"}\x8c\x08__call__K\x01sb", "cannot be read as a pickle"),
        (RECONSTRUCT + b"N}\x8c\x08__call__K\x01s\x86b", "cannot be read as a pickle"),
        (NDARRAY + b"}\x8c\x01xK\x01sb", "cannot be read as a pickle"),
        (NDARRAY + b"K\x09\x85R", "cannot be read as a pickle"),
        (b"}\x8c\x01xK\x01sb", "cannot be read as a pickle"),
        (b"\x86", "takes more off its stack"),
        (b"h\x07", "cannot be read as a pickle"),
        (NDARRAY + b")\x81", "refused: opcode NEWOBJ"),
        (b"(ios\nsystem\n", "refused: opcode INST"),
        (b"\x82\x01", "refused: opcode EXT1"),
        (b"Px\n", "refused: opcode PERSID"),
    ],
)  # fmt: skip
def test_hand_made_pickles_do_not_get_past_the_stand_ins(tmp_path, data, words):
    with pytest.raises(SceneError, match=words):
        loaded(tmp_path, array_pickle(data))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.",  # bytes
        b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x.",  # text
        b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",  # a frame
        b"\x80\x04Nr" + struct.pack("<I", 2**26) + b".",  # a place in the memo: 1 GiB would be set aside
        b"\x80\x04B" + struct.pack("<I", 2**32 - 1) + b"x.",
    ],
)
def test_a_huge_claimed_length_sets_no_memory_aside(tmp_path, data):
    path = tmp_path / "x.pkl"
    path.write_bytes(data)
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom ar1_rl.errors import SceneError\n"
        "from ar1_rl.scenes.plain_pickle import load\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    load(Path(sys.argv[1]))\nexcept SceneError as error:\n    print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000)"
    )
    out = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True).stdout
    assert "x.pkl: cannot be read as a pickle" in out and out.endswith("True\n")


def test_tuples_nested_deep_are_refused_before_python_overruns_its_stack(tmp_path):
    deep = b"\x80\x04}N" + b"\x85" * 300_000 + b"Ns."
    with pytest.raises(SceneError, match=f"refused: tuples nested more than {DEEPEST} deep"):
        loaded(tmp_path, deep)
    by_memo = b"\x80\x04}N" + b"\x94N\x86" * 100 + b"Ns."
    with pytest.raises(SceneError, match="nested more than"):
        loaded(tmp_path, by_memo)


def test_a_truncated_file_is_an_error_wherever_it_ends(tmp_path):
    data = pickle.dumps(ARRAYS, 4)
    for end in range(0, len(data) - 1, 7):
        with pytest.raises(SceneError, match=r"x\.pkl: cannot be read as a pickle"):
            loaded(tmp_path, data[:end])


def test_a_file_that_is_not_there_or_too_large_is_named(tmp_path, monkeypatch):
    with pytest.raises(SceneError, match=r"none\.pkl: cannot be read"):
        load(tmp_path / "none.pkl")
    monkeypatch.setattr("ar1_rl.scenes.plain_pickle.LARGEST_FILE_BYTES", 10)
    with pytest.raises(SceneError, match="at most 10 are read"):
        loaded(tmp_path, pickle.dumps(ARRAYS, 4))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_pickle_with_changed_bytes_is_read_or_refused_and_nothing_else(tmp_path_factory, data):
    good = bytearray(pickle.dumps({"a": ARRAYS["poses"], "b": [(1.5, "x"), np.float64(2.0)]}, 4))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with suppress(SceneError):
        loaded(tmp_path_factory.getbasetemp(), bytes(good))
