"""Scores: the measures, the protocols, the evaluation of a model over pairs, and the demo."""
