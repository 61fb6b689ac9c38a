"""A document, or a table of it, in the language of a file: one module for each."""
