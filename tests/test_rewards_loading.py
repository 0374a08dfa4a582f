"""From a name or a path to a reward, and from a config to a mix."""

from __future__ import annotations

import subprocess
import sys

import pytest
from driving_cases import a_scene, driven, straight, undecodable

from ar1_rl.config import check_config
from ar1_rl.errors import ConfigError
from rewards import Comfort, EndpointCritic, Imitation, RubricCritic
from rewards.loading import BUILT_IN, MixConfig, build_mix, load_reward

OWN = '''
from dataclasses import dataclass

def straightness(completion, scene, bonus=0.0):
    """The README's kind of reward: a plain function that returns a float."""
    return 0.5 + bonus

@dataclass
class Constant:
    value: float = 0.25
    name: str = "constant"

    def __call__(self, completion, scene):
        return self.value

TABLE = {}
'''


@pytest.fixture
def own_file(tmp_path):
    path = tmp_path / "my_reward.py"
    path.write_text(OWN)
    return path


def test_every_built_in_reward_has_the_name_it_is_listed_under():
    for name in BUILT_IN:
        assert load_reward(name).name == name


def test_built_in_rewards_take_their_settings():
    assert load_reward("imitation", clip_m=2.0) == Imitation(clip_m=2.0)
    assert load_reward("critic") == RubricCritic()
    assert isinstance(load_reward("critic", backend="endpoint", base_url="http://x", model="m"), EndpointCritic)
    narrow = load_reward("comfort", bounds={"yaw_rate_radps": 0.1}, windows={"jerk": 5})
    assert isinstance(narrow, Comfort) and narrow.bounds.yaw_rate_radps == 0.1 and narrow.windows.jerk == 5


def test_a_function_of_ones_own_is_called_with_its_arguments(own_file):
    assert load_reward(f"{own_file}:straightness")(None, None) == 0.5
    assert load_reward(f"{own_file}:straightness", bonus=0.25)(None, None) == 0.75


def test_a_class_of_ones_own_is_constructed(own_file):
    assert load_reward(f"{own_file}:Constant", value=0.5)(None, None) == 0.5


def test_a_module_on_the_path_is_found(own_file, monkeypatch):
    monkeypatch.syspath_prepend(own_file.parent)
    assert load_reward("my_reward:straightness")(None, None) == 0.5


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("imitatoin", "'imitatoin' is neither built in nor installed; nearest: imitation"),
        ("nvidia_gated", r"'nvidia_gated' is a preset, a whole mix: write `rewards: \{preset: nvidia_gated\}`"),
        ("{file}:straightnes", "has no 'straightnes'; nearest: straightness"),
        ("{file}:TABLE", "got a dict, allowed is a function or a class"),
        ("{folder}/none.py:f", "there is no file .*none.py"),
        ("no_such_package.rewards:f", "there is no module 'no_such_package.rewards'"),
        ("{folder}/syntax.py:f", "does not run: SyntaxError"),
        ("{folder}/needs.py:f", "does not run: ModuleNotFoundError: No module named 'not_installed_here'"),
    ],
)
def test_what_cannot_be_loaded_is_named(own_file, spec, message):
    (own_file.parent / "syntax.py").write_text("def f(:\n")
    (own_file.parent / "needs.py").write_text("import not_installed_here\n")
    with pytest.raises(ConfigError, match=message):
        load_reward(spec.format(file=own_file, folder=own_file.parent))


def test_arguments_that_do_not_fit_are_named_with_those_that_do(own_file):
    with pytest.raises(ConfigError, match=r"unexpected keyword argument 'clip'; its parameters are .*clip_m"):
        load_reward("imitation", clip=3.0)
    with pytest.raises(ConfigError, match=r"unexpected keyword argument 'bonsu'"):
        load_reward(f"{own_file}:straightness", bonsu=1.0)


def test_a_mix_is_built_from_plain_mappings(own_file):
    mix = build_mix(
        {
            "terms": [
                {"reward": "imitation", "weight": 2, "scale": 5, "arguments": {"clip_m": 5.0}},
                {"reward": "format", "weight": 0.2, "gate": {"closes_at": 0.0}},
                {"reward": "critic", "weight": 0},
                {"reward": f"{own_file}:straightness", "range": [0.5, 1.0]},
            ],
            "undecodable_value": -3,
        }
    )
    assert [t.name for t in mix.terms] == ["imitation", "format", "critic", "straightness"]
    assert [t.required for t in mix.terms] == [True, True, False, True]
    scored, lost = mix.score([driven(straight(11.0)), undecodable()], [a_scene()] * 2)
    assert scored.value == pytest.approx(-2 * 3.25 / 5 + 0.2 + 0.5)
    assert lost.value == -3.0


def test_a_list_of_terms_is_enough():
    assert build_mix([{"reward": "format"}]).lowest == 0.0


def test_the_config_model_builds_itself():
    assert check_config(MixConfig, {"terms": [{"reward": "format"}]}, source="x").build().terms[0].name == "format"


def test_all_faults_of_a_config_come_at_once():
    with pytest.raises(ConfigError) as caught:
        build_mix([{"reward": "format", "wieght": 1}, {"reward": "format", "weight": -1}, {"reward": 3}])
    text = str(caught.value)
    assert "3 faults" in text and "wieght" in text and "greater than or equal to 0" in text
    with pytest.raises(ConfigError, match=r"terms.0: .*imitatoin.*; terms.1: .*no file"):
        build_mix([{"reward": "imitatoin"}, {"reward": "none.py:f"}])
    with pytest.raises(ConfigError, match="terms"):
        build_mix([])


def test_importing_rewards_brings_nothing_heavy_in():
    heavy = ("torch", "trl", "vllm", "openai", "transformers", "datasets")
    code = f"import sys, rewards, rewards.loading, rewards.presets; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
