"""From a config to a mix: rewards by name, from installed packages, or from a file of a user's own; presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from pydantic import Field, model_validator

from ar1_rl.config import ConfigModel, check_config
from ar1_rl.errors import ConfigError
from ar1_rl.plugins import construct, is_spec, load_callable, nearest

from .base import Credit, Needs
from .comfort import Comfort, Jerk
from .consistency import Consistency
from .critic.factory import critic
from .failures import FAILURE_RATE, FAILURE_WINDOW, FailureLimits
from .format import Format
from .imitation import Imitation
from .mix import STALL_S, Mix
from .presets import PRESETS
from .safety import Collision, Safety
from .terms import Gate, OnFailure, Term

ENTRY_POINTS = "ar1_rl.rewards"
"""Entry point group under which installed packages offer rewards."""

TAKES = ("completion", "scene")
"""What every reward is called with; one per group of siblings gets their list first."""

BUILT_IN: dict[str, Callable[..., Any]] = {
    "format": Format,
    "imitation": Imitation,
    "comfort": Comfort,
    "jerk": Jerk,
    "safety": Safety,
    "collision": Collision,
    "consistency": Consistency,
    "critic": critic,
}


class GateConfig(ConfigModel):
    """Closes the mix to completions whose value of the term is at or below `closes_at`."""

    closes_at: float
    name: str = ""


class TermConfig(ConfigModel):
    """One term: it adds weight * (value - offset) / scale."""

    reward: str
    """A built-in name, that of an installed package, `path/to/file.py:name` or `package.module:name`."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the reward."""
    name: str = ""
    """Of the term, in logs and records; unset: the reward's own."""
    weight: float = Field(1.0, ge=0.0)
    """0: recorded only."""
    offset: float = 0.0
    scale: float = Field(1.0, gt=0.0)
    required: bool | None = None
    """Whether a completion without this value is not judged at all; unset: yes, if the term counts for anything."""
    on_failure: OnFailure = "abstain"
    failure_value: float | None = None
    gate: GateConfig | None = None
    needs: Needs | None = None
    """When a reward of one's own can be asked; unset: its attribute `needs`, else "trajectory"."""
    credit: Credit | None = None
    """Whose tokens it moves where grpo.credit is not `shared`; unset: its attribute `credit`, else what it needs."""
    range: tuple[float, float] | None = Field(None, strict=False)
    """Lowest and highest value of a reward of one's own; unset: its attribute `value_range`, else 0 to 1."""
    per_group: bool | None = None
    """Whether a reward of one's own is called with all siblings of a scene; unset: its attribute `per_group`."""


class MixConfig(ConfigModel):
    """The mix of rewards of a run: terms, or a preset by name."""

    terms: tuple[TermConfig, ...] = Field((), strict=False)
    preset: str | None = None
    """A published mix instead of terms; `ar1-rl rewards list` shows them."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the preset."""
    gate_value: float | None = None
    """Of a completion that a gate has closed; unset: the lowest sum."""
    undecodable_value: float | None = None
    """Of a completion without a trajectory; unset: a tenth of the range below everything else."""
    failure_window: int = Field(FAILURE_WINDOW, ge=1)
    """Completions asked, per term, over which failures of judges are counted."""
    failure_rate: float = Field(FAILURE_RATE, ge=0.0, le=1.0)
    """A run stops when more than this share of the window failed; 1: never."""
    stall_s: float = Field(STALL_S, gt=0.0)
    """Seconds without any answer, at the end of a batch, after which a reward that is waited for has stalled."""

    @model_validator(mode="after")
    def _terms_or_preset(self) -> MixConfig:
        if self.preset is None:
            if not self.terms:
                raise ValueError("terms: a mix needs at least one term, or a preset")
            if self.arguments:
                raise ValueError("arguments: they go with a preset; those of a reward stand in its term")
            return self
        if self.preset not in PRESETS:
            raise ValueError(f"preset: got {self.preset!r}{nearest(self.preset, PRESETS)}")
        own = [key for key in ("terms", "gate_value", "undecodable_value") if getattr(self, key) not in ((), None)]
        if own:
            raise ValueError(f"{', '.join(own)}: the preset {self.preset!r} has its own")
        return self

    @property
    def training_fault(self) -> str | None:
        """Why a run cannot train on this mix, as far as the config tells; see `Mix.training_fault`."""
        if self.preset is not None:
            return PRESETS[self.preset].control or None
        if all(term.weight == 0 for term in self.terms) and self.gate_value is None:
            return "every weight is 0, so there is nothing to learn; give one term a weight above 0"
        return None

    def build(self) -> Mix:
        """The mix; ConfigError has all faults."""
        return build_mix(self)


