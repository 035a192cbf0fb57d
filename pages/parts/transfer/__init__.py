"""The transfer matrix: `matrix` (the component), `alignment` beside it, `opened` (one evaluation); `growing` (accuracy
against images per class); `sided` (whose side the others take), `both_meanings` (what each sees in the images of one
pair), `pair_study` (the sets still to make).
"""
