"""Pairs out of a high-frame-rate video: consecutive frames averaged, the middle one kept sharp."""
