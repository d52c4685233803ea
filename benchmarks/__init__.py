"""Measured times, each a command that writes a JSON file.

`latency` of a picture and its `roofline`, `throughput` of training, `input_pipeline`, a `folder` of
pictures, and `peers`, the same in other libraries. `ablation` measures what choices of the recipe
are worth.
"""
