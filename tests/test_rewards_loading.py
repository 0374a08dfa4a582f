"""From a name or a path to a reward, and from a config to a mix."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from driving_cases import a_scene, driven, straight, undecodable

from ar1_rl.config import check_config
from ar1_rl.errors import ConfigError
from recipes.cli import main
from recipes.run_config import RunConfig
from rewards import Comfort, CompositeReward, EndpointCritic, Imitation, RubricCritic
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


FORMS = """
from rewards import Score

def plain(completion, scene, value=0.5):
    return value

async def waiting(completion, scene, value=0.5):
    return value

class Made:
    value_range = (0.0, 2.0)
    def __init__(self, value=0.5):
        self.value = value
    def __call__(self, completion, scene):
        return self.value

class Waiting(Made):
    async def __call__(self, completion, scene):
        return self.value

def siblings(completions, scene, value=0.5):
    return [value] * len(completions)

async def waiting_siblings(completions, scene, value=0.5):
    return [value] * len(completions)

class Siblings(Made):
    per_group = True
    def __call__(self, completions, scene):
        return [self.value] * len(completions)

class Ready:
    def __call__(self, completion, scene, value=0.5):
        return value

ready = Ready()
siblings.per_group = waiting_siblings.per_group = True

def abstains(completion, scene):
    return None

def explains(completion, scene, value=0.5):
    return Score(value, parts={"half_m": value / 2}, why="because")
"""


@pytest.mark.parametrize(
    "name",
    ["plain", "waiting", "Made", "Waiting", "siblings", "waiting_siblings", "Siblings", "ready", "explains"],
)
@pytest.mark.parametrize("value", [None, 0.25])
def test_every_form_of_a_reward_comes_out_of_a_config_with_its_keyword_arguments(tmp_path, name, value):
    path = tmp_path / "forms.py"
    path.write_text(FORMS)
    term = {"reward": f"{path}:{name}", "arguments": {} if value is None else {"value": value}, "name": "mine"}
    mixed = build_mix([term]).score([driven(straight())] * 3, [a_scene("a"), a_scene("a"), a_scene("b")])
    assert [m.value for m in mixed] == [0.5 if value is None else value] * 3
    if name == "explains":
        assert mixed[0].scores["mine"].why == "because" and mixed[0].scores["mine"].parts["half_m"] > 0


def test_what_abstains_is_not_judged_and_a_config_can_say_what_a_function_does_not(tmp_path):
    path = tmp_path / "forms.py"
    path.write_text(FORMS.replace("siblings.per_group = waiting_siblings.per_group = True", ""))
    assert build_mix([{"reward": f"{path}:abstains"}]).score([driven(straight())], [a_scene()])[0].value is None
    term = {"reward": f"{path}:siblings", "per_group": True, "needs": "text", "range": [0.0, 0.5]}
    mix = build_mix([term, {"reward": "format", "weight": 0.0}])
    assert (mix.terms[0].per_group, mix.terms[0].needs, mix.terms[0].range) == (True, "text", (0.0, 0.5))
    assert [m.value for m in mix.score([driven(straight())] * 2, [a_scene()] * 2)] == [0.5, 0.5]


def test_a_class_that_cannot_be_called_or_constructed_is_named(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "class Empty: pass\nclass Breaks:\n    def __init__(self): raise OSError('no disk')\n"
        "    def __call__(self, completion, scene): ...\ndef one(completion): ...\n"
    )
    with pytest.raises(ConfigError, match=r"a Empty cannot be called; give it __call__\(completion, scene\)"):
        load_reward(f"{path}:Empty")
    with pytest.raises(ConfigError, match="cannot be constructed: OSError: no disk"):
        load_reward(f"{path}:Breaks")
    with pytest.raises(ConfigError, match=r"too many positional arguments.*called with \(completion, scene\)"):
        load_reward(f"{path}:one")


# rewards of installed packages


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with entry points, as pip would leave it on the path."""
    (tmp_path / "their_rewards.py").write_text(
        'def smooth(completion, scene):\n    """Smooth as they like it. And more."""\n    return 0.75\n'
        "def needy(completion, scene, level):\n    return level\n"
        "def comfort(completion, scene):\n    return 0.0\n"
    )
    points = {"smooth": "smooth", "needy": "needy", "comfort": "comfort", "gone": "gone"}
    for package, names in (("theirs", points), ("others", {"needy": "smooth"})):
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = their_rewards:{target}" for name, target in names.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[ar1_rl.rewards]", *lines]) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("their_rewards", None)


