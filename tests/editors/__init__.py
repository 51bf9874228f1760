"""Recipes for other programs, tried in the programs themselves."""
