"""Triton kernels; each is described by the plain torch function of the same name in dinplug.ops.

Imports torch, triton and its own modules, nothing of dinplug.
"""

from .coattention import coattention, coattention_weights
from .contrast import contrast, contrast_gate
from .dense_conv import dense_conv
from .moments import channel_means, channel_moments
from .weighted_sum import rescaled_sum, weighted_sum

__all__ = [
    "channel_means",
    "channel_moments",
    "coattention",
    "coattention_weights",
    "contrast",
    "contrast_gate",
    "dense_conv",
    "rescaled_sum",
    "weighted_sum",
]
