"""Methods.

lgm            Linear Gradient Matching
targets        three ways to its real side
rcig           dataset distillation with convexified implicit gradients: the step as a story
inner_problem  what RCIG needs of its inner problem
convexified    its closed forms, the method itself
literal        by autograd alone: the tests' oracle, and the ablations
linearised     a network at fixed parameters, and products with its Jacobian
tangents       the quick way to such products, for plain chains of layers
splices        the same for subsets of many images
parameters     a network's parameters as one flat vector
pool           the partly trained networks of which each step takes one
rate_search    learning rates, searched for and adapted
adam           Adam and AdaBelief on flat tensors
traces         what of a step is worth watching
"""
