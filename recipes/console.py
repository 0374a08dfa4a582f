"""The terminal of a run, and silence for libraries that talk over it."""

from __future__ import annotations

import logging
import os
import warnings

from rich.console import Console


def run_console() -> Console:
    """Writes to standard output; in a pipe or file lines keep a readable width."""
    console = Console()
    return console if console.is_terminal else Console(width=110)


def quiet_libraries() -> None:
    """Keep warnings and errors of the libraries, drop their progress bars and notices. Call before importing them."""
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DS_LOG_LEVEL", "error")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    for name in ("vllm", "torch.distributed", "torch._library.triton", "deepspeed", "accelerate", "datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Printed with the whole prompt at every step; rows without a reward are counted and shown by cause.
    logging.getLogger("trl.trainer.grpo_trainer").addFilter(_not_about_unscored_rows)
    # DeepSpeed sets the level of its logger anew when it is imported, and writes to standard output.
    logging.getLogger("DeepSpeed").addFilter(_not_about_the_accelerator)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module="torch")


def _not_about_unscored_rows(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(("All reward functions returned None", "[RANK 0] All reward functions"))


def _not_about_the_accelerator(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Setting accelerator to CPU")
