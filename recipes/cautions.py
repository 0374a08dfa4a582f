"""Settings that are allowed and seldom meant: told before a run, and by `--dry-run`."""

from __future__ import annotations

from collections.abc import Iterator

from ar1_rl.policy.pretrained import saved_dtype

from .run_config import RunConfig


def cautions(config: RunConfig) -> list[str]:
    """One line each."""
    return [*_cut_sampling(config), *_other_dtype(config)]


def _cut_sampling(config: RunConfig) -> Iterator[str]:
    top_p = config.rollouts.top_p
    if top_p < 1.0:
        yield (
            f"rollouts.top_p is {top_p:g}: the engine tells log-probabilities of the distribution that it cut and "
            "scaled up again, the trainer those of the whole one, so every importance-sampling ratio is too low (watch "
            "sampling/ratio in metrics.jsonl); train with rollouts.top_p=1.0, eval.top_p is apart from it"
        )


def _other_dtype(config: RunConfig) -> Iterator[str]:
    path, dtype = config.policy.path, config.policy.dtype
    saved = None if path is None else saved_dtype(path)
    if saved in ("bfloat16", "float16") and dtype == "float32":
        yield (
            f"policy {path} was saved in {saved} and is trained and sampled in float32: twice the memory, and served "
            f"in {saved} afterwards it is not quite what was trained; policy.dtype=bfloat16 keeps to 16 bits"
        )
