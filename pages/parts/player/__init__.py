"""The player: images, curves and map of a run under one scrubber; Python, JavaScript and styles side by side."""
