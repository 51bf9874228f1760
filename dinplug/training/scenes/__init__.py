"""Rendered scenes whose depth is known exactly."""
