"""Comparisons of features: nearest images, maps, and how alike backbones are.

neighbours  nearest real images, the rank of an image's own class, the distance from the class's centre
alignment   how alike two backbones see the same images: linear CKA, mutual nearest neighbours
projection  two dimensions: PCA, UMAP, and places for new points on a map that is fixed
trail       a map kept during a distillation, and the path of the synthetic images across it
embedding   a run that maps real images and places other runs' images among them
chosen      the real images that a baseline takes, as its settings ask
comparison  a run that compares backbones pair by pair
thumbnails  small pictures of the real images, on pages that all runs share
"""
