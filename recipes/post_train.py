"""The main job: SFT, then GRPO, then the paired evaluation on held-out scenes, and what a person looks at."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from ar1_rl.driving import Scene
from ar1_rl.report.plots import one_per_kind, plot_curves, plot_scenes
from ar1_rl.report.tables import comparison_table
from rewards.costs import figures, told
from rollouts.recorded import EVALUATIONS

from .checkpoints import newest_whole, step_of
from .corpus import Corpus, load_corpus
from .curation_store import weights_fingerprint
from .evaluate import METRICS, Evaluating, evaluate, header_of, paired_differences
from .evaluation_folder import Evaluation, EvaluationFolder, answers_in
from .full_disk import told_when_full
from .graders import GRADED, Graders, reader_of
from .grpo import PolicyTraining
from .looking_summary import intervals_told, looking_summary
from .practice import check_enough
from .ranks import ALONE, Ranks
from .report import report_after_run
from .run_config import RunConfig
from .run_folder import RunFolder
from .sft import fine_tune
from .stopping import StopFlag
from .trackers import check_trackers
from .training import group_counts
from .validation import BEST_FOLDER


def post_train(
    config: RunConfig,
    out: Path,
    console: Console,
    stop: StopFlag,
    *,
    resume: bool = False,
    until: Literal["sft", "grpo"] = "grpo",
    ranks: Ranks = ALONE,
) -> None:
    """Run the whole config into `out`, or only its SFT. Of several ranks all call this; the first one talks."""
    with told_when_full(out):
        _post_train(config, out, console, stop, resume, until, ranks)


def _post_train(
    config: RunConfig,
    out: Path,
    console: Console,
    stop: StopFlag,
    resume: bool,
    until: Literal["sft", "grpo"],
    ranks: Ranks,
) -> None:
    check_trackers(config.report)
    folder = RunFolder(out, config, resume=resume, ranks=ranks)
    clock = Clock()
    _limit_threads(config, ranks)
    with clock.time("data"):
        corpus = load_corpus(config, console, folder.path, ranks.mark)
    if until == "grpo":
        check_enough(corpus.practice, config.grpo.scenes_per_step)
    policy_path = Path(config.policy.path or "")
    if config.sft is not None:
        with clock.time("sft"):
            policy_path = fine_tune(config, corpus.examples, folder, console, stop)
    if until == "sft":
        console.print(f"SFT policy: {policy_path}")
        return
    resume_from = newest_whole(folder.checkpoints / "grpo-trainer", ranks, console.print)
    folder.cut("grpo", step_of(resume_from))
    ranks.mark("loading the policy and starting its engine")
    with clock.time("engine"):
        training = PolicyTraining(config, policy_path, corpus.rl, folder, console)
    with clock.time("eval"):
        before = _evaluate(training, corpus, "before", policy_path, console, stop)
    with clock.time("grpo"):
        training.train(corpus.validation, stop, resume_from)
    with clock.time("eval"):
        after = _evaluate(training, corpus, "after", folder.checkpoints / BEST_FOLDER, console, stop)
    if before is None or after is None:
        return
    summary = summarise(config, corpus, before, after, clock)
    summary["costs"] = {name: figures(usage) for name, usage in training.reward.costs.items()}
    summary["groups"] = groups = group_counts(folder.read_metrics(), config.grpo.scenes_per_step)
    looking = looking_summary(before, after, config.eval.resamples)
    if looking is not None:
        summary["looking"] = looking
    folder.write_json("summary.json", summary)
    show(summary, folder, corpus.test, console)
    for side, told_looking in (looking or {}).get("told", {}).items():
        if told_looking is not None:
            console.print(f"{side.capitalize()} RL. {told_looking}", soft_wrap=True, highlight=False, markup=False)
    console.print(
        f"Groups of equal rewards: {groups['zero_variance']} of {groups['all']}; skipped: {groups['skipped']}"
    )
    for name, usage in training.reward.costs.items():
        console.print(f"{name}: {told(usage)}, {usage.request_s / 60:,.1f} min of requests")
    report_after_run(folder.path, console)


class Clock:
    """Wall time by stage [s]."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.stages: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Count what happens inside towards `stage`."""
        started = time.monotonic()
        yield
        self.stages[stage] += time.monotonic() - started

    def total_s(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._started


def summarise(config: RunConfig, corpus: Corpus, before: Evaluation, after: Evaluation, clock: Clock) -> dict[str, Any]:
    """The content of summary.json."""
    stages = {name: round(seconds, 2) for name, seconds in clock.stages.items()}
    return {
        "recipe": config.recipe,
        "seed": config.seed,
        "wall_s": {
            "total": round(clock.total_s(), 2),
            **{name: stages.get(name, 0.0) for name in ("sft", "grpo", "eval")},
        },
        "eval": {
            "scenes": len(corpus.test),
            "samples_per_scene": config.eval.samples_per_scene,
            "temperature": config.eval.temperature,
            "top_p": config.eval.top_p,
        },
        "skipped_windows": dict(corpus.skipped),
        "before": _summarised(before),
        "after": _summarised(after),
        "delta": paired_differences(before, after, config.eval.resamples),
    }


def _summarised(evaluation: Evaluation) -> dict[str, float | None]:
    means = evaluation.means()
    return {name: means[name] for name in METRICS}


def show(summary: dict[str, Any], folder: RunFolder, scenes: Sequence[Scene], console: Console) -> None:
    """The table in the terminal, and the pictures beside it."""
    plot_curves(folder.read_metrics(), folder.path / "curves.png")
    shown = [scenes[place] for place in one_per_kind(scenes)]
    ids, evaluations = [scene.id for scene in shown], folder.path / EVALUATIONS
    before, after = answers_in(evaluations / "before", ids), answers_in(evaluations / "after", ids)
    plot_scenes(shown, before, after, folder.path / "scenes.png")
    console.print(comparison_table(summary))
    console.print(
        f"Run folder {folder.path}: summary.json, curves.png, scenes.png, rollouts/, evaluations/, checkpoints/best"
    )


def _evaluate(
    training: PolicyTraining, corpus: Corpus, label: str, policy_path: Path, console: Console, stop: StopFlag
) -> Evaluation | None:
    """Evaluate the trainer's present weights on the test split; each rank takes its share of the scenes.

    The first rank returns the whole. What an earlier start of the run has evaluated of these weights stays.
    """
    config, ranks = training.config, training.folder.ranks
    step = 0 if label == "before" else config.grpo.steps
    graders = Graders.embedded(reader_of(config.rewards), config.eval.held_out)
    folder = EvaluationFolder(training.folder.path / EVALUATIONS / label, ranks.index)
    if ranks.first:
        folder.begin(
            {
                "weights": weights_fingerprint(policy_path) if policy_path.is_dir() else str(policy_path),
                "seed": config.seed,
                "step": step,
                "scenes": {**config.scenes.model_dump(mode="json"), "count": len(corpus.test)},
                "eval": config.eval.identity(),
                "graders": dict(graders.told),
                "ranks": ranks.count,
            },
            anew=True,
        )
    ranks.wait()
    job = Evaluating(
        policy=training.policy(config.eval.sampling(config.rollouts), label),
        graders=graders,
        config=config.eval,
        run_seed=config.seed,
        step=step,
        label=label,
        choose_by=None if config.eval.best_by is None else config.eval.best_by.build(),
        faithfulness_scenes=-(-config.eval.faithfulness_scenes // ranks.count),
        looking_scenes=-(-config.eval.looking_scenes // ranks.count),
        mark=ranks.mark,
    )
    if not folder.finished:
        training.sync()
        scenes = ranks.share(corpus.test)
        evaluate(job, lambda skip: scenes[skip:], len(scenes), folder, console, stop)
    ranks.mark("")
    ranks.wait()
    if not ranks.first:
        return None
    header = header_of(
        job,
        policy=str(policy_path),
        training_seed=config.seed,
        rewards=None if label == "before" else config.rewards,
    )
    return folder.finish(header, by_decision=GRADED, further=intervals_told(config.eval.resamples))


def _limit_threads(config: RunConfig, ranks: Ranks) -> None:
    """As many as the config says, else this process's share; two at most for the tiny policy.

    Torch takes every core of the machine, of which a container often has fewer. The tiny policy has no work for more
    than two: measured, 14 training steps a second with one thread and 21 with two.
    """
    import os

    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = max(1, cores // ranks.on_this_machine)
    torch.set_num_threads(config.launch.threads or (min(share, 2) if config.policy.path is None else share))
