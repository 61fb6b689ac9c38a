"""What each figure shows, computed from a study or search as plain values; report/figures/ draws them."""
