"""Small networks that are trained here, from scratch, rather than opened with weights.

student_names  what they are called: "conv", "resnet:batch", "conv:augmented" (no torch)
networks       ConvNet, ResNet-18 and -10, VGG-11, AlexNet for images of 8 to 128 px
training       train them on a labelled set, and what they predict
parameters     a network's parameters as one flat vector
small_teacher  one that is trained here, to be a teacher of others
regression     train them to give target vectors, without class numbers
augment_one    one augmentation per image, drawn from a list
real_data      whitened real images at a run's resolution, and the shape of its networks
"""
