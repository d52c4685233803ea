"""Measured times, each a command that writes a JSON file.

`latency` of a picture and its `roofline`, `throughput` of training, `input_pipeline`, and `peers`,
the same in other libraries.
"""
