"""The values of each figure, computed from a study or a search. report/figures/ draws them."""
