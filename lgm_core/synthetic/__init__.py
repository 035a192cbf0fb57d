"""The learned images: `pixels` (plain), `pyramid` (sum of levels), `colour` (decorrelated colour -> RGB in [0, 1])."""
