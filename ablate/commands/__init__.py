"""The commands, one module per subject. They call the other packages and contain no logic."""
