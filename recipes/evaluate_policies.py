"""`ar1-rl eval POLICY... --scenes SPEC --out DIR`: policies on the same scenes, each into an evaluation folder."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from ar1_rl.config import apply_overrides, check_config
from ar1_rl.driving import Scene
from ar1_rl.errors import ConfigError
from ar1_rl.plugins import is_spec
from ar1_rl.policy.config import PolicyConfig
from ar1_rl.scenes import SOURCES, SYNTHETIC_SOURCES, stream_scenes
from rewards.loading import MixConfig
from rewards.mix import Mix
from rollouts.policy import Policy

from .curation_store import weights_fingerprint
from .eval_config import EvalConfig
from .evaluate import Evaluating, SceneSource, evaluate, header_of
from .evaluation_folder import Evaluation, EvaluationFolder, read_evaluation
from .evaluation_table import decision_table, evaluation_table
from .export import ADAPTER, export, policy_folder
from .graders import GRADED, Graders, Reader, reader_of
from .looking_summary import intervals_told, looking_of
from .looking_table import claims_table
from .mix_spec import read_mapping, yaml_of
from .open_policy import open_policy
from .run_config import RolloutsConfig, ScenesConfig
from .sft import SFT_FOLDER
from .stopping import StopFlag

EVALUATION_STEP = -3
"""As a step, in the seeds of rollouts: validation has -1, curation -2, and a run's own evaluations their steps."""
EMBEDDED = re.compile(r"synthetic(?::(\d+))?(?::(\d+))?(?::(train|validation|test))?$")
"""`synthetic`, `synthetic:SEED`, `synthetic:SEED:COUNT`, and any of them with the name of a split."""
EMBEDDED_COUNT = 1000
ALLOWED = (
    "allowed are synthetic:SEED:COUNT, with or without :SPLIT, a source of configs with or without @COUNT "
    f"({', '.join(name for name in SOURCES if name != 'synthetic')}, path/to/file.py:name), a recipe, a YAML file "
    "and a run folder, of which the test split is taken"
)


@dataclass(frozen=True)
class SceneSpec:
    """Scenes that `--scenes` names: a split of a source, `config.test` of them."""

    config: ScenesConfig
    seed: int
    split: str = "test"

    @property
    def count(self) -> int | None:
        """How many there are; None where only reading tells."""
        return self.config.test if self.config.source in SYNTHETIC_SOURCES else None

    def stream(self, skip: int) -> Iterable[Scene]:
        """One after another, without the first so many."""
        source = self.config
        return stream_scenes(
            source.source,
            source.root,
            split=self.split,
            stride_s=source.stride_s,
            held_out=source.held_out,
            on_bad_log="skip",
            seed=self.seed,
            count=source.test,
            arguments=source.arguments,
            skip=skip,
        )


@dataclass(frozen=True)
class Subject:
    """A policy to be evaluated, and what is known of where it comes from."""

    folder: Path
    label: str
    settings: Mapping[str, Any]
    """The config of its run; empty where it lies in none."""
    rewards: MixConfig | None
    """What it was trained on; None: of an SFT policy, or of one that lies in no run."""

    @property
    def training_seed(self) -> int | None:
        """Of its run."""
        return self.settings.get("seed")


@dataclass(frozen=True)
class EvaluationSettings:
    """The sections of a run's config that an evaluation takes."""

    eval: EvalConfig
    rollouts: RolloutsConfig
    policy: PolicyConfig

    @classmethod
    def of(cls, raw: Mapping[str, Any], overrides: Sequence[str], source: str) -> EvaluationSettings:
        """From plain values; ConfigError for an override of another section, or a fault in one of these."""
        known = {name: dict(raw.get(name) or {}) for name in ("eval", "rollouts", "policy")}
        wrong = [override for override in overrides if override.split(".")[0] not in known]
        if wrong:
            raise ConfigError(f"override {wrong[0]!r}: an evaluation takes keys of {', '.join(known)}")
        apply_overrides(known, overrides)
        return cls(
            eval=check_config(EvalConfig, known["eval"], source=f"{source}, eval"),
            rollouts=check_config(RolloutsConfig, known["rollouts"], source=f"{source}, rollouts"),
            policy=check_config(PolicyConfig, known["policy"], source=f"{source}, policy"),
        )


