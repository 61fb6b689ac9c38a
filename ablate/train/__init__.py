"""Trains one trial: recipe, training loop, checkpoints. Randomness is a function of (seed, stream, epoch)."""
