"""The shipped recipes: what their heads say, what `--dry-run` says of them here, and what docs/recipes.md copies."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import shlex
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ar1_rl.config import load_config
from ar1_rl.policy.vision import adapter
from recipes import catalogue
from recipes.cli import main
from recipes.run_config import RunConfig
from rewards.presets import ar1_trajectory_mix

DOCS = Path(__file__).resolve().parents[1] / "docs" / "recipes.md"
CPU = ("quickstart", "quickstart_vision", "real_logs")
JUDGED = {"qwen3_8b_zero3": 1, "qwen3_vl_8b_zero3": 1, "alpamayo_1_5_backbone": 1}
"""Recipes whose critic is a server, and the place of its term."""
QWEN3_VL = ("qwen3_vl_8b_lora", "qwen3_vl_8b_zero3", "alpamayo_1_5_backbone")
GPU = ("qwen3_0_6b_lora", "qwen3_8b_zero3", "dinov2_qwen2_5_0_5b", *QWEN3_VL)
UNRUN = GPU
NOT_RUN = "not run yet."
Told = dict[str, str]
"""What a dry run says, by check."""


def head(name: str) -> Told:
    """Fields of the comment that a recipe begins with."""
    lines = catalogue.path_of(name).read_text().splitlines()
    comment = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    fields: Told = {"does": comment[0].removeprefix("# ")}
    field = None
    for line in (line.removeprefix("#") for line in comment[1:]):
        found = re.match(r" (Hardware|Command|Measured):\s+(.*)", line)
        if found:
            field = found[1]
            fields[field] = found[2]
        elif field is not None and line.startswith("   "):
            fields[field] += f" {line.strip()}"
        else:
            field = None
    return fields


def arguments(command: str) -> list[str]:
    """Of `[VARIABLE=value ...] ar1-rl ARGUMENTS`, as a shell reads it."""
    words = shlex.split(command, comments=True)
    program = words.index("ar1-rl")
    assert all(re.fullmatch(r"[A-Z0-9_]+=\S+", word) for word in words[:program]), command
    return words[program + 1 :]


def dry(words: list[str]) -> tuple[int, str]:
    """Exit code and output of a command with --dry-run."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        code = main([*words, "--dry-run"])
    return code, shown.getvalue()


def rows(shown: str) -> Told:
    """Checks and results of the table that a dry run prints, lines of one cell joined."""
    told: Told = {}
    last = ""
    for line in shown.splitlines():
        if line.startswith("│"):
            check, result = (cell.strip() for cell in line.strip("│").split("│"))
            last = check or last
            told[last] = f"{told[last]} {result}" if not check else result
    return told


@pytest.fixture(scope="module")
def nobody() -> str:
    """An address where no critic listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


def unanswered(name: str, nobody: str) -> list[str]:
    """Overrides that send a critic's requests to nobody, once each."""
    if name not in JUDGED:
        return []
    return [f"rewards.terms.{JUDGED[name]}.arguments.{key}" for key in (f"base_url={nobody}", "max_retries=0")]


@pytest.fixture(scope="module")
def dry_run(request: pytest.FixtureRequest, nobody: str) -> Iterator[Callable[[str], Told]]:
    """What the command in the head of a recipe says with --dry-run, on a machine without GPUs and torchvision."""
    import torch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "device_count", lambda: 0)
        patch.setattr(torch.cuda, "is_available", lambda: False)
        patch.setattr(adapter, "torchvision_there", lambda: False)
        patch.setattr(adapter, "install_line", lambda: "pip install torchvision torch==VERSION")

        @functools.cache
        def told(name: str) -> Told:
            if "AR1_RL_DATA=" in head(name)["Command"]:
                patch.setenv("AR1_RL_DATA", str(request.getfixturevalue("data_root")))
            words = arguments(head(name)["Command"])
            words += unanswered(name, nobody)
            code, shown = dry(words)
            assert code == 0, shown
            return rows(shown)

        yield told


# heads


def test_every_recipe_is_known_here() -> None:
    assert set(catalogue.names()) == {*CPU, *GPU}


@pytest.mark.parametrize("name", catalogue.names())
def test_the_head_of_a_recipe_says_what_it_does_on_what_and_how(name: str) -> None:
    told = head(name)
    assert set(told) == {"does", "Hardware", "Command", "Measured"}
    assert told["does"].endswith(".")
    assert re.search(r"\d+ (CPU cores|GPUs?) ?.*\d+ Gi?B of memory", told["Hardware"])


