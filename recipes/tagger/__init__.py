"""Trains the text tagger of `ar1_rl.driving.tagger` on marked sentences: `python -m recipes.tagger.train`."""
