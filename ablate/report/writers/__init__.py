"""Writers of documents and tables: one module per file format."""