@pytest.mark.parametrize("name", catalogue.names())
def test_the_hardware_in_the_head_is_that_of_the_config(name: str) -> None:
    launch = load_config(RunConfig, catalogue.path_of(name)).launch
    found = re.search(r"(\d+) GPUs? of (\d+) GB", head(name)["Hardware"])
    assert (found is not None) == (launch.gpu_memory_gib is not None) == (name in GPU)
    if found is not None and launch.gpu_memory_gib is not None:
        assert int(found[1]) == launch.processes
        assert 0.9 * int(found[2]) < launch.gpu_memory_gib <= int(found[2]), "what such a card has free"


@pytest.mark.parametrize("name", catalogue.names())
def test_a_head_tells_time_and_figures_where_they_were_measured_and_nothing_else_where_not(name: str) -> None:
    """Some have not been run; whoever runs one writes what it took and takes it out of them here."""
    measured = head(name)["Measured"]
    if name in UNRUN:
        assert measured == NOT_RUN
    else:
        assert re.search(r"\d+ min.* on \d cores?\.", measured)
        assert re.search(r"Consistency .* 0\.\d\d before RL, 0\.\d\d( to 0\.\d\d)? after", measured)


@pytest.mark.parametrize("name", catalogue.names())
def test_the_command_in_the_head_runs_that_recipe(name: str) -> None:
    verb, *rest = arguments(head(name)["Command"])
    assert [verb, *rest[:1]] in ([name], ["grpo", name])


@pytest.mark.parametrize("name", catalogue.names())
def test_a_recipe_sets_no_absolute_path_but_addresses_of_the_machine_itself(name: str) -> None:
    text = "\n".join(line for line in catalogue.path_of(name).read_text().splitlines() if not line.startswith("#"))
    assert not re.search(r"[\s:]/\w", text)
    assert set(re.findall(r"//([\w.]+)", text)) <= {"127.0.0.1"}


# dry runs

BATCHES = {
    "quickstart": ("24 scenes x 8 = 192", "1, each with 24 whole groups of 8 a step", "1 of 192", "7680 in 40 steps"),
    "quickstart_vision": (
        "16 scenes x 8 = 128", "1, each with 16 whole groups of 8 a step", "1 of 128", "5120 in 40 steps"
    ),
    "real_logs": ("24 scenes x 8 = 192", "1, each with 24 whole groups of 8 a step", "1 of 192", "7680 in 40 steps"),
    "qwen3_0_6b_lora": (
        "24 scenes x 8 = 192", "1, each with 24 whole groups of 8 a step", "12 of 16", "38400 in 200 steps"
    ),
    "qwen3_8b_zero3": (
        "32 scenes x 12 = 384", "8, each with 4 whole groups of 12 a step", "3 of 16", "76800 in 200 steps"
    ),
    "dinov2_qwen2_5_0_5b": (
        "24 scenes x 8 = 192", "1, each with 24 whole groups of 8 a step", "24 of 8", "38400 in 200 steps"
    ),
    "qwen3_vl_8b_lora": (
        "24 scenes x 8 = 192", "1, each with 24 whole groups of 8 a step", "24 of 8", "38400 in 200 steps"
    ),
    "qwen3_vl_8b_zero3": (
        "32 scenes x 12 = 384", "8, each with 4 whole groups of 12 a step", "6 of 8", "76800 in 200 steps"
    ),
    "alpamayo_1_5_backbone": (
        "32 scenes x 12 = 384", "8, each with 4 whole groups of 12 a step", "12 of 4", "76800 in 200 steps"
    ),
}  # fmt: skip
"""By hand: 24 x 8 x 40, 16 x 8 x 40, 24 x 8 x 200, 32 x 12 x 200; 24 x 8 / 16 or / 8 passes on 1 rank, 32 x 12 / 8 =
48 rollouts on each of 8."""


@pytest.mark.parametrize("name", catalogue.names())
def test_a_dry_run_tells_the_arithmetic_of_batches(dry_run: Callable[[str], Told], name: str) -> None:
    told = dry_run(name)
    rollouts, ranks, passes, total = BATCHES[name]
    assert told["rollouts a step"] == rollouts
    assert told["ranks"].split(";")[0] == ranks
    assert told["passes a step"] == f"{passes} rollouts on each rank"
    assert told["rollouts in all"] == total


def test_what_is_divided_is_told(dry_run: Callable[[str], Told]) -> None:
    assert dry_run("quickstart")["ranks"].endswith("; all training state on each")
    assert dry_run("qwen3_0_6b_lora")["ranks"].endswith("; DeepSpeed has nothing to divide")
    assert dry_run("qwen3_8b_zero3")["ranks"].endswith(
        "; DeepSpeed divides optimizer state and gradients and parameters"
    )


