"""What only one method shows, a file each: `rcig` (learned labels, loss traces, gradients)."""
