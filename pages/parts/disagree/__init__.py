"""What the page Disagreement shows.

chosen       which comparison, which two backbones, which k: choices in the URL
galleries    images with their neighbourhoods in each backbone; groups that one backbone tears apart
chance       the number of common neighbours against chance, and class by class
measured     the matrix of a measure, and all measures of a pair
"""