def run(
    policies: Sequence[str],
    *,
    scenes: str,
    out: Path,
    seed: int,
    config: str | None,
    overrides: Sequence[str],
    console: Console,
    stop: StopFlag,
    as_json: bool = False,
) -> int:
    """Evaluate every policy that is not done yet, and show all of them."""
    spec = scene_spec(scenes)
    raw = read_mapping(yaml_of(config) or Path(config)) if config is not None else None
    jobs = []
    for subject in subjects_of(policies):
        source = config or str(subject.folder)
        settings = EvaluationSettings.of(subject.settings if raw is None else raw, overrides, source)
        jobs.append((replace(subject, label=subject.label + decoding_suffix(settings.eval)), settings))
    subjects = [subject for subject, _ in jobs]
    reader = common_reader(subjects, console)
    done = []
    for subject, settings in jobs:
        done.append(_evaluated(subject, settings, spec, reader, out, seed, console, stop))
        # An engine before the next one: its memory is needed.
        gc.collect()
    if as_json:
        print(json.dumps([told(out / subject.label) for subject in subjects], indent=2))
    else:
        for subject, evaluation in zip(subjects, done, strict=True):
            console.print(evaluation_table(evaluation, jobs[0][1].eval.resamples))
            console.print(decision_table(evaluation))
            if (looking := looking_of([evaluation], jobs[0][1].eval.resamples)) is not None:
                console.print(claims_table(subject.label, looking))
                console.print(looking["told"], soft_wrap=True, highlight=False, markup=False)
            console.print(f"Evaluation {out / subject.label}", soft_wrap=True, markup=False)
    return 0


def told(folder: Path) -> dict[str, Any]:
    """evaluation.json with its place, for `--json`."""
    content: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return {"evaluation": str(folder), **content}


def subjects_of(policies: Sequence[str]) -> list[Subject]:
    """The policies by their folders, each with a label of its own; ConfigError where one holds no policy."""
    found = []
    for spec in policies:
        folder = policy_folder(Path(spec)).resolve()
        run_folder = next((parent for parent in folder.parents if (parent / "config.yaml").exists()), None)
        settings: dict[str, Any] = {}
        label = folder.name
        if run_folder is not None:
            settings = yaml.safe_load((run_folder / "config.yaml").read_text())
            best = Path(spec).resolve() == run_folder
            label = run_folder.name if best else f"{run_folder.name}-{folder.name}"
        trained = run_folder is not None and folder.name != SFT_FOLDER and settings.get("rewards") is not None
        rewards = check_config(MixConfig, settings["rewards"], source=f"{run_folder}, rewards") if trained else None
        found.append(Subject(folder, label, settings, rewards))
    return [_relabelled(subject, found[:place]) for place, subject in enumerate(found)]


def _relabelled(subject: Subject, others: Sequence[Subject]) -> Subject:
    same = sum(other.label == subject.label for other in others)
    if not same:
        return subject
    return replace(subject, label=f"{subject.label}-{same + 1}")


def decoding_suffix(config: EvalConfig) -> str:
    """What a label ends in, so that one folder can hold a policy decoded in several ways."""
    if config.decoding == "greedy":
        return "-greedy"
    return "" if config.best_by is None else f"-best-of-{config.samples_per_scene}"