def test_a_reward_of_an_installed_package_is_named_like_a_built_in_one(installed):
    assert load_reward("smooth")(None, None) == 0.75
    assert isinstance(load_reward("comfort"), Comfort), "a built-in one is never replaced by installing a package"
    with pytest.raises(ConfigError, match="name the one you mean by 'their_rewards:needy' or 'their_rewards:smooth'"):
        load_reward("needy")
    with pytest.raises(ConfigError, match="has no 'gone'"):
        load_reward("gone")


def test_the_list_shows_installed_rewards_with_the_package_that_offers_them(installed, capsys):
    assert main(["rewards", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["rewards"]
    theirs = {row["name"]: row for row in listed if row["kind"] == "theirs"}
    assert theirs["smooth"]["summary"] == "Smooth as they like it"
    assert (theirs["smooth"]["range"], theirs["smooth"]["needs"]) == ("0 to 1", "trajectory")
    assert theirs["comfort"]["summary"] == "hidden by the built-in one; name it by their_rewards:comfort"
    assert theirs["gone"]["summary"].startswith("does not load: AttributeError")
    assert {row["name"] for row in listed if row["kind"] == "built in"} == set(BUILT_IN)


# presets


def test_a_config_names_a_preset_with_its_arguments_and_a_critic_of_ones_own(own_file):
    mix = build_mix({"preset": "ar1_trajectory", "arguments": {"l2_weight": 0.5}})
    assert [(t.name, t.weight) for t in mix.terms] == [("l2", 0.5), ("collision", 1.0), ("jerk", 0.05)]
    judge = {"reward": f"{own_file}:Constant", "arguments": {"value": 0.75}}
    (scored,) = build_mix({"preset": "nvidia_gated", "arguments": {"critic": judge}}).score(
        [driven(straight())], [a_scene()]
    )
    assert scored.scores["critic"].value == 0.75 and scored.why == "closed by grade <= 3"


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"preset": "nvidia_gatd"}, "preset: got 'nvidia_gatd'; nearest: nvidia_gated"),
        ({"preset": "nvidia_gated", "terms": [{"reward": "format"}]}, "terms: the preset 'nvidia_gated' has its own"),
        ({"preset": "nvidia_gated", "arguments": {"l3_weight": 1}}, "unexpected keyword argument 'l3_weight'"),
        ({"terms": [{"reward": "format"}], "arguments": {"x": 1}}, "they go with a preset"),
        ({"terms": [{"reward": "format"}], "failure_rate": 2}, "failure_rate: got 2"),
    ],
)
def test_what_does_not_go_with_a_preset_is_named(config, fault):
    with pytest.raises(ConfigError, match=fault):
        build_mix(config)


# what may train


@pytest.mark.parametrize(
    ("rewards", "fault"),
    [
        ({"preset": "nvidia_gated_as_published"}, "is a negative control"),
        ({"terms": [{"reward": "format", "weight": 0}, {"reward": "comfort", "weight": 0}]}, "every weight is 0"),
    ],
)
def test_a_run_refuses_rewards_that_it_cannot_train_on(rewards, fault):
    with pytest.raises(ConfigError, match=fault):
        check_config(RunConfig, {"recipe": "x", "rewards": rewards}, source="x")
    with pytest.raises(ConfigError, match=fault):
        CompositeReward(build_mix(rewards), parse=lambda ids, scenes: [], scenes={})


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
