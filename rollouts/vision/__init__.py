"""How a policy that sees is asked: frames in the prompt, and our architecture in the sampling engine."""