@pytest.mark.parametrize("name", CPU)
def test_what_runs_on_this_machine_lacks_nothing(dry_run: Callable[[str], Told], name: str) -> None:
    assert dry_run(name)["missing on this machine"] == "nothing"
    assert "warning" not in dry_run(name)


def test_what_a_gpu_recipe_lacks_here_is_listed(dry_run: Callable[[str], Told]) -> None:
    small, large = (dry_run(name)["missing on this machine"].split("; ") for name in GPU[:2])
    assert small[0] == "weights: Qwen/Qwen3-0.6B is not a folder here" and "GPUs: 1 of 22.5 GiB" in small[-1]
    assert large[0] == "weights: Qwen/Qwen3-8B is not a folder here" and "GPUs: 8 of 79 GiB" in large[-1]
    assert "the server of critic, which cannot be reached" in large
    joined = dry_run("dinov2_qwen2_5_0_5b")["missing on this machine"].split("; ")
    assert [part for part in joined if part.startswith("weights: ")] == [
        "weights: Qwen/Qwen2.5-0.5B is not a folder here", "weights: facebook/dinov2-base is not a folder here"
    ]  # fmt: skip


@pytest.mark.parametrize("name", catalogue.names())
def test_torchvision_is_asked_for_where_vllm_imports_it_with_the_install_line(
    dry_run: Callable[[str], Told], name: str
) -> None:
    wanted = "torchvision, which vLLM wants for this policy (pip install torchvision torch==VERSION)"
    assert (wanted in dry_run(name)["missing on this machine"].split("; ")) == (name in QWEN3_VL)


def test_the_memory_of_the_small_model_by_hand(dry_run: Callable[[str], Told]) -> None:
    """600,152,064 parameters. SFT: 20 bytes each on one GPU, 11.18 GiB of 22.5. GRPO: 2 bytes each, frozen, and 20 of
    10,092,544 in adapters, 1.31 GiB; vLLM 0.35 x 22.5 = 7.875, less weights of 1.12 for sequences of 56 MiB: 123."""
    told = dry_run("qwen3_0_6b_lora")
    assert "0.60 B parameters, bfloat16; GRPO trains adapters of 10.09 M, 1.65% of all" in told["policy"]
    assert told["memory in SFT"].startswith("on each GPU 11.2 GiB of training state")
    assert "11.3 GiB of 22.5 GiB left for activations" in told["memory in SFT"]
    assert told["memory in GRPO"].startswith("on each GPU 1.3 GiB of training state")
    assert "7.9 GiB of vLLM (weights 1.1 GiB, cache of 123 sequences of 512 tokens)" in told["memory in GRPO"]
    assert "13.3 GiB of 22.5 GiB left" in told["memory in GRPO"]


def test_the_memory_of_the_large_model_by_hand(dry_run: Callable[[str], Told]) -> None:
    """8,223,552,512 parameters: 4 x 638.7 M of the largest layer and 18 x 8.22 G / 8, 19.61 GiB; vLLM 0.4 x 79 = 31.6,
    less weights of 15.32 for sequences of 72 MiB: 231; 79 - 19.61 - 31.6 = 27.79."""
    told = dry_run("qwen3_8b_zero3")
    assert "8.22 B parameters, bfloat16, all of them trained" in told["policy"]
    assert told["memory in GRPO"].startswith("on each GPU 19.6 GiB of training state (DeepSpeed's estimator)")
    assert "31.6 GiB of vLLM (weights 15.3 GiB, cache of 231 sequences of 512 tokens)" in told["memory in GRPO"]
    assert "27.8 GiB of 79.0 GiB left" in told["memory in GRPO"]


@pytest.mark.parametrize(
    ("name", "images", "each", "room"),
    [("dinov2_qwen2_5_0_5b", 2 * 4, 160, 2048 - 200),
     ("qwen3_vl_8b_lora", 2 * 4, 160, 2048 - 200),
     ("qwen3_vl_8b_zero3", 2 * 4, 160, 2048 - 200),
     ("alpamayo_1_5_backbone", 4 * 4, 180, 4096 - 200)],
)  # fmt: skip
def test_a_prompt_is_reckoned_with_its_images_and_leaves_room_for_its_completion(
    dry_run: Callable[[str], Told], name: str, images: int, each: int, room: int
) -> None:
    """Images with the two tokens around each, 50 of the history, and text at 1.8 characters a token at least."""
    told = dry_run(name)["prompt tokens"]
    found = re.fullmatch(
        r"up to (\d+) in .* \(estimated without its tokenizer, (\d+) of them .*\), room for (\d+)", told
    )
    assert found is not None and (int(found[2]), int(found[3])) == (each, room)
    words = int(found[1]) - images * (each + 2) - 50
    frames = images * len("frame 0 ")
    assert frames / 1.8 < words < (frames + 4 * len("cross right camera ") + 160) / 1.8, "beside names, system and wish"


