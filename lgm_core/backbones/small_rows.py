"""Rows of ResNet-18s trained without labels on images of 32 or 64 px: the teachers that MKDT was published with.

>>> ROWS[0].name, ROWS[0].input_size, ROWS[0].feature_size
('barlow_twins_resnet18_cifar10', 32, 512)

MKDT specification, sections 1 and 6. Their publishers keep them where a program cannot fetch them.
"""

from lgm_core.backbones.row import BackboneRow, ByHand, Triple

# mean and std of the data set that a network was trained on
CIFAR10: tuple[Triple, Triple] = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
CIFAR100: tuple[Triple, Triple] = (0.5071, 0.4865, 0.4409), (0.2009, 0.1984, 0.2023)
TINY: tuple[Triple, Triple] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_KRR_ST = "https://github.com/db-Lee/selfsup_dd (README, Target (Teacher) Model Checkpoints)"
_SAS = "https://github.com/sjoshi804/sas-data-efficient-contrastive-learning (ask its authors)"
_TWINS = "Zbontar et al., Barlow Twins, ICML 2021, arXiv 2103.03230; weights: Lee et al., KRR-ST, arXiv 2310.06511"
_SIMCLR = "Chen et al., SimCLR, ICML 2020, arXiv 2002.05709; weights: Joshi and Mirzasoleiman, SAS, arXiv 2302.09195"


def _resnet18(method: str, data: str, words: str, page: str, statistics: tuple[Triple, Triple], **facts) -> BackboneRow:
    name = f"{method}_resnet18_{data}"
    return BackboneRow(
        name=name, title=words, family="small ResNet-18", builder="small_resnet", architecture="resnet18",
        source=ByHand(page, f"{name}.pt"), file=f"{name}.safetensors", mean=statistics[0], std=statistics[1],
        feature="average-pooled features before the classifier", feature_size=512, licence="see its publisher",
        parameters=11.2, megabytes=45, layout="small_resnet", **facts,
    )  # fmt: skip


ROWS: tuple[BackboneRow, ...] = (
    _resnet18("barlow_twins", "cifar10", "Barlow Twins ResNet-18, CIFAR-10", _KRR_ST, CIFAR10, input_size=32,
              model_args={"padding": 2}, citation=_TWINS),
    _resnet18("barlow_twins", "cifar100", "Barlow Twins ResNet-18, CIFAR-100", _KRR_ST, CIFAR100, input_size=32,
              model_args={"padding": 2}, citation=_TWINS),
    _resnet18("barlow_twins", "tinyimagenet", "Barlow Twins ResNet-18, Tiny ImageNet", _KRR_ST, TINY, input_size=64,
              model_args={"padding": 2}, citation=_TWINS),
    _resnet18("simclr", "cifar10", "SimCLR ResNet-18, CIFAR-10", _SAS, CIFAR10, input_size=32,
              model_args={"padding": 1}, citation=_SIMCLR),
    _resnet18("simclr", "cifar100", "SimCLR ResNet-18, CIFAR-100", _SAS, CIFAR100, input_size=32,
              model_args={"padding": 1}, citation=_SIMCLR),
)  # fmt: skip
