"""How fast it is: two ways of doing the same, side by side in one run, as ratios."""
