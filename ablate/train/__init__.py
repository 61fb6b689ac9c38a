"""One trial: its recipe, its loop, its checkpoints. Randomness is a function of (seed, stream, epoch)."""
