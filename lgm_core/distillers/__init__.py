"""Methods: `lgm` (Linear Gradient Matching) and `targets` (three ways to its real side)."""
