"""Linear Gradient Matching, arXiv 2511.16674: images that give a linear head the gradient of the real data.

config        its settings (no torch); `lgm_settings`: all groups together, and whether they fit
presets       starting points by name (no torch); `efforts`: settings by rules, from one dial
step          one step: the images' gradient in one backbone or in several, Adam
source        one backbone that the images are learned in: views, features, loss, in chunks that fit into memory
objectives    what the loss is (a package, a file each)
gradients     the head's gradient in closed form, and the distance between two
metric        directions in which a class varies in itself count less in a gradient
targets       the real data's gradient, three ways: from class means, the whole bank, a fresh batch
confused      pairs of classes that a backbone takes for each other, for a contrast set
clusters      parts of a class, one for each of its images
learned_images  what a step needs of the images; implemented by
pyramid       the images as a sum of levels; `pixels`: as plain pixels; `phases`: under a fixed spectrum
colour        from values to RGB
assembly      from a config to a distiller that is ready to step
natural_colour  the colour correlation of natural images, as plain numbers (no torch)
measure, estimate  what a step costs here, and what a run will take (`estimate` needs no torch)
levels        the levels of a checkpoint as pictures (no torch)
literal_step  the paper's step as its public code does it: oracle and yardstick
"""
