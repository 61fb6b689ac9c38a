"""Turns records into summaries, tables and figures. Equal records give equal bytes.

Wherever they are named, `analysis` is what a report is made of, of a study of networks or of a program, or of a search, and
`summary` is what one variant of a study came to.
"""
