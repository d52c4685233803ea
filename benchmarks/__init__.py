"""Measured times, each a command that writes a JSON file: `latency` of a picture, `throughput`."""
