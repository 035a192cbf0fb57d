"""Dataset distillation with convexified implicit gradients, arXiv 2302.06755: images and labels for small networks.

config, presets    its settings, and the paper's configurations by name (no torch)
step               one outer step, from a network of the pool to AdaBelief
inner_problem      what a step needs of its inner problem; solved two ways:
convexified        in closed form, the method itself
autograd_problem   by autograd alone: the oracle of the tests, and the ablations
linearised         a network at fixed parameters, and products with its Jacobian
tangents           the quick way to such products, for plain chains of layers
splices            the same for subsets of many images
pool               the partly trained networks of which each step takes one
rate_search        learning rates, searched for and adapted
adam               Adam and AdaBelief on flat tensors
labelled           the learned set: pixels, labels, temperature, and their running mean
traces             what the Watch page shows of a step
assembly           from a config to a distiller that is ready to step
published          the authors' checkpoints, read without Flax
measure, estimate  what a step costs here, and what a run will take (`estimate` needs no torch)
learned            learned labels for a report (no torch)
"""
