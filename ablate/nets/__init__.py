"""Architectures: notation <-> Architecture -> Blueprint -> torch module. A leaf; only `build` needs torch."""
