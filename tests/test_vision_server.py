"""A saved policy that sees behind vLLM's OpenAI-compatible server, which finds it through the plugin."""

from __future__ import annotations

import base64
import io
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeing
from served import NAME, ROOT, served

from rollouts import sequential
from rollouts.config import EngineConfig

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def install_plugin(folder: Path) -> Path:
    """What installing the project writes: the entry points that it declares, in metadata on the path."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["vllm.general_plugins"]
    metadata = folder / "ar1_rl_of_the_test-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: ar1-rl-of-the-test\nVersion: 0\n")
    lines = [f"{name} = {place}" for name, place in declared.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[vllm.general_plugins]", *lines, ""]))
    return folder


def as_url(image: Any) -> str:
    png = io.BytesIO()
    image.save(png, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


def test_a_server_answers_about_several_images_as_transformers_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openai import OpenAI

    policy = seeing.make(tmp_path / "policy")
    monkeypatch.setenv("PYTHONPATH", str(install_plugin(tmp_path / "installed")))
    observation = policy.scenes[0].observation
    (prompt,), (messages,) = policy.dialogue.ask([observation]), policy.dialogue.prompts([observation])
    sent: list[Any] = [
        {
            **message,
            "content": [
                {"type": "image_url", "image_url": {"url": as_url(part["image"])}} if part["type"] == "image" else part
                for part in message["content"]
            ],
        }
        for message in messages
    ]
    flags = ("--max-model-len", "256", "--limit-mm-per-prompt", '{"image": 4}', "--chat-template-content-format")
    with served(policy.path, tmp_path / "log", *flags, "openai") as url:
        client = OpenAI(base_url=url, api_key="none")
        answer = client.chat.completions.create(
            model=NAME,
            messages=sent,
            max_tokens=12,
            temperature=0.0,
            logprobs=True,
            extra_body={"return_token_ids": True, "skip_special_tokens": False},
        )
    told: Any = answer
    ids, choice = tuple(told.choices[0].token_ids), told.choices[0]
    assert tuple(told.prompt_token_ids) == prompt.token_ids
    reference = sequential.open_engine(str(policy.path), EngineConfig(), "float32")
    (scored,) = reference.logprobs([prompt.token_ids], [ids], images=[prompt.images])
    assert np.allclose([token.logprob for token in choice.logprobs.content], scored, atol=1e-5)
