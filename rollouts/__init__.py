"""How the policy is asked, and what came back: prompt, sampling engine, the rollout record and its store."""
