"""Sampling through transformers' own `generate`, for machines without vLLM.

`generate` has no seed per row. Drawing from a softmax is the same as taking the largest logit after adding Gumbel
noise, so a logits processor adds each row's own noise and generation runs greedily.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ar1_rl.errors import ConfigError

from .config import EngineConfig, SamplingConfig
from .engine import Event, Images, Progress, Request, Sample, Whole, collect
from .vision.undrawable import BAN, undrawable

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, ProcessorMixin


def open_engine(path: str, config: EngineConfig, dtype: str) -> SequentialEngine:
    """An engine over the policy folder at `path`."""
    from ar1_rl.policy.loading import load_policy

    policy = load_policy(path, dtype)
    pad = int(policy.tokenizer.pad_token_id)
    return SequentialEngine(policy.model.eval(), pad, config.max_sequences, policy.processor)


class SequentialEngine:
    """`Engine` over a transformers model in this process; the model may be one that is being trained.

    A model that sees comes with its processor.
    """

    def __init__(
        self, model: PreTrainedModel, pad_token_id: int, batch_size: int, processor: ProcessorMixin | None = None
    ) -> None:
        self._model = model
        self._pad = pad_token_id
        self._batch_size = batch_size
        self._processor = processor

    def stream(
        self,
        requests: Sequence[Request],
        sampling: SamplingConfig,
        stop_token_id: int,
        text_end_token_id: int | None = None,
    ) -> Iterator[list[Event]]:
        """One sample a request, told of batch by batch; each has its own random stream."""
        import torch

        training = self._model.training
        self._model.eval()
        try:
            for start in range(0, len(requests), self._batch_size):
                batch = requests[start : start + self._batch_size]
                noise = _SeededNoise([r.seed for r in batch], sampling, undrawable(self._model.config))
                ids, mask = self._left_padded([r.prompt_token_ids for r in batch])
                seen = self._seen([r.images for r in batch], ids)
                with torch.no_grad():
                    whole = self._model.generate(
                        input_ids=ids,
                        attention_mask=mask,
                        do_sample=False,
                        max_new_tokens=sampling.max_completion_tokens,
                        eos_token_id=stop_token_id,
                        pad_token_id=self._pad,
                        logits_processor=[noise],
                        **seen,
                    )
                drawn = enumerate(whole[:, ids.shape[1] :].tolist(), start)
                yield [Whole(row, noise.sample(row - start, tokens, stop_token_id)) for row, tokens in drawn]
        finally:
            self._model.train(training)

    def sample(
        self,
        requests: Sequence[Request],
        sampling: SamplingConfig,
        stop_token_id: int,
        progress: Progress | None = None,
    ) -> list[Sample]:
        """One sample a request, in order."""
        return collect(self.stream(requests, sampling, stop_token_id), progress)

    def logprobs(
        self,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        progress: Progress | None = None,
        images: Sequence[Images] | None = None,
    ) -> list[tuple[float, ...]]:
        """Log-probabilities of given completions at temperature 1."""
        import torch

        shown = images or [()] * len(prompts)
        scored: list[tuple[float, ...]] = []
        for start in range(0, len(prompts), self._batch_size):
            batch = slice(start, start + self._batch_size)
            whole = [[*p, *c] for p, c in zip(prompts[batch], completions[batch], strict=True)]
            ids, mask = self._left_padded(whole)
            seen = self._seen(shown[batch], ids)
            # A model that is told where its images are counts positions in its own way.
            if "mm_token_type_ids" not in seen:
                seen["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
            with torch.no_grad():
                logits = self._model(input_ids=ids, attention_mask=mask, **seen).logits
            steps = torch.log_softmax(logits[:, :-1].float(), dim=-1)
            # The placeholder of an image may lie behind the vocabulary; it is never in a completion.
            asked = ids[:, 1:, None].clamp(max=steps.shape[-1] - 1)
            chosen = steps.gather(-1, asked).squeeze(-1)
            scored += [
                tuple(row[len(row) - len(completion) :].tolist())
                for row, completion in zip(chosen, completions[batch], strict=True)
            ]
            if progress:
                progress(len(whole))
        return scored

    def _seen(self, images: Sequence[Images], ids_BT: torch.Tensor) -> dict[str, Any]:
        """What the model is given of the images of a batch, each preprocessed once."""
        if not any(images):
            return {}
        if self._processor is None:
            raise ConfigError(
                "prompts with images, and a model without a processor: give SequentialEngine its processor"
            )
        return model_inputs(self._processor, images, ids_BT)

    def _left_padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        width = max(len(row) for row in rows)
        ids = torch.tensor([[self._pad] * (width - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self._model.device), mask.to(self._model.device)


def model_inputs(processor: ProcessorMixin, images: Sequence[Images], ids_BT: torch.Tensor) -> dict[str, torch.Tensor]:
    """Pixel values, and what else a model wants to know about the images of a batch, on its device.

    Rows that share their images by reference share the work of preprocessing.
    """
    import torch

    once: dict[int, Any] = {}
    for shown in images:
        if shown and id(shown) not in once:
            once[id(shown)] = processor.image_processor(list(shown), return_tensors="pt")
    rows = [once[id(shown)] for shown in images if shown]
    names = [name for name in rows[0] if name in ("pixel_values", "image_grid_thw")]
    inputs = {name: torch.cat([row[name] for row in rows]).to(ids_BT.device) for name in names}
    if "mm_token_type_ids" in processor.model_input_names:
        inputs["mm_token_type_ids"] = (ids_BT == processor.image_token_id).long()
    return inputs


class _SeededNoise:
    """Temperature, top-p, then one Gumbel stream a row; remembers the log-probability of every token it could pick."""

    def __init__(self, seeds: Sequence[int], sampling: SamplingConfig, banned: Sequence[int]) -> None:
        import torch

        self._banned = list(banned)
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._sampling = sampling
        self._chosen: list[Any] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        scores = scores.float()
        scores[:, self._banned] += BAN
        if self._sampling.temperature == 0.0:
            logprobs = torch.log_softmax(scores, dim=-1)
            self._chosen.append(logprobs.max(-1).values.tolist())
            return logprobs
        logprobs = torch.log_softmax(scores / self._sampling.temperature, dim=-1)
        if self._sampling.top_p < 1.0:
            ordered, order = logprobs.sort(dim=-1, descending=True)
            before = ordered.exp().cumsum(-1) - ordered.exp()
            ordered = ordered.masked_fill(before >= self._sampling.top_p, -torch.inf)
            logprobs = torch.log_softmax(torch.empty_like(logprobs).scatter(-1, order, ordered), dim=-1)
        uniform = torch.stack([torch.rand(logprobs.shape[-1], generator=g) for g in self._generators])
        noisy = logprobs - torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7))).to(logprobs.device)
        self._chosen.append(logprobs.gather(-1, noisy.argmax(-1, keepdim=True)).squeeze(-1).tolist())
        return noisy

    def sample(self, row: int, tokens: Sequence[int], stop_token_id: int) -> Sample:
        """The tokens of one row up to its stop token, and their log-probabilities."""
        length = tokens.index(stop_token_id) + 1 if stop_token_id in tokens else len(tokens)
        return Sample(token_ids=tuple(tokens[:length]), logprobs=tuple(step[row] for step in self._chosen[:length]))
