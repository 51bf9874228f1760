"""Degradations made on the fly: each a pure function of pixels and a seeded generator."""
