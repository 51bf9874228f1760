"""Training: clean photos in, degradations made on the fly, weights out."""
