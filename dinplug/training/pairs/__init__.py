"""Training pairs: degraded and clean pictures, each pair a pure function of its number."""
