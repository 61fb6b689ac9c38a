"""The drawing of every figure, a file each, from plain values. Nothing here reads a report, a record or a study."""
