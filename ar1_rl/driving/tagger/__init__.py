"""A small trained network that tags the words of a text with the decisions they claim. Trained by `recipes.tagger`."""
