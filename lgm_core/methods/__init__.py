"""Ways to distil, a package each, with the same file names in each: config, presets, assembly, step, estimate, measure.

catalog  METHODS: a row each, with all that others have to know of a method (no torch)
lgm      Linear Gradient Matching
mkdt     matching knowledge distillation trajectories
rcig     dataset distillation with convexified implicit gradients
"""
