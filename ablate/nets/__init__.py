"""Network architectures: name <-> Architecture -> Blueprint -> torch module.

This package imports nothing of ablate but errors and registry. Only `build`, `custom` and `weights` need torch.
"""
