"""The commands, a file a subject. They compose the stages and hold no logic."""
