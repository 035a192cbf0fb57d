"""Several images per class, each of which learns a cluster of its own."""

from dataclasses import replace

import pytest
import torch

from lgm_core.backbones.features import Bank
from lgm_core.base.errors import ConfigError, UserError
from lgm_core.config import RunConfig, validate
from lgm_core.engine import images_of, start, work
from lgm_core.jobs.study import StudyFlags, plan_study
from lgm_core.methods.lgm.clusters import parts_of_classes
from lgm_core.presets import preset
from lgm_core.reports.summary import row_label


def _bank(scale: float = 1.0) -> tuple[Bank, torch.Tensor]:
    """Two classes of three well-separated clumps each, in a mixed order; the clump of each image."""
    random = torch.Generator().manual_seed(5)
    clumps = torch.arange(6).repeat(8)[torch.randperm(48, generator=random)]
    centres = torch.eye(6)[clumps]
    features = centres[:, None] + 0.05 * torch.randn(48, 2, 6, generator=random)
    return Bank((scale * features).half(), clumps // 3, 2), clumps


def test_clusters_are_the_clumps_of_each_class_and_the_same_each_time():
    bank, clumps = _bank()
    parts = parts_of_classes([bank], per_class=3, seed=0)
    assert torch.equal(parts // 3, bank.labels)
    assert len({(part, clump) for part, clump in zip(parts.tolist(), clumps.tolist(), strict=True)}) == 6
    assert torch.equal(parts, parts_of_classes([bank, _bank(scale=50)[0]], per_class=3, seed=0))


def test_a_class_that_is_too_small_for_its_clusters_is_named():
    with pytest.raises(UserError, match="25 images per class .* but class 0 has 24 .* add --lgm.no-clusters"):
        parts_of_classes([_bank()[0]], per_class=25, seed=0)


@pytest.mark.slow
def test_two_images_of_a_class_become_different_and_keep_their_class(small_run: RunConfig, here):
    run = start(replace(small_run, images_per_class=2, steps=30, name="two"), here)
    assert work(run, here) == "finished"
    images, labels = images_of(run)
    assert labels.tolist() == [label for label in range(10) for _ in range(2)]
    assert all((images[place] - images[place + 1]).abs().mean() > 0.02 for place in range(0, 20, 2))


def test_a_study_takes_away_one_part_of_the_method_at_a_time():
    base = preset("preview", name="parts", dataset="scenes", backbone="mobilenet_v2")
    plan = plan_study(base, StudyFlags(seeds=2, ablate=True, baselines=False))
    names = [config.name for config in plan]
    assert "parts-lgm-mobilenet_v2-s1-no_augmentation" in names and len(set(names)) == len(names)
    apart = {config.variant: config for config in plan if config.seed == 1}
    assert not apart["no augmentation"].augment.crop and apart["one view"].lgm.views == 1
    assert row_label(apart["not whitened"]) == "distilled with mobilenet_v2 (preview), not whitened"
    assert len({row_label(config) for config in plan}) == len(plan) / 2
    for side in (64, 256):
        small = preset("preview", name="parts", dataset="scenes", synthetic={"resolution": side})
        found = {config.variant: config for config in plan_study(small, StudyFlags(seeds=1, ablate=True))}
        assert validate(found["pyramid at full size"]).pyramid.start == side
    assert [validate(config) for config in plan_study(preset("paper", name="parts"), StudyFlags(ablate=True))]
    with pytest.raises(ConfigError, match="RCIG has no ablations; leave --ablate out"):
        plan_study(preset("rcig_digits", name="none"), StudyFlags(ablate=True))
