"""What follows a run while it goes on: trackers of other tools, and a function of the reader's own."""
