"""How the images are told what to teach: what a step compares the synthetic side with, and how.

catalog    the objectives, a line each
objective  what each of them is: from features of a step's views to a loss
gradient   the gradient of a head on the images against that on the real data: by angle, by angle class by class,
           by squared distance
with_classes  of several images per class: clusters and whole classes together
ridge      the head that solves ridge regression on the images, tried on the real data
"""
