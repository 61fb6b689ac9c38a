"""Statistics of plain numbers: seeds described, compared, ranked. No other part of ablate is needed."""
