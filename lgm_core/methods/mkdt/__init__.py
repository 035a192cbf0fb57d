"""Matching knowledge distillation trajectories, arXiv 2410.02116: images and targets on which a network is pre-trained.

config, presets    its settings, and the paper's configurations by name (no torch)
assembly           from a config to a distiller that is ready to step: targets, experts, hardest images, each kept
experts            networks that learn the teacher's targets of all images, with a snapshot after each epoch
trajectories       where the snapshots are kept: a file per expert, memory-mapped
sealed_arrays      arrays on disk with a digest of each row: one flipped bit is noticed
hardest            training images by their loss early in training
unrolled           a student's plain descent on the set, and the gradient of where it ends
step               one step: a student follows an expert for a while, and the set learns from the distance left
told               how near students came to experts, as a table of the report (no torch)
imported_sets      sets of MKDT's and KRR-ST's authors, in their layouts, as baselines
kept               which of the first stages lie in the cache already, for `estimate` (no torch)
measure, estimate  what a step costs here, and what a run will take (`estimate` needs no torch)
"""
