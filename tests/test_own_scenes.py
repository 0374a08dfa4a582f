"""Scene sources and prompt builders of a user's own, named by file or module like a reward."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
from rich.console import Console

from ar1_rl.config import check_config
from ar1_rl.driving import HISTORY_END, HISTORY_START
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.plugins import load_object
from ar1_rl.scenes import load_scenes
from recipes.cli import main
from recipes.corpus import load_corpus
from recipes.run_config import RunConfig
from rollouts.config import PromptConfig
from rollouts.dialogue import Dialogue
from rollouts.prompts import prompt_builder, text_prompt

SOURCE = '''
from dataclasses import replace
from ar1_rl.scenes.synthetic import generate_scenes

drawn = []

def mine(split, seed=7, edit=lambda scene: scene):
    """More scenes than anyone will ask for, made as they are asked for."""
    for scene in generate_scenes(seed, split, 10_000):
        drawn.append(scene.id)
        yield edit(scene)

class Source:
    def __init__(self, seed):
        self.seed = seed
    def __call__(self, split):
        return list(generate_scenes(self.seed, split, 3))

def listed(split): return 3
def names(split): return ["a", "b"]
def twins(split): return mine(split, edit=lambda scene: replace(scene, id="same"))
def short(split): return mine(split, edit=lambda scene: replace(scene, future_T3=scene.future_T3[:10]))
def holes(split): return mine(split, edit=lambda scene: replace(scene, future_T3=scene.future_T3 * float("nan")))
def fails(split): raise OSError("the disk is gone")
def nothing(): return []
def one_drive(split): return mine(split, edit=lambda scene: replace(scene, episode="drive 1"))
def bare(split): return mine(split, edit=lambda scene: replace(scene, annotations=()))
'''

PROMPT = """
from ar1_rl.driving import HISTORY_END, HISTORY_START

def brief(observation, history, words="drive on"):
    return f"{words} {observation.route} {HISTORY_START}{history}{HISTORY_END}"

def chat(observation, history):
    asked = {"role": "user", "content": [{"type": "text", "text": history}]}
    return [{"role": "system", "content": "you drive"}, asked]

