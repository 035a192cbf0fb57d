"""Frozen, pre-trained vision models; and small ones that are trained here, from scratch.

catalog     a row each: source, revision, size, mean and std, feature, licence, citation; names and aliases (no torch)
classifier_rows  rows of small convolutional classifiers (no torch)
small_rows  rows of the ResNet-18s for 32 and 64 px that MKDT was published with (no torch)
points      the feature point in a backbone's name: dinov2_vits14@block6.cls (no torch)
trunks      a network read at its layers: the map of each, and its class token
layers      which points a network has, and a network that stops at one of them
row         what a row holds, and the kinds of source (no torch)
open_rows   rows of names beyond the catalogue: `timm:`, `open_clip:`, `file:`, `python:`, `random:` (no torch)
open_names  completes the row of an open name, `timm:NAME` or `open_clip:NAME/TAG`, from the library's own table
own_network a network that a function of the user's own returns, checked
published_names  the names of timm's and open_clip's models, read from their source (no torch)
untrained   the architecture of a row with random weights, as a control
weights     finds or fetches a row's weights; converts them once to safetensors
stored      the tensors that a file of anybody's holds, read without running anything in it
hub         one file of a model hub's repository: pinned, resumed, checked
layouts     key names of a checkpoint -> key names of the architecture
builders    row and weights -> network without its classifier, one short function per library
folding     batch norms folded into their convolutions: the same features for a third less work
frozen      name -> Backbone: frozen, in eval mode, owner of its normalisation
augment     differentiable views of images: flip, crop, noise
crop        many resized crops of a few images at once
features    features of real images, computed once and kept: the banks
bank_files  the file of a bank: written batch by batch, sealed, mapped
representations  a backbone's features of real images as targets that a small network regresses to
abstract_bench  what a run works with, as methods, evaluations and analyses see it
precision   float32 or bfloat16, whichever is faster here
fitting     how many views fit into memory at once
students    small networks that are trained here, from scratch: a room of its own
"""
