"""The Watch page beside its player: `details` (results, settings, log), `fork`, `export` (the film)."""
