"""Trains the trials that are not recorded, despite failures. Composes records, data, schedule and train."""