def number(observation, history): return 3
def empty(observation, history): return []
def no_role(observation, history): return [{"content": "x"}]
def odd_part(observation, history): return [{"role": "user", "content": [{"type": "smell"}]}]
def fails(observation, history): return observation.agents_ahead
def one(observation): return ""
"""


@pytest.fixture
def quiet_console():
    return Console(quiet=True)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "my_scenes.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def prompt(tmp_path):
    path = tmp_path / "my_prompt.py"
    path.write_text(PROMPT)
    return path


def run_config(**more):
    raw = {"recipe": "x", "rewards": {"terms": [{"reward": "format"}]}, **more}
    return check_config(RunConfig, raw, source="run.yaml")


# scenes


def test_a_source_gives_the_scenes_of_a_split_and_no_more_are_drawn_than_asked_for(source):
    scenes, left_out = load_scenes(f"{source}:mine", split="validation", count=4, arguments={"seed": 3})
    assert [scene.id for scene in scenes] == [f"synthetic/validation/3/{n}" for n in range(4)]
    assert not left_out
    assert len(load_object(f"{source}:drawn")) == 4, "the file was run once, and its generator only as far as needed"


def test_a_class_is_constructed_with_the_arguments_and_a_module_on_the_path_will_do(source, monkeypatch):
    monkeypatch.syspath_prepend(source.parent)
    scenes, _ = load_scenes("my_scenes:Source", split="test", arguments={"seed": 5})
    assert [scene.id for scene in scenes] == [f"synthetic/test/5/{n}" for n in range(3)]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("listed", r"split 'train': returned a int, allowed is an iterable of Scene"),
        ("names", "scene number 0 is a str, allowed is a Scene"),
        ("twins", "scene number 1 has the id 'same' of an earlier one"),
        ("short", r"has future_T3 of shape \(10, 3\), allowed is \(64, 3\)"),
        ("holes", "has values in future_T3 that are no numbers"),
        ("fails", "OSError: the disk is gone"),
    ],
)
def test_what_a_source_gives_that_no_run_can_use_is_named(source, name, fault):
    with pytest.raises(SceneError, match=fault):
        load_scenes(f"{source}:{name}", count=4)


def test_a_source_that_cannot_be_called_with_a_split_is_a_wrong_config(source):
    with pytest.raises(ConfigError, match=r"too many positional arguments.*called with \(split\)"):
        load_scenes(f"{source}:nothing")
    with pytest.raises(ConfigError, match="has no 'mien'; nearest: mine"):
        load_scenes(f"{source}:mien")
    with pytest.raises(ConfigError, match=r"got 'waymo', allowed .*or your own by"):
        load_scenes("waymo")


def test_a_log_format_of_ones_own_gets_windows_splits_and_traces_like_the_built_in_ones(tmp_path):
    path = tmp_path / "my_logs.py"
    path.write_text(
        "from dataclasses import replace\nfrom ar1_rl.scenes import LOG_SOURCES\n"
        "SOURCE = replace(LOG_SOURCES['kitti_odometry'], name='mine', layout='nowhere at all')\n"
    )
    with pytest.raises(SceneError, match="looked for mine: nowhere at all"):
        load_scenes(f"{path}:SOURCE", tmp_path)


def test_a_run_takes_its_scenes_from_it(source, quiet_console):
    spec = {"source": f"{source}:mine", "train": 6, "validation": 2, "test": 3, "arguments": {"seed": 11}}
    corpus = load_corpus(run_config(scenes=spec, sft={"steps": 1}), quiet_console)
    assert (len(corpus.examples), len(corpus.validation), len(corpus.test)) == (6, 2, 3)
    assert {scene.id.split("/")[2] for scene in corpus.test} == {"11"}


def test_splits_that_share_a_drive_are_refused(source, quiet_console):
    spec = {"source": f"{source}:one_drive", "train": 2, "validation": 2, "test": 2}
    with pytest.raises(SceneError, match="'drive 1' has scenes in test and in validation"):
        load_corpus(run_config(scenes=spec), quiet_console)


def test_fine_tuning_without_a_single_trace_is_refused(source, quiet_console):
    spec = {"source": f"{source}:bare", "train": 2, "validation": 2, "test": 2}
    with pytest.raises(SceneError, match="none of the 2 train scenes has both"):
        load_corpus(run_config(scenes=spec, sft={"steps": 1}), quiet_console)


def test_a_config_names_a_source_that_is_built_in_or_ones_own():
    with pytest.raises(ConfigError, match="source: got 'waymo', allowed synthetic, synthetic_pairs, real_logs"):
        run_config(scenes={"source": "waymo"})
    with pytest.raises(ConfigError, match="the source 'synthetic' takes none"):
        run_config(scenes={"arguments": {"seed": 1}})


# prompts


def built(path, name, **arguments):
    return prompt_builder(PromptConfig(prompt=f"{path}:{name}", prompt_arguments=arguments))


def test_a_builder_returns_text_or_messages(prompt):
    (scene,) = tiny.scenes(1)
    (message,) = built(prompt, "brief", words="go")(scene.observation, "<i1>")
    assert message == {
        "role": "user",
        "content": [{"type": "text", "text": f"go {scene.observation.route} {HISTORY_START}<i1>{HISTORY_END}"}],
    }
    assert [m["role"] for m in built(prompt, "chat")(scene.observation, "<i1>")] == ["system", "user"]
    assert prompt_builder(PromptConfig()) is text_prompt


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("number", "returned a int; allowed are text, or chat messages"),
        ("empty", "returned no messages"),
        ("no_role", "message 0 is {'content': 'x'}"),
        ("odd_part", "part {'type': 'smell'} of message 0"),
        ("fails", "AttributeError: 'Observation' object has no attribute 'agents_ahead'"),
    ],
)
def test_what_a_builder_gives_that_is_no_prompt_is_named(prompt, name, fault):
    (scene,) = tiny.scenes(1)
    with pytest.raises(ConfigError, match=fault):
        built(prompt, name)(scene.observation, "")


def test_a_builder_that_cannot_be_called_or_arguments_without_one_are_wrong_configs(prompt):
    with pytest.raises(ConfigError, match=r"called with \(observation, history\)"):
        built(prompt, "one")
    with pytest.raises(ConfigError, match="they go with `prompt`"):
        run_config(rollouts={"prompt_arguments": {"words": "go"}})


def test_a_dialogue_asks_with_it(tiny_policy, prompt):
    builder = built(prompt, "brief")
    dialogue = Dialogue.of(tiny_policy.dialogue.tokenizer, tiny_policy.dialogue.codec, builder)
    (messages,) = dialogue.prompts([tiny_policy.scenes[0].observation])
    text = dialogue.prompt_text(messages)
    assert "drive on" in text and text.count(HISTORY_START) == 1
    tokens = dialogue.codec.encode_history(np.stack([tiny_policy.scenes[0].observation.history_T3]))
    assert dialogue.codec.to_text(tokens[0]) in text


def test_a_dry_run_shows_both(source, prompt, capsys):
    own = [
        f"scenes.source={source}:mine", "scenes.validation=2", "scenes.test=2",
        f"rollouts.prompt={prompt}:brief", "rollouts.prompt_arguments={words: please drive on}",
    ]  # fmt: skip
    assert main(["quickstart", "--dry-run", *own]) == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "please drive on" in told and "2 read from" in told
