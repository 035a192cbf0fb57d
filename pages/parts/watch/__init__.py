"""The Watch page beside its player: `details` (results, settings, log), `fork`, `made_of` (groups), `export`."""
