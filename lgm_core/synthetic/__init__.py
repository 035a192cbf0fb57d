"""The learned images.

pixels    plain
pyramid   sum of levels
colour    decorrelated colour -> RGB in [0, 1]
labelled  pixels as a network sees them, with learned labels and a learned temperature; their running mean
"""
