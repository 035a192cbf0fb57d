"""The colour correlation of natural images, as plain numbers: no torch.

>>> len(CORRELATION_ROOT), len(CORRELATION_ROOT[0])  # red, green, blue x three independent directions
(3, 3)
"""

# Square root of the colour correlation of natural images, as used in feature visualisation (lucid).
CORRELATION_ROOT = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
