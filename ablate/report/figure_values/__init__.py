"""What each figure of a study shows, computed from its report as plain values; report/figures/ draws them."""
