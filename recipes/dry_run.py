"""`--dry-run`: config, data, rewards and batch arithmetic in seconds, without loading a model.

A critic behind an endpoint is asked about the expert in a few scenes, and what that took tells what the run will take.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ar1_rl.driving import Completion, Scene, Trajectory
from ar1_rl.policy.config import codec_by_name
from rewards.costs import told
from rewards.critic.cost import Estimate
from rewards.failures import FailureCounts
from rewards.mix import PARTS, Mix
from rewards.terms import Term
from rollouts import vectorised
from rollouts.describe import describe
from rollouts.dialogue import text_of
from rollouts.prompts import prompt_builder

from . import fit
from .cautions import cautions
from .corpus import load_split
from .curated import read_curated, told_kept
from .run_config import RunConfig
from .trackers import check_trackers

TRIED_SCENES = 8
"""Scenes of each split that are made or read to see that it works."""
UNREACHED = "Transport"
"""A judge's failure where no connection came about."""


def dry_run(config: RunConfig, console: Console) -> int:
    """Check everything that needs no model; returns the exit code. Faults raise their own errors."""
    started = time.monotonic()
    check_trackers(config.report)
    table = Table("check", "result", title=f"{config.recipe}: dry run")
    splits = {split: load_split(config, split, limit=TRIED_SCENES)[0] for split in ("train", "validation", "test")}
    for split, scenes in splits.items():
        table.add_row(f"{split} scenes", f"{len(scenes)} read from {config.scenes.source}")
    scenes = splits["train"]
    table.add_row("a prompt", _prompt(config, scenes[0]))
    mix = config.rewards.build()
    driven = [scene for scene in scenes if scene.future_T3 is not None]
    scored = mix.score([_expert(scene) for scene in driven], driven)
    table.add_row("rewards", ", ".join(f"{term.name} x {term.weight:g}" for term in mix.terms))
    table.add_row("reward of the expert", ", ".join("-" if m.value is None else f"{m.value:.2f}" for m in scored))
    failed = mix.take_counts()
    tried = [scene for scenes in splits.values() for scene in scenes]
    for name, result in (
        _learning(config, mix) | _failures(failed) | _arithmetic(config) | fit.rows(config, tried)
    ).items():
        table.add_row(name, result)
    for name, result in _costs(config, mix, driven).items():
        table.add_row(name, result)
    missing = [*_missing(config), *_silent(failed), *fit.missing(config)]
    table.add_row("missing on this machine", "; ".join(missing) or "nothing")
    for caution in cautions(config):
        table.add_row("warning", caution)
    console.print(table)
    console.print(f"Checked in {time.monotonic() - started:.1f} s; no model was loaded")
    return 0


def _prompt(config: RunConfig, scene: Scene) -> str:
    if config.rollouts.prompt is None and config.rollouts.frames is None:
        return describe(scene.observation)
    codec = codec_by_name(config.policy.codec)
    (tokens,) = codec.encode_history(scene.observation.history_T3[None])
    if config.rollouts.frames is not None:
        from rollouts.vision.sight import Sight

        messages = Sight.of(config.rollouts.frames).messages(scene, codec.to_text(tokens))
        width, height = config.rollouts.frames.width_px, config.rollouts.frames.height_px
        return "\n".join(
            "".join(part.get("text", f"[{width} x {height}]") for part in message["content"]) for message in messages
        )
    messages = prompt_builder(config.rollouts)(scene.observation, codec.to_text(tokens))
    return "\n".join(text_of(message["content"]) for message in messages)


def _expert(scene: Scene) -> Completion:
    """The reference trace and the expert's future, as if a policy had written them."""
    assert scene.future_T3 is not None
    text = "" if scene.reference is None else scene.reference.text
    return Completion(
        text=text, token_ids=(), reasoning=text, trajectory=Trajectory(scene.future_T3, "expert"), error=None
    )


