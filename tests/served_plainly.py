"""What plain transformers and plain vLLM, which know nothing of ar1-rl, make of policy folders.

    python tests/served_plainly.py TOKENS_JSON FOLDER...

Prints a JSON object: folder -> the most likely continuation by each.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

NEW_TOKENS = 12


def main(prompt: list[int], folders: list[str]) -> None:
    told: dict[str, dict[str, Any]] = {}
    for folder in folders:
        told[folder] = {"transformers": transformers_writes(folder, prompt), "vllm": vllm_writes(folder, prompt)}
    print(json.dumps(told))


def transformers_writes(folder: str, prompt: list[int]) -> list[int]:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    ids = torch.tensor([prompt])
    written = model.generate(ids, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False)
    return written[0, len(prompt) :].tolist()


def vllm_writes(folder: str, prompt: list[int]) -> list[int]:
    from vllm import LLM, SamplingParams

    model = LLM(model=folder, dtype="float32", enforce_eager=True, max_model_len=192)
    wanted = SamplingParams(temperature=0.0, max_tokens=NEW_TOKENS, min_tokens=NEW_TOKENS, ignore_eos=True)
    (output,) = model.generate([{"prompt_token_ids": prompt}], wanted, use_tqdm=False)
    return list(output.outputs[0].token_ids)


if __name__ == "__main__":
    os.environ.update(
        VLLM_LOGGING_LEVEL="ERROR",
        VLLM_ENABLE_V1_MULTIPROCESSING="0",
        VLLM_CPU_KVCACHE_SPACE="1",
        VLLM_CPU_OMP_THREADS_BIND="nobind",
    )
    main(json.loads(sys.argv[1]), sys.argv[2:])
