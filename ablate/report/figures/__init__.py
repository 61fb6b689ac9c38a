"""The drawing of every figure from plain values, one file each. Nothing here reads a report, a record or a study."""