def _arithmetic(config: RunConfig) -> dict[str, str]:
    grpo, ranks = config.grpo, config.launch.ranks
    per_step = grpo.scenes_per_step * grpo.samples_per_scene
    per_pass = grpo.rollouts_per_pass or per_step // ranks
    return {
        "rollouts a step": f"{grpo.scenes_per_step} scenes x {grpo.samples_per_scene} = {per_step}",
        "ranks": f"{ranks}, each with {grpo.scenes_per_step // ranks} whole groups of {grpo.samples_per_scene} a step; "
        f"{_sharding(config)}",
        "passes a step": f"{per_step // ranks // per_pass} of {per_pass} rollouts on each rank",
        "rollouts in all": f"{per_step * grpo.batches} in {grpo.steps} steps",
    }


def _learning(config: RunConfig, mix: Mix) -> dict[str, str]:
    """What a step learns from, where that is not everything alike."""
    grpo, rows = config.grpo, {}
    if config.scenes.curated is not None:
        rows["curated scenes"] = told_kept(read_curated(Path(config.scenes.curated))[1])
    if grpo.credit != "shared":
        for part in PARTS:
            names = [term.name for term in mix.terms if term.weight and term.credit in (part, "both")]
            rows[f"credit of the {part}"] = ", ".join(names) or "no reward: its tokens only learn to be decodable"
    if grpo.smallest_reward_std is not None:
        rows["groups skipped"] = f"those whose rewards' standard deviation is at most {grpo.smallest_reward_std:g}"
    return rows


def _sharding(config: RunConfig) -> str:
    if config.deepspeed is None:
        return "all training state on each"
    if config.launch.ranks == 1:
        return "DeepSpeed has nothing to divide"
    divided = ("optimizer state", "and gradients", "and parameters")[: config.zero_stage]
    return f"DeepSpeed divides {' '.join(divided)}"


def _failures(counts: FailureCounts) -> dict[str, str]:
    """Judgements of the expert that failed, by reward."""
    causes = {name: ", ".join(f"{cause} {n}" for cause, n in counts.of(name).items()) for name in counts.asked}
    return {f"{name} failed": f"{met} of {counts.asked[name]}" for name, met in causes.items() if met}


def _silent(counts: FailureCounts) -> list[str]:
    """Judges that nobody could be reached for."""
    return [
        f"the server of {name}, which cannot be reached"
        for name, asked in counts.asked.items()
        if counts.of(name) == {UNREACHED: asked}
    ]


def _costs(config: RunConfig, mix: Mix, scenes: Sequence[Scene]) -> dict[str, str]:
    """What the run will ask of every judge that knows its cost, at most: nothing is cached, no text comes twice."""
    grpo = config.grpo
    rollouts = grpo.batches * grpo.scenes_per_step * grpo.samples_per_scene
    validations = 1 + math.ceil(grpo.steps / grpo.evaluate_every)
    without = " without validation"
    if config.scenes.validation is not None:
        rollouts += validations * config.scenes.validation * config.eval.samples_per_scene
        without = ""
    judges = [term for term in mix.terms if hasattr(term.inner, "estimate")]
    return {f"{term.name} costs at most": _cost(term, rollouts, scenes) + without for term in judges}


def _cost(term: Term, rollouts: int, scenes: Sequence[Scene]) -> str:
    """Scaled up from the calls just made if all of them were answered with a count of tokens, else by text length."""
    judge = term.inner
    expected = judge.estimate(steps=1, rollouts=rollouts, scenes=scenes)
    used = judge.usage
    waiting, source = "", "by the length of texts"
    if used.calls and not used.failed and not used.untold:
        share = expected.calls / used.calls
        money = {currency: share * amount for currency, amount in used.money.items()}
        tokens = round(share * used.prompt_tokens), round(share * used.completion_tokens)
        expected, source = Estimate(expected.calls, *tokens, money), f"by {used.calls} calls"
        waiting = f", {share * used.request_s / 60:,.1f} min of requests"
    return f"{told(expected)}{waiting} ({source})"


def _missing(config: RunConfig) -> list[str]:
    missing = []
    if config.rollouts.engine == "vllm" and not vectorised.available():
        missing.append("vLLM (see `ar1-rl doctor`)")
    vision = config.policy.vision
    for path in (config.policy.path, None if vision is None else vision.encoder):
        if path is not None and not Path(path).exists():
            missing.append(f"weights: {path} is not a folder here; it would be asked from the model hub")
    return missing