def scene_spec(spec: str) -> SceneSpec:
    """What `--scenes` names; ConfigError with what is allowed."""
    if embedded := EMBEDDED.fullmatch(spec):
        seed, count = (int(group) if group else None for group in embedded.groups()[:2])
        number = EMBEDDED_COUNT if count is None else count
        return SceneSpec(ScenesConfig(test=number), seed or 0, embedded[3] or "test")
    path = yaml_of(spec)
    if path is not None:
        raw = read_mapping(path)
        config = check_config(ScenesConfig, raw.get("scenes") or {}, source=f"{path}, scenes")
        if config.source in SYNTHETIC_SOURCES and config.test is None:
            raise ConfigError(f"--scenes {spec}: scenes.test is unset there; name the number by synthetic:SEED:COUNT")
        return SceneSpec(config, int(raw.get("seed") or 0))
    name, at, count_text = spec.partition("@")
    known = name in SOURCES or is_spec(name)
    if not known or re.match(r"synthetic\b", name) or (at and not count_text.isdigit()):
        raise ConfigError(f"--scenes: got {spec!r}; {ALLOWED}")
    source = {"source": name, "test": int(count_text) if at else None}
    return SceneSpec(check_config(ScenesConfig, source, source=f"--scenes {spec}"), 0)


def common_reader(subjects: Sequence[Subject], console: Console) -> Reader:
    """Who reads decisions for the trained-on consistency: one reader for all, so that they can be compared."""
    readers = list(dict.fromkeys(reader_of(s.rewards) for s in subjects if s.rewards is not None)) or [reader_of(None)]
    if len(readers) > 1:
        console.print(
            f"[yellow]These policies were trained with different readers of decisions ({', '.join(readers)}); all are "
            f"read by {readers[0]}, and the held-out consistency by the other one[/yellow]",
            soft_wrap=True,
        )
    return readers[0]


def _evaluated(
    subject: Subject,
    settings: EvaluationSettings,
    spec: SceneSpec,
    reader: Reader,
    out: Path,
    seed: int,
    console: Console,
    stop: StopFlag,
) -> Evaluation:
    graders = Graders.embedded(reader, settings.eval.held_out)
    folder = EvaluationFolder(out / subject.label)
    folder.begin(
        {
            "weights": weights_fingerprint(subject.folder),
            "seed": seed,
            "scenes": {**spec.config.model_dump(mode="json"), "seed": spec.seed, "split": spec.split},
            "eval": settings.eval.identity(),
            "graders": dict(graders.told),
            "rollouts": settings.rollouts.model_dump(mode="json", exclude={"stall_s", "overlap", "cpu_cache_gib"}),
            "dtype": settings.policy.dtype,
        }
    )
    choose_by: Mix | None = None if settings.eval.best_by is None else settings.eval.best_by.build()
    if not folder.finished:
        policy = open_subject(subject, settings, out)
        job = Evaluating(
            policy=policy,
            graders=graders,
            config=settings.eval,
            run_seed=seed,
            step=EVALUATION_STEP,
            label=subject.label,
            choose_by=choose_by,
            faithfulness_scenes=settings.eval.faithfulness_scenes,
            looking_scenes=settings.eval.looking_scenes,
        )
        source: SceneSource = spec.stream
        evaluate(job, source, spec.count, folder, console, stop)
        folder.finish(
            header_of(job, policy=str(subject.folder), training_seed=subject.training_seed, rewards=subject.rewards),
            by_decision=GRADED,
            further=intervals_told(settings.eval.resamples),
        )
    return read_evaluation(folder.path)


def open_subject(subject: Subject, settings: EvaluationSettings, out: Path) -> Policy:
    """The policy in an engine of its own; adapters are merged into a folder beside the evaluations first."""
    folder = subject.folder
    if (folder / ADAPTER).exists():
        merged = out / f"{subject.label}-merged"
        if not merged.exists():
            export(folder, merged)
        folder = merged
    sampling = settings.eval.sampling(settings.rollouts)
    return open_policy(folder, settings.policy, settings.rollouts, sampling, version=subject.label)
