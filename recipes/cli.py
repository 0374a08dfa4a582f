"""The command `ar1-rl`.

Exit codes: 0 good, 1 the run failed, 2 the call or the config is wrong, 75 stopped by a signal with everything saved.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import ar1_rl
from ar1_rl.config import load_config
from ar1_rl.errors import Ar1RlError, ConfigError

from . import catalogue
from .console import quiet_libraries, run_console
from .launch import EXIT_FAILED, EXIT_STOPPED, EXIT_WRONG_CALL, is_rank, launch

if TYPE_CHECKING:
    from rich.console import Console

    from .run_config import RunConfig

Stage = Literal["sft", "grpo"]
LAUNCH_FLAGS = (
    ("--processes", "launch.processes", "N", "train in N processes on this machine"),
    ("--machines", "launch.machines", "N", "on N machines; start the same command on each, but for its --rank"),
    ("--rank", "launch.rank", "N", "number of this machine, from 0"),
    ("--address", "launch.address", "HOST", "machine 0, as the others reach it"),
    (
        "--deepspeed",
        "deepspeed",
        "NAME",
        "zero2, zero2_offload, zero3, zero3_offload, or a JSON file of DeepSpeed settings",
    ),
)
"""Flag, the config key that it sets, what it takes, and what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    options = _parse(arguments)
    console = run_console()
    try:
        return int(options.run(options))
    except Ar1RlError as error:
        code, told = _verdict(error)
        console.print(told, soft_wrap=True)
        return code


