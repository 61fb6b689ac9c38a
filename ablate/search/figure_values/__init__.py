"""What each figure of a search shows, computed from its report as plain values; report/figures/ draws them."""