def test_the_memory_of_the_joined_backbones_by_hand(dry_run: Callable[[str], Told]) -> None:
    """587,762,304 parameters x 20 bytes: 10.95 GiB. vLLM 0.25 x 22.5 = 5.625, less weights of 1.09, for sequences of
    2 x 24 layers x 2 heads x 64 x 2 bytes x 2048 = 24 MiB: 193."""
    told = dry_run("dinov2_qwen2_5_0_5b")
    assert told["policy"] == "0.59 B parameters, bfloat16, all of them trained"
    assert told["memory in SFT"].startswith("on each GPU 10.9 GiB of training state")
    assert "5.6 GiB of vLLM (weights 1.1 GiB, cache of 193 sequences of 2048 tokens)" in told["memory in GRPO"]
    assert "5.9 GiB of 22.5 GiB left" in told["memory in GRPO"]


def test_the_memory_of_adapters_on_a_large_model_that_sees_by_hand(dry_run: Callable[[str], Told]) -> None:
    """8,799,940,848 parameters. SFT: 2 bytes each on the GPU, 16 x 1.5 on the host. GRPO: 2 bytes each, frozen, and of
    adapters, 43,646,976; vLLM 0.4 x 79 = 31.6, less weights of 16.39, for sequences of 288 MiB: 54."""
    told = dry_run("qwen3_vl_8b_lora")
    assert told["policy"] == "8.80 B parameters, bfloat16; GRPO trains adapters of 43.65 M, 0.49% of all"
    assert told["memory in SFT"].startswith("on each GPU 16.4 GiB of training state")
    assert told["memory in SFT"].endswith("in the memory of each machine 196.7 GiB")
    assert told["memory in GRPO"].startswith("on each GPU 16.5 GiB of training state")
    assert "31.6 GiB of vLLM (weights 16.4 GiB, cache of 54 sequences of 2048 tokens)" in told["memory in GRPO"]
    assert "30.9 GiB of 79.0 GiB left" in told["memory in GRPO"]


@pytest.mark.parametrize(("name", "sequences"), [("qwen3_vl_8b_zero3", "54 sequences of 2048"),
                                                 ("alpamayo_1_5_backbone", "27 sequences of 4096")])  # fmt: skip
def test_the_memory_of_a_large_model_that_sees_by_hand(
    dry_run: Callable[[str], Told], name: str, sequences: str
) -> None:
    """4 x 638.7 M of the largest layer and 18 x 8.80 G / 8, 20.82 GiB; a token of the cache is that of Qwen3-8B."""
    told = dry_run(name)
    assert "8.80 B parameters, bfloat16, all of them trained" in told["policy"]
    assert told["memory in GRPO"].startswith("on each GPU 20.8 GiB of training state (DeepSpeed's estimator)")
    assert f"31.6 GiB of vLLM (weights 16.4 GiB, cache of {sequences} tokens)" in told["memory in GRPO"]
    assert "26.6 GiB of 79.0 GiB left" in told["memory in GRPO"]


def test_alpamayo_s_recipe_has_the_paper_s_rewards_and_the_layout_of_1_5() -> None:
    config = load_config(RunConfig, catalogue.path_of("alpamayo_1_5_backbone"))
    terms = {term.name or term.reward: term for term in config.rewards.terms}
    assert set(terms) == {"consistency", "critic", "l2", "collision", "jerk"}
    assert all(term.weight > 0 for term in terms.values())
    assert terms["critic"].arguments["images"] is True, "the critic gets the last frame"
    mix = config.rewards.build()
    costs = [term for term in mix.terms if term.name in ("l2", "collision", "jerk")]
    ours = ar1_trajectory_mix().terms
    for cost, published in zip(costs, ours, strict=True):
        assert replace(cost.reward, name="") == replace(published.reward, name="")
        assert (cost.weight, cost.required) == (published.weight, published.required)
    shown = config.rollouts.frames
    assert shown is not None and shown.cameras == ("cross_left", "front_wide", "cross_right", "front_tele")
    assert shown.count == 4 and shown.every_ticks == 1, "AR1: four frames at 10 Hz"
    assert shown.layout.camera_names and shown.layout.frame_numbers, "Alpamayo-R1 has neither"


