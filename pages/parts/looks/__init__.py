"""What one backbone sees, for the page Backbones.

found   which instruments have looked at a backbone, and how to ask for what is missing
cards   cards of backbones beside each other: accuracies, dimensions, cost, spectrum, hardest pairs of classes
places  what backbones see in a set's images and in real ones, patch by patch
look_of_set  the style of a set beside real images, its robustness, how near it is to copies
depth   how well each layer tells the classes apart, as curves
"""
