"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
import tiny

from ar1_rl.errors import SceneError
from ar1_rl.scenes.logs import DATA_ROOT_VARIABLE
from ar1_rl.scenes.logs import data_root as find_data_root

OF_A_LAUNCHER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """TRL names itself rank 0 of 1 in the environment when vLLM is beside it; a later test's run would believe it."""
    before = {name: os.environ[name] for name in OF_A_LAUNCHER if name in os.environ}
    result = yield
    for name in OF_A_LAUNCHER:
        os.environ.pop(name, None)
    os.environ.update(before)
    return result


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with real logs. Where it is absent the test fails under CI=true and is skipped elsewhere."""
    try:
        return find_data_root()
    except SceneError as error:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"under CI=true the tests on real logs must run: {error}")
        pytest.skip(f"no real logs here, set {DATA_ROOT_VARIABLE}: {error}")


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory: pytest.TempPathFactory) -> tiny.TinyPolicy:
    """An untrained tiny policy in a folder."""
    return tiny.make(tmp_path_factory.mktemp("tiny") / "policy")


@pytest.fixture(scope="session")
def taught_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny policy that has learnt to write reasoning and trajectories."""
    return tiny.teach(tmp_path_factory.mktemp("taught") / "run")
