"""The reference operators: what they compute, and that their shortcuts change nothing."""

import pytest
import torch

from dinplug import ops


@pytest.mark.parametrize("has_bias", [True, False])
def test_scaled_conv1x1_equals_scaling_the_map(has_bias: bool) -> None:
    torch.manual_seed(0)
    x, scale = torch.rand(1, 16, 5, 7), torch.rand(1, 16)
    weight, bias = torch.rand(8, 16, 1, 1), torch.rand(8) if has_bias else None
    plain = ops.scaled_conv1x1(x, scale, weight.requires_grad_(), bias)
    with torch.no_grad():
        folded = ops.scaled_conv1x1(x, scale, weight, bias)
    # Sums of 16 products below 1 and a bias, in another order: 17 roundings at up to 17.
    assert (plain - folded).abs().max().item() <= 17 * 17 * 2**-24


def test_scaled_conv1x1_scales_each_image_of_a_batch_by_its_own() -> None:
    torch.manual_seed(0)
    x, scale = torch.rand(3, 4, 5, 5), torch.rand(3, 4)
    weight = torch.rand(2, 4, 1, 1)
    with torch.no_grad():
        batch = ops.scaled_conv1x1(x, scale, weight, None)
        for index in range(3):
            one = ops.scaled_conv1x1(x[index : index + 1], scale[index : index + 1], weight, None)
            # Sums of 4 products below 1 in another order.
            assert (batch[index] - one[0]).abs().max().item() <= 4 * 4 * 2**-24


def test_weighted_sum_is_a_depthwise_convolution_of_each_input() -> None:
    torch.manual_seed(0)
    inputs = [torch.rand(2, 4, 3, 3) for _ in range(3)]
    weights, biases = [None, torch.rand(4), torch.rand(4)], [None, torch.rand(4), None]
    total = ops.weighted_sum(inputs, weights, biases)
    expected = inputs[0].clone()
    for x, weight, bias in zip(inputs[1:], weights[1:], biases[1:], strict=True):
        assert weight is not None
        expected += torch.nn.functional.conv2d(x, weight.reshape(4, 1, 1, 1), bias, groups=4)
    # Five operations at magnitudes below 4.
    assert (total - expected).abs().max().item() <= 5 * 4 * 2**-24


def test_rescaled_sum_weighs_each_state() -> None:
    torch.manual_seed(0)
    states = [torch.rand(2, 4, 3, 3) for _ in range(3)]
    attention = torch.rand(2, 3, 4)
    expected = torch.einsum("snchw,nsc->nchw", torch.stack(states), attention)
    # Three products below 1 and their sum.
    assert (ops.rescaled_sum(states, attention) - expected).abs().max().item() <= 6 * 3 * 2**-24
