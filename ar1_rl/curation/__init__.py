"""Which scenes are worth training on: where the policy and the reward disagree (arXiv 2511.00088, section 5.3.3)."""
