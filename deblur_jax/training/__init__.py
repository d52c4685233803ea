"""Training: the algorithm (`steps`), devices (`parallel`), and the run around them (`loop`)."""