def _verdict(error: Ar1RlError) -> tuple[int, str]:
    """Exit code, and what the terminal says."""
    if isinstance(error, ConfigError):
        return EXIT_WRONG_CALL, f"[red]{_escaped(error)}[/red]"
    return EXIT_FAILED, f"[red]{type(error).__name__}: {_escaped(error)}[/red]"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Flags and key.path=value overrides may come in any order, which argparse alone does not allow under a verb."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    options.arguments = list(sys.argv[1:] if arguments is None else arguments)
    wrong = [argument for argument in rest if argument.startswith("-") or not hasattr(options, "overrides")]
    if wrong:
        parser.error(f"unrecognized arguments: {' '.join(wrong)}")
    if hasattr(options, "overrides"):
        flags = [f"{key}={value}" for _, key, *_ in LAUNCH_FLAGS if (value := getattr(options, key, None)) is not None]
        options.overrides = [*options.overrides, *rest, *flags]
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ar1-rl", description="RL post-training for reasoning driving policies.")
    parser.add_argument("--version", action="version", version=f"ar1-rl {ar1_rl.__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    quickstart = verb("quickstart", _quickstart, "the whole job on the embedded benchmark: SFT, GRPO, before and after")
    quickstart.add_argument("overrides", nargs="*", metavar="key.path=value")
    quickstart.add_argument("--seed", type=int, default=0)
    _run_flags(quickstart, out="runs/quickstart")

    grpo = verb("grpo", _grpo, "run a config: SFT if it asks for it, GRPO, then the paired evaluation")
    grpo.add_argument("config", help="a YAML file, or the name of a shipped recipe")
    grpo.add_argument("overrides", nargs="*", metavar="key.path=value")
    _run_flags(grpo, out=None)

    sft = verb("sft", _sft, "only the supervised fine-tuning of a config")
    sft.add_argument("config", help="a YAML file, or the name of a shipped recipe")
    sft.add_argument("overrides", nargs="*", metavar="key.path=value")
    _run_flags(sft, out=None)

    curate = verb("curate", _curate, "find the scenes on which policy and reward disagree, and write a dataset of them")
    curate.add_argument("config", help="a YAML file, or the name of a shipped recipe")
    curate.add_argument("overrides", nargs="*", metavar="key.path=value")
    curate.add_argument("--policy", type=Path, metavar="FOLDER", help="the policy that is asked (key: curate.policy)")
    curate.add_argument("--out", type=Path, required=True, metavar="DATASET", help="folder of scores and kept scenes")
    curate.add_argument("--shard", metavar="I/N", help="only shard I of N, from 0 (keys: curate.shard, curate.shards)")
    curate.add_argument("--merge", action="store_true", help="only choose and write, from the scores of all shards")

    evaluation = verb("eval", _eval, "metrics of policies on the same scenes, each into an evaluation folder")
    evaluation.add_argument("policies", nargs="+", metavar="POLICY", help="run folder, checkpoint, or plain folder")
    evaluation.set_defaults(overrides=[])
    evaluation.add_argument(
        "--scenes", required=True, metavar="SPEC", help="synthetic:SEED:COUNT, SOURCE[@COUNT], a recipe or a run folder"
    )
    evaluation.add_argument("--out", type=Path, required=True, metavar="DIR", help="one folder in it per policy")
    evaluation.add_argument("--seed", type=int, default=0, help="of the sampling (default: 0)")
    evaluation.add_argument("--config", help="eval, rollouts and policy of this YAML file, recipe or run folder")
    evaluation.add_argument("--decoding", choices=("sample", "greedy"), help="(key: eval.decoding)")
    evaluation.add_argument("--best-of", type=int, metavar="K", help="draw K, choose by --by (eval.samples_per_scene)")
    evaluation.add_argument("--by", metavar="MIX", help="a mix, recipe or run folder that chooses (key: eval.best_by)")
    evaluation.add_argument("--json", action="store_true", dest="as_json")

    recipes = verb("recipes", _recipes, "list, show or copy the shipped recipes and ablations")
    recipes.add_argument("action", choices=("list", "show", "copy"))
    recipes.add_argument("name", nargs="?")
    recipes.add_argument("target", nargs="?", help="file or folder to copy to (default: here)")

    check = verb("check-critic", _check_critic, "is this critic worth training on? exit code 0 if so, else 1")
    check.add_argument("critic", metavar="SPEC", help="rubric, a YAML file, a run folder, or path/to/file.py:name")
    check.add_argument("overrides", nargs="*", metavar="key.path=value")
    check.add_argument("--repeat", type=int, default=3, metavar="N", help="ask the same question N times (default: 3)")
    check.add_argument("--references", type=int, metavar="N", help="use N of the references only, evenly spaced")
    check.add_argument("--threshold", action="append", default=[], metavar="NAME=VALUE", help="what counts as good")
    check.add_argument("--json", action="store_true", dest="as_json")

    rewards = verb("rewards", _rewards, "list the rewards there are, or write a template for one of your own")
    rewards.add_argument("action", choices=("list", "new"))
    rewards.add_argument("file", nargs="?", type=Path, help="new: the file to write, ending in .py")
    rewards.add_argument("--json", action="store_true", dest="as_json")

    contracts = verb(
        "check-rewards", _check_rewards, "contract tests on a reward or a mix; exit code 1 if one is broken"
    )
    contracts.add_argument("spec", help="a reward, FILE.py:NAME, MODULE:NAME, a preset, a recipe, or a YAML file")
    contracts.add_argument("overrides", nargs="*", metavar="key=value", help="arguments of the reward, or config keys")
    contracts.add_argument(
        "--ladder", action="append", default=[], metavar="WORDS", help="only ladders whose name has these words in it"
    )
    contracts.add_argument("--json", action="store_true", dest="as_json")

    score = verb("score", _score, "grade recorded rollouts again, with the same rewards or others; needs no GPU")
    score.add_argument("source", type=Path, metavar="RUN_OR_FILE", help="a run folder, or one Parquet file of rollouts")
    score.add_argument(
        "--rewards", metavar="MIX", help="a YAML file, a recipe, a run folder or a preset (default: its own)"
    )
    score.add_argument("--label", help="train (default), validation, before, after or all")
    score.add_argument("--out", type=Path, metavar="FILE", help="where the new scores go (default: RUN/scores/)")
    asking = score.add_mutually_exclusive_group()
    asking.add_argument("--replay", action="store_true", help="read a critic's recorded replies that fit (default)")
    asking.add_argument("--ask", action="store_true", help="ask critics again, whatever was recorded")
    score.add_argument("--json", action="store_true", dest="as_json")

    compare = verb(
        "compare", _compare, "what differs between evaluated policies, paired by scene; the first is the baseline"
    )
    compare.add_argument(
        "arms", nargs="+", metavar="[LABEL=]FOLDER[,FOLDER...]",
        help="an evaluation, a run (after training; RUN:before), or one of these for each training seed; globs work",
    )  # fmt: skip
    compare.add_argument("--by", choices=("kind", "decision", "all", "none"), default="all", help="what else to tell")
    compare.add_argument("--metrics", default="", metavar="A,B,...", help="these, or all (default: headline ones)")
    compare.add_argument("--primary", metavar="METRIC", help="tested first; none for none (default: consistency)")
    compare.add_argument(
        "--unit", choices=("auto", "scene", "episode"), default="auto",
        help="what is independent (default: episodes where they have several scenes)",
    )  # fmt: skip
    compare.add_argument("--any-decoding", action="store_true", help="also where temperature, top_p or samples differ")
    compare.add_argument("--out", type=Path, metavar="FILE", help="write what --json prints to this file")
    compare.add_argument("--json", action="store_true", dest="as_json")

    ablate = verb("ablate", _ablate, "one recipe with one thing changed at a time, for several seeds, as one table")
    ablate.add_argument("config", help="a YAML file, or the name of a shipped ablation")
    ablate.add_argument("overrides", nargs="*", metavar="key.path=value")
    ablate.add_argument("--out", type=Path, metavar="DIR", help="of all runs and the table (default: runs/ABLATION)")
    ablate.add_argument("--cells", nargs="+", default=[], metavar="CELL", help="only these (default: all)")
    ablate.add_argument("--seeds", nargs="+", type=int, metavar="N", help="only these (key: seeds)")
    ablate.add_argument("--jobs", type=int, metavar="N", help="cells that run at the same time (key: jobs)")
    ablate.add_argument("--show", action="store_true", help="run nothing; the table of what is finished")
    ablate.add_argument("--dry-run", action="store_true", help="check every cell, and tell what is to be run")
    ablate.add_argument("--json", action="store_true", dest="as_json")

    report = verb("report", _report, "write report.html of a run, finished or not, and tell signs of a hacked reward")
    report.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder")
    report.add_argument("--scenes", type=int, metavar="N", help="draw N scenes at most (default: report.scenes)")
    report.add_argument("--threshold", action="append", default=[], metavar="NAME=VALUE", help="raise a flag above it")
    report.add_argument("--json", action="store_true", dest="as_json")

    export = verb("export", _export, "write a trained policy as a plain Hugging Face folder, adapters merged")
    export.add_argument("source", type=Path, metavar="RUN_OR_CHECKPOINT", help="of a run, its best checkpoint")
    export.add_argument("target", type=Path, metavar="OUT", help="a folder that is not there yet, or empty")

    doctor = verb("doctor", _doctor, "what this machine can run, what is missing, and the line that installs it")
    doctor.add_argument("--json", action="store_true", dest="as_json")
    return parser


def _run_flags(parser: argparse.ArgumentParser, out: str | None) -> None:
    parser.add_argument("--out", type=Path, default=out, help=f"run folder (default: {out or 'runs/RECIPE'})")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--dry-run", action="store_true", help="check config, data, rewards and batch arithmetic only")
    for flag, key, value, text in LAUNCH_FLAGS:
        parser.add_argument(flag, dest=key, metavar=value, help=f"{text} ({key})")


def _quickstart(options: argparse.Namespace) -> int:
    out = Path(options.out)
    overrides = [f"seed={options.seed}", *options.overrides]
    config = _load(catalogue.path_of("quickstart"), overrides)
    if not options.resume and not options.dry_run and not is_rank(os.environ):
        moved = catalogue.make_room(out)
        if moved is not None:
            run_console().print(f"An earlier run was in {out}; it is now in {moved}", soft_wrap=True)
    return _run(config, out, options, stage="grpo")


def _grpo(options: argparse.Namespace) -> int:
    return _run_named(options, stage="grpo")


def _sft(options: argparse.Namespace) -> int:
    return _run_named(options, stage="sft")


def _run_named(options: argparse.Namespace, stage: Stage) -> int:
    config = _load(catalogue.path_of(options.config), options.overrides)
    return _run(config, options.out or Path("runs") / config.recipe, options, stage)


def _load(path: Path, overrides: Sequence[str]) -> RunConfig:
    from .run_config import RunConfig

    return load_config(RunConfig, path, overrides)


def _run(config: RunConfig, out: Path, options: argparse.Namespace, stage: Stage) -> int:
    from .doctor import shadowing

    console = run_console()
    quiet_libraries()
    if config.rollouts.server is not None:
        from rollouts.served import check_machine

        check_machine()
    if not is_rank(os.environ):
        for intruder in shadowing():
            console.print(f"[yellow]{_escaped(intruder)}[/yellow]", soft_wrap=True)
        if options.dry_run:
            from .dry_run import dry_run

            return dry_run(config, console)
        if config.launch.ranks > 1 or config.deepspeed is not None:
            from .run_folder import check_folder

            check_folder(out, config, resume=options.resume)
            return launch(config.launch, ["-m", "recipes.cli", *options.arguments], _plain(console))
    return _run_rank(config, out, options, stage)


def _run_rank(config: RunConfig, out: Path, options: argparse.Namespace, stage: Stage) -> int:
    """This process's part of the run, which is all of it where no launcher started it."""
    from .post_train import post_train
    from .ranks import join, watched
    from .stopping import Stopped, stop_on_signal

    console, timeout_s = run_console(), config.launch.timeout_s
    with stop_on_signal() as stop, watched(join(config), timeout_s, _plain(run_console())) as (ranks, watch):
        console.quiet = not ranks.first
        try:
            post_train(config, out, console, stop, resume=options.resume, until=stage, ranks=ranks)
            return 0
        except Stopped as reason:
            told = f"{reason}; everything so far is in {out}. Go on with: {_resume_line(options, out)}"
            code, told = EXIT_STOPPED, _escaped(told)
        except Ar1RlError as error:
            code, told = _verdict(error)
        except Exception:
            if ranks.count == 1:
                raise
            code, told = EXIT_FAILED, _escaped("\n".join([traceback.format_exc(), *watch.situation()]))
        # The ranks that only notice that another one is gone say nothing.
        end = watch.tell(code, told)
        if end.rank == ranks.index:
            run_console().print(told, soft_wrap=True)
        return end.code


def _resume_line(options: argparse.Namespace, out: Path) -> str:
    verb = "quickstart" if options.run is _quickstart else f"{options.run.__name__.strip('_')} {options.config}"
    seed = [f"--seed {options.seed}"] if options.run is _quickstart else []
    return " ".join(["ar1-rl", verb, *options.overrides, *seed, f"--out {out}", "--resume"])


def _curate(options: argparse.Namespace) -> int:
    settings = [f"curate.policy={options.policy}"] if options.policy is not None else []
    if options.shard is not None:
        shard, slash, shards = options.shard.partition("/")
        if not (slash and shard.isdigit() and shards.isdigit()):
            raise ConfigError(f"--shard: got {options.shard!r}, allowed is I/N, for instance 0/4")
        settings += [f"curate.shard={shard}", f"curate.shards={shards}"]
    config = _load(catalogue.path_of(options.config), [*options.overrides, *settings])
    quiet_libraries()
    from .curate import curate
    from .stopping import Stopped, stop_on_signal

    console = run_console()
    with stop_on_signal() as stop:
        try:
            curate(config, options.out, console, stop, merge_only=options.merge)
        except Stopped as reason:
            console.print(
                f"{reason}; every finished batch is in {options.out}. The same command goes on", soft_wrap=True
            )
            return EXIT_STOPPED
    return 0


def _eval(options: argparse.Namespace) -> int:
    quiet_libraries()
    from rich.console import Console

    from . import evaluate_policies
    from .stopping import Stopped, stop_on_signal

    words = [*options.policies, *options.overrides]
    overrides = [word for word in words if "=" in word and not os.path.exists(word)]  # of any length
    settings = [] if options.decoding is None else [f"eval.decoding={options.decoding}"]
    if (options.best_of is None) != (options.by is None):
        raise ConfigError("--best-of K and --by MIX go together: how many are drawn, and what chooses")
    if options.by is not None:
        from .mix_spec import mix_config_of

        mix = mix_config_of(options.by).model_dump_json(exclude_unset=True)
        settings += [f"eval.samples_per_scene={options.best_of}", f"eval.best_by={mix}"]
    console = Console(stderr=True) if options.as_json else run_console()
    with stop_on_signal() as stop:
        try:
            return evaluate_policies.run(
                [word for word in words if word not in overrides],
                scenes=options.scenes,
                out=options.out,
                seed=options.seed,
                config=options.config,
                overrides=[*overrides, *settings],
                console=console,
                stop=stop,
                as_json=options.as_json,
            )
        except Stopped as reason:
            told = f"{reason}; every finished chunk is in {options.out}. The same command goes on"
            console.print(told, soft_wrap=True, markup=False)
            return EXIT_STOPPED


def _recipes(options: argparse.Namespace) -> int:
    console = run_console()
    if options.action == "list":
        console.print(catalogue.table())
        return 0
    if options.name is None:
        shipped = [*catalogue.names(), *catalogue.ablations()]
        raise ConfigError(f"recipes {options.action}: which one? {', '.join(shipped)}")
    path = catalogue.shipped_path_of(options.name)
    if options.action == "show":
        print(path.read_text(), end="")
        return 0
    console.print(f"Wrote {catalogue.copy(path, Path(options.target or '.'))}", soft_wrap=True)
    return 0


def _check_critic(options: argparse.Namespace) -> int:
    from . import check_critic

    return check_critic.run(
        options.critic,
        overrides=options.overrides,
        repeats=options.repeat,
        references=options.references,
        thresholds=options.threshold,
        as_json=options.as_json,
    )


def _rewards(options: argparse.Namespace) -> int:
    from . import own_rewards

    console = run_console()
    if options.action == "list":
        return own_rewards.list_rewards(console, as_json=options.as_json)
    if options.file is None:
        raise ConfigError("rewards new: which file? For instance: ar1-rl rewards new my_reward.py")
    check = own_rewards.write_template(options.file)
    console.print(f"Wrote {options.file}. Check it with: {check}", soft_wrap=True, markup=False)
    return 0


def _check_rewards(options: argparse.Namespace) -> int:
    from . import check_rewards

    return check_rewards.run(options.spec, options.overrides, options.ladder, run_console(), as_json=options.as_json)


def _score(options: argparse.Namespace) -> int:
    from . import score

    return score.run(
        options.source,
        rewards=options.rewards,
        label=options.label,
        out=options.out,
        ask=options.ask,
        as_json=options.as_json,
    )


def _compare(options: argparse.Namespace) -> int:
    from . import compare

    return compare.run(
        options.arms,
        by=options.by,
        metrics=[name for name in options.metrics.split(",") if name],
        primary=options.primary,
        unit=options.unit,
        any_decoding=options.any_decoding,
        as_json=options.as_json,
        out=options.out,
    )


def _ablate(options: argparse.Namespace) -> int:
    from rich.console import Console

    from .ablation import command
    from .stopping import Stopped, stop_on_signal

    settings = [] if options.jobs is None else [f"jobs={options.jobs}"]
    if options.seeds is not None:
        settings.append(f"seeds={options.seeds}")
    console = Console(stderr=True) if options.as_json else run_console()
    with stop_on_signal() as stop:
        try:
            return command.run(
                options.config,
                [*options.overrides, *settings],
                out=options.out,
                cells=options.cells,
                show_only=options.show,
                dry_run=options.dry_run,
                as_json=options.as_json,
                console=console,
                stop=stop,
            )
        except Stopped as reason:
            console.print(f"{reason}; cells have saved what they had. The same command goes on", soft_wrap=True)
            return EXIT_STOPPED


def _report(options: argparse.Namespace) -> int:
    from . import report

    return report.run(options.run_folder, thresholds=options.threshold, scenes=options.scenes, as_json=options.as_json)


def _export(options: argparse.Namespace) -> int:
    from .export import export

    quiet_libraries()
    source = export(options.source, options.target)
    run_console().print(f"Wrote {options.target} from {source}", soft_wrap=True)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from . import doctor

    return doctor.run(options.as_json)


def _plain(console: Console) -> Callable[[str], None]:
    """Prints text as it is."""
    return functools.partial(console.print, soft_wrap=True, markup=False)


def _escaped(error: object) -> str:
    from rich.markup import escape

    return escape(str(error))


if __name__ == "__main__":
    sys.exit(main())
