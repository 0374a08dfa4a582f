"""The loader of a user's own objects: what it finds, and what it says where there is nothing to be found."""

from __future__ import annotations

import pytest

from ar1_rl.errors import ConfigError
from ar1_rl.plugins import load_callable, load_object


def test_a_file_is_run_once_and_again_only_when_it_has_changed(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("made = []\n")
    first = load_object(f"{path}:made")
    assert load_object(f"{path}:made") is first
    path.write_text("made = [1]\n")
    assert load_object(f"{path}:made") == [1]


def test_a_file_that_did_not_run_is_not_taken_for_run(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("made = 1\nraise OSError('not today')\n")
    for _ in range(2):
        with pytest.raises(ConfigError, match="does not run: OSError: not today"):
            load_object(f"{path}:made")


def test_dataclasses_and_pickle_work_in_a_loaded_file(tmp_path):
    import pickle

    path = tmp_path / "mine.py"
    path.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n"
        "@dataclass\nclass Point:\n    x: float = 1.0\n    def __call__(self, one): return self.x\n"
    )
    point = load_callable(f"{path}:Point", {"x": 2.0}, takes=("one",), what="point")
    assert pickle.loads(pickle.dumps(point)) == point


def test_an_import_of_a_neighbouring_file_says_how_to_make_it_work(tmp_path):
    (tmp_path / "helpers.py").write_text("")
    path = tmp_path / "mine.py"
    path.write_text("import helpers\n")
    with pytest.raises(ConfigError, match=rf"helpers.py is there: set PYTHONPATH={tmp_path}"):
        load_object(f"{path}:made")


@pytest.mark.parametrize("spec", ["mine.py", ":name", "mine.py:", "name"])
def test_a_spec_that_is_none_is_refused_with_the_two_forms(spec):
    with pytest.raises(ConfigError, match=r"reward .*allowed are 'path/to/file.py:name' and 'package.module:name'"):
        load_object(spec, what="reward")


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.py").write_text("made = 3\n")
    assert load_object("~/mine.py:made") == 3
