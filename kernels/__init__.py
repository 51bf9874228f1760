"""Triton kernels; each is described by the plain torch function of the same name in dinplug.ops.

Imports torch, triton and its own modules, nothing of dinplug.
"""

from .channel_sums import rescaled_sum, weighted_sum

__all__ = ["rescaled_sum", "weighted_sum"]
