"""The transfer matrix: `matrix` (the component), `alignment` beside it, `opened` (one evaluation); `sided` (whose side
the others take).
"""
