"""Hand-made labels that the text parser and the meta-action reader are measured against; `README.md` has the rules."""
