"""What only one method shows: `rcig` (learned labels, loss traces, gradients), `mkdt` (stages, matching)."""
