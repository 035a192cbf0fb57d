"""Maps of embeddings.

map            the component: several maps with one selection
points         the real points of a map, packed for it
morph          one map of several backbones, with a slider from one to the next
embedded       which maps there are, and how to ask for one
gallery        what a lasso holds
neighbourhood  the nearest real images, as rows
"""