def test_what_the_critic_is_asked_by_hand(dry_run: Callable[[str], Told]) -> None:
    """76,800 rollouts, and 96 validation scenes x 6 at the start and after 40, 80, ... 200 steps: 3,456."""
    for name in catalogue.names():
        asked = [result for check, result in dry_run(name).items() if check == "critic costs at most"]
        assert [result.split(", ")[0] for result in asked] == (["80,256 calls"] if name in JUDGED else [])


@pytest.mark.parametrize(
    ("more", "groups", "passes"),
    [(["--processes", "4"], "4, each with 8 whole groups of 12 a step", "6 of 16"),
     (["--machines", "2", "--address", "machine0"], "16, each with 2 whole groups of 12 a step", "3 of 8")],
    ids=["half", "twice"],
)  # fmt: skip
def test_a_recipe_is_taken_to_other_machines_with_a_flag(
    more: list[str], groups: str, passes: str, nobody: str
) -> None:
    """32 scenes x 12 are 96 rollouts on each of 4 ranks, 24 on each of 16, which passes of 16 do not divide."""
    words = ["grpo", "qwen3_8b_zero3", *more, *unanswered("qwen3_8b_zero3", nobody)]
    if "--machines" in more:
        code, shown = dry(words)
        assert code == 2 and "rollouts_per_pass 16 does not divide the 24 rollouts" in shown
        words.append("grpo.rollouts_per_pass=8")
    code, shown = dry(words)
    assert code == 0, shown
    assert rows(shown)["ranks"].split(";")[0] == groups
    assert rows(shown)["passes a step"] == f"{passes} rollouts on each rank"


def test_a_model_that_does_not_fit_is_refused_before_anything_is_loaded() -> None:
    """The example of the docs: SFT trains all of Qwen3-4B, 20 bytes of 4,032,723,456, 75.1 GiB, and not 22.5."""
    (example,) = re.findall(r"^ar1-rl (grpo .*Qwen3-4B.*) --dry-run$", DOCS.read_text(), re.MULTILINE)
    code, shown = dry(shlex.split(example))
    told = "SFT does not fit: it takes 75.1 GiB of each GPU, which has 22.5 GiB"
    assert code == 2 and told in " ".join(shown.split())
    assert told in DOCS.read_text()


def test_the_example_of_the_docs_fits_on_four_gpus() -> None:
    """SFT: 4 x 399.2 M of the embeddings and 18 x 4.03 G / 4. GRPO: 4 x 399.2 M, 2 x 4.03 G / 4, 18 x 33 M of adapters
    / 4, in all 3.50 GiB, and half of 22.5 for vLLM."""
    (example,) = re.findall(r"^ar1-rl (grpo .*Qwen3-4B.*) --dry-run$", DOCS.read_text(), re.MULTILINE)
    more = "--processes 4 --deepspeed zero3 rollouts.gpu_memory_share=0.5"
    assert more in DOCS.read_text()
    code, shown = dry(shlex.split(f"{example} {more}"))
    assert code == 0, shown
    assert rows(shown)["memory in SFT"].startswith("on each GPU 18.4 GiB of training state")
    assert "7.7 GiB of 22.5 GiB left for activations" in rows(shown)["memory in GRPO"], "14.8 are taken"


# docs


def section(name: str) -> str:
    """What docs/recipes.md says under the name of a recipe."""
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/recipes.md has no section {name}"
    return found[1]


@pytest.mark.parametrize("name", catalogue.names())
def test_the_docs_repeat_the_head_of_a_recipe(name: str) -> None:
    told, docs = head(name), section(name)
    assert told["Hardware"].rstrip(".") in docs
    assert " ".join(shlex.split(told["Command"], comments=True)) in docs
    assert ("**Not run yet.**" in docs) == (told["Measured"] == NOT_RUN)


@pytest.mark.parametrize("name", catalogue.names())
def test_the_docs_copy_what_the_dry_run_says(dry_run: Callable[[str], Told], name: str) -> None:
    copied = dict(re.findall(r"^\| ([^|]+?) \| (.+?) \|$", section(name), re.MULTILINE))
    copied.pop("check", None)
    assert {"rollouts a step", "ranks", "passes a step", "policy", "memory in SFT", "memory in GRPO"} <= set(copied)
    assert copied == {check: dry_run(name)[check] for check in copied}