def build_mix(config: MixConfig | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Mix:
    """A mix from its config, or from plain mappings: the whole, or only its terms. ConfigError has all faults."""
    if not isinstance(config, MixConfig):
        raw = config if isinstance(config, Mapping) else {"terms": list(config)}
        config = check_config(MixConfig, raw, source="rewards")
    limits = FailureLimits(config.failure_window, config.failure_rate)
    if config.preset is not None:
        mix = load_preset(config.preset, **config.arguments)
        mix.failure_limits, mix.stall_s = limits, config.stall_s
        return mix
    terms, faults = [], []
    for position, term in enumerate(config.terms):
        try:
            terms.append(_term(term))
        except ConfigError as error:
            faults.append(f"terms.{position}: {error}")
    if faults:
        raise ConfigError("rewards: " + "; ".join(faults))
    return Mix(
        terms,
        gate_value=config.gate_value,
        undecodable_value=config.undecodable_value,
        failure_limits=limits,
        stall_s=config.stall_s,
    )


def load_preset(name: str, **arguments: Any) -> Mix:
    """A published mix; a `critic` among its arguments is a reward by name, or a mapping {reward, arguments}."""
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} does not exist{nearest(name, PRESETS)}")
    judge = arguments.get("critic")
    if isinstance(judge, str):
        judge = {"reward": judge}
    if isinstance(judge, Mapping):
        term = check_config(TermConfig, judge, source=f"preset {name}, critic")
        arguments["critic"] = load_reward(term.reward, **term.arguments)
    mix = construct(name, PRESETS[name].build, arguments, what="preset")
    assert isinstance(mix, Mix), "every preset builds a mix"
    return mix


def load_reward(spec: str, **arguments: Any) -> Callable[..., Any]:
    """The reward that `spec` names, with keyword arguments bound.

    `spec` is a built-in name, one that an installed package offers under the entry point group `ar1_rl.rewards`,
    `path/to/file.py:name` or `package.module:name`. A class is constructed with the arguments; a function keeps them
    for each call. Raises ConfigError where the file or the name is missing, the file does not run, or an argument does
    not fit.
    """
    if is_spec(spec):
        return load_callable(spec, arguments, takes=TAKES, what="reward")
    if spec in BUILT_IN:
        return cast(Callable[..., Any], construct(spec, BUILT_IN[spec], arguments, what="reward"))
    offered = [entry for entry in installed_rewards() if entry.name == spec]
    if len(offered) > 1:
        raise ConfigError(
            f"reward {spec!r}: several installed packages offer it; name the one you mean by "
            + " or ".join(repr(entry.value) for entry in offered)
        )
    if offered:
        return load_callable(offered[0].value, arguments, takes=TAKES, what="reward")
    if spec in PRESETS:
        raise ConfigError(f"reward {spec!r} is a preset, a whole mix: write `rewards: {{preset: {spec}}}`")
    names = [*BUILT_IN, *(entry.name for entry in installed_rewards())]
    raise ConfigError(
        f"reward {spec!r} is neither built in nor installed{nearest(spec, names)}; "
        "name your own by 'path/to/file.py:name' or 'package.module:name'"
    )


def installed_rewards() -> list[EntryPoint]:
    """Rewards that installed packages offer, by name."""
    return sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: (entry.name, entry.value))


def _term(config: TermConfig) -> Term:
    return Term(
        reward=load_reward(config.reward, **config.arguments),
        name=config.name,
        weight=config.weight,
        offset=config.offset,
        scale=config.scale,
        required=config.required,
        on_failure=config.on_failure,
        failure_value=config.failure_value,
        gate=None if config.gate is None else Gate(config.gate.closes_at, config.gate.name),
        needs=config.needs,
        credit=config.credit,
        value_range=config.range,
        per_group=config.per_group,
    )
