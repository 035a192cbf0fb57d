"""Two pictures under one slider: `before_after`."""
