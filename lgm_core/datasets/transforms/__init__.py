"""Fitted, invertible maps of images: `transform` (what one is, identity, standardise), `zca` (whitening), `fit`."""
