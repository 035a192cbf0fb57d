"""Folded networks: the same features and gradients, batch norms gone, and left alone where that would not hold."""

import pytest
import timm
import torch
from torch import nn

from lgm_core.backbones.folding import folded

SMALL = ["test_efficientnet", "test_resnet", "test_byobnet", "mobilenetv3_small_050", "test_vit", "test_convnext"]


def _network(name: str) -> nn.Module:
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2)
            module.running_mean.normal_()
            module.bias.data.normal_()
    return network.requires_grad_(False)


def _both(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    images = images.clone().requires_grad_()
    features = network(images)
    return features.detach(), torch.autograd.grad(features.square().sum(), images)[0]


@pytest.mark.parametrize("name", SMALL)
def test_features_and_gradients_stay(name):
    images, network = torch.randn(2, 3, 96, 96), _network(name)
    if name == "test_vit":
        images = torch.randn(2, 3, 160, 160)
    features, gradient = _both(network, images)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    light = folded(network, images)
    left = sum(isinstance(module, nn.BatchNorm2d) for module in light.modules())
    assert left == 0 if norms else light is network
    found = _both(light, images)
    torch.testing.assert_close(found[0], features, rtol=1e-3, atol=1e-3 * float(features.std()))
    torch.testing.assert_close(found[1], gradient, rtol=1e-2, atol=1e-3 * float(gradient.std()))


class _Crossed(nn.Module):
    """Calls its batch norm before its convolution, though it is listed after."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)
        self.norm.running_var.fill_(0.3)
        self.norm.running_mean.fill_(1.0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.convolution(self.norm(images)).mean(dim=(2, 3))


def test_a_network_whose_features_would_move_is_left_alone():
    network, images = _Crossed().eval(), torch.randn(2, 3, 8, 8)
    assert folded(network, images) is network
    assert isinstance(network.norm, nn.BatchNorm2d)


def test_in_place_activations_that_copy_are_made_plain():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6(inplace=True), nn.ReLU(inplace=True)).eval()
    light = folded(network, torch.randn(1, 3, 8, 8))
    assert not light[1].inplace and light[2].inplace
