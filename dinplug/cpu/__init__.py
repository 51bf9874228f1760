"""Convolutions on a CPU: by machine code of dinplug's own, else by oneDNN."""
