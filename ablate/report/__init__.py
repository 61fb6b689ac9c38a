"""Turns records into summaries, tables and figures. Equal records give equal bytes."""
