"""What a study will cost: networks timed on this device, and estimates from the times."""
