"""The transfer matrix: `matrix` (the component), `alignment` beside it, `sided`: whose side the others take, `opened` (one evaluation)."""
