"""Ways to distil, a package each: `lgm` (Linear Gradient Matching) and `rcig` (convexified implicit gradients)."""
