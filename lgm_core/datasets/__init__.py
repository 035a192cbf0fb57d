"""Data sets: a row each in the catalogue, a reader for each on-disk layout.

catalog           the table of facts, names and aliases, what is here and how to get the rest (no torch)
dataset_row       what is known of one data set (no torch)
groups            groups of images that a person chose, and collections of them (no torch)
group_files       collections on disk, checked when read (no torch)
grouped           a collection opened as a data set, its groups the classes
open              name -> (train, test): the one door for everybody else
fetch             download, verify, unpack
unpacking         archives of anybody's: inside their folder, up to a size that is said
sources           which archives make up a data set, with their checksums
image_set         images in files, in arrays, a subset of either; `load_squares` reads them as one uint8 batch
decoding          an encoded image becomes RGB: 16-bit grey and float pixels too
fitted            all images of a split fitted to a small square by area averaging, kept as one array
wordnet           wnids: their order in ImageNet and their readable names
listings          reading the text lists of official layouts, and the errors that teach
folders           split folders of class folders; ImageNet and its subsets
parquet_shards    Parquet shards as the model hub serves them; ImageNet too
torchvision_sets  what torchvision has a reader for
framed      coloured frames around another data set's images: a spurious feature, with the frames as groups
cub, stanford_dogs, tiny_imagenet, waterbirds, spawrious, resized_imagenet    one official layout each
embedded          scenes, details and digits: carried by installed packages, for a first look
whitened          both splits at a small square, whitened, for networks that are trained from scratch
spread            a share of the images, spread evenly over the classes
given             a folder of class folders, taken as a set for a data set
baselines         ways of choosing real images instead of learning synthetic ones
rivals            the strongest of them: images chosen because they do best, in one backbone or in several
transforms        fitted, invertible maps of images: a room of its own
"""
