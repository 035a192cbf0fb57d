"""Frozen, pre-trained vision models; and small ones that are trained here, from scratch.

catalog     a row each: source, revision, size, mean and std, feature, licence, citation; names and aliases (no torch)
row         what a row holds, and the kinds of source (no torch)
open_names  completes the row of an open name, `timm:NAME` or `open_clip:NAME/TAG`, from the library's own table
weights     finds or fetches a row's weights; converts them once to safetensors
hub         one file of a model hub's repository: pinned, resumed, checked
layouts     key names of a checkpoint -> key names of the architecture
builders    row and weights -> network without its classifier, one short function per library
folding     batch norms folded into their convolutions: the same features for a third less work
frozen      name -> Backbone: frozen, in eval mode, owner of its normalisation
students       small networks that are trained here, from scratch: ConvNet, ResNet, VGG, AlexNet
student_names  what they are called: "conv", "resnet:batch", "conv:augmented" (no torch)
"""
