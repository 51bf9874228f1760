"""Run networks over photos of any size: exact tiling in bounded memory."""
