"""What features say: tensors in, tensors or numbers out, in chunks, so that 50,000 images fit.

neighbours  nearest real images, the rank of an image's own class, the distance from the class's centre
alignment   how alike two backbones see the same images: linear CKA, mutual nearest neighbours
projection  two dimensions: PCA, UMAP, and places for new points on a map that is fixed
"""
