"""The GRPO trainer around TRL, and the paper's loss. It takes callables and knows no reward."""
