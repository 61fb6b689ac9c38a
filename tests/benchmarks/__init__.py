"""Benchmarks: two ways of doing the same, timed side by side in one run, as ratios. See `python -m tests.benchmarks -h`."""
