"""Comparisons of features: nearest images, maps, and how alike backbones are.

neighbours  nearest real images, the rank of an image's own class, the distance from the class's centre
alignment   how alike two backbones see the same images: the table of measures
samples     what the measures are computed of: features as they are, permuted, resampled
pair_sums   sums over all pairs of images, permuted and resampled, of which CKA and RSA are made
shared_neighbours  what two backbones' neighbourhoods have in common, image by image
calibration  measures against chance: threshold, p, calibrated score, interval, consensus
torn_groups  groups of images that one backbone holds together and another tears apart
projection  two dimensions: PCA, UMAP, and places for new points on a map that is fixed
compiled_umap  umap-learn, with what it compiles kept on disk
aligned_maps  maps of several backbones that can be laid over each other
trail       a map kept during a distillation, and the path of the synthetic images across it
embedding   a run that maps real images and places other runs' images among them
chosen      the real images that a baseline takes, as its settings ask
comparison  a run that compares backbones pair by pair, and says where they disagree
catalog     the instruments: kinds of run that look at one backbone, or at one set of images (no torch)
first_moments  how much of a head's gradient the class means explain, by the size of its outputs
spectrum    how a backbone spreads images over its features: effective dimension, RankMe, separation of classes
real_accuracy  how well its features tell the classes of real images apart: a head, the nearest mean, k-NN
layer_sweep    a run over the layers of a backbone
backbone_card  a run that describes one backbone on one data set
patch_colours  patches as colours: three principal axes for all images, turned onto another backbone's
patches        a run that shows what backbones see place by place: colours, and the evidence for a class
style_measures  radial power spectrum, colours, damage by JPEG, blur, noise and resizing, structural similarity
style          a run that looks at a set's style beside real images, its robustness, and how near it is to copies
thumbnails  small pictures of the real images, on pages that all runs share
"""
