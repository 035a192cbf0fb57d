"""Several images per class, each of which learns a cluster of its own."""

from itertools import permutations

import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from lgm_core.backbones.features import Bank
from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.knobs import to_dict
from lgm_core.base.places import Places
from lgm_core.config import RunConfig, validate
from lgm_core.engine import images_of, start, work
from lgm_core.jobs.study import StudyFlags, plan_study
from lgm_core.methods.catalog import own_settings
from lgm_core.methods.lgm import assembly
from lgm_core.methods.lgm.clusters import in_order_of_parts, parts_of_classes
from lgm_core.methods.lgm.config import LGMConfig
from lgm_core.methods.lgm.metric import Metric, metric_of
from lgm_core.methods.lgm.objectives.catalog import OBJECTIVES, Side, objective_of
from lgm_core.methods.lgm.targets import MeanTarget
from lgm_core.presets import change, preset
from lgm_core.reports.labels import row_label
from lgm_core.runs.identity import identity
from lgm_core.runs.old_configs import read_config
from lgm_core.runs.recorder import Recorder
from lgm_core.workbench import Workbench


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


def test_a_class_of_copies_is_too_small_for_its_clusters_too():
    bank, clumps = _bank()
    copies = Bank(torch.eye(6)[clumps][:, None].half(), bank.labels, 2)
    assert len(parts_of_classes([copies], per_class=3, seed=0).unique()) == 6
    with pytest.raises(UserError, match="the 24 training images of class 0 make only 3 clusters, .*--lgm.no-clusters"):
        parts_of_classes([copies], per_class=4, seed=0)


def test_photographs_to_begin_with_are_in_the_order_of_the_clusters_that_they_will_learn():
    bank, clumps = _bank()
    parts = parts_of_classes([bank], per_class=3, seed=0)
    space = normalize(bank.features.float().mean(dim=1))
    one_of_each = torch.stack([(clumps == clump).nonzero()[2, 0] for clump in (2, 0, 1, 4, 5, 3)])
    ordered = in_order_of_parts(one_of_each, parts, [bank], per_class=3)
    assert parts[ordered].tolist() == [0, 1, 2, 3, 4, 5]
    assert sorted(ordered.tolist()) == sorted(one_of_each.tolist())
    of_one_clump = torch.cat(
        [(clumps == clump).nonzero()[:3, 0] for clump in (1, 3)]
    )  # the best order of what there is
    means = torch.stack([space[parts == part].mean(dim=0) for part in range(6)])
    found = in_order_of_parts(of_one_clump, parts, [bank], per_class=3).split(3)
    for own, at, chosen in zip(found, means.split(3), of_one_clump.split(3), strict=True):
        orders = [chosen[list(order)] for order in permutations(range(3))]
        far = [float((space[order] - at).norm(dim=1).sum()) for order in orders]
        assert float((space[own] - at).norm(dim=1).sum()) == pytest.approx(min(far)) and min(far) < max(far)


@pytest.mark.parametrize("within", ["class", "cluster"])
def test_what_varies_within_a_class_counts_less_also_between_its_clusters(within: str):
    bank, device = _bank()[0], torch.device("cpu")
    parts = Bank(bank.features, parts_of_classes([bank], per_class=3, seed=0), 6)
    metric = metric_of(LGMConfig(), lambda: bank if within == "class" else parts, device=device, note=print)
    means = parts.class_means()
    assert metric is not None
    clusters, classes = (
        float(metric(torch.cat((means[0] - means[other], torch.zeros(1)))[None], beta=0.01).norm()) for other in (1, 3)
    )
    assert (clusters < 0.8 * classes) == (within == "class")


@pytest.mark.parametrize("objective", ["cosine-per-class", "ridge"])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_clusters_and_whole_classes_have_their_shares_of_the_loss(share: float, objective: str):
    bank, device = _bank()[0], torch.device("cpu")
    parts = Bank(bank.features, parts_of_classes([bank], per_class=3, seed=0), 6)

    def side_of(own: Bank, classes: Side | None = None) -> Side:
        return Side(
            config=LGMConfig(whiten="none", objective=objective, class_share=share), bank=lambda: own,
            metric=lambda: None, target=lambda: MeanTarget(own, balanced=True, device=device), rows=own.classes,
            width=6, steps=9, seed=0, device=device, classes=classes,
        )  # fmt: skip

    features, rows = torch.randn(12, 6, generator=torch.Generator().manual_seed(3)), torch.arange(6).repeat(2)
    clusters, classes = (OBJECTIVES[objective](side_of(one)).at(4) for one in (parts, bank))
    both = objective_of(side_of(parts, side_of(bank))).at(4)(features, rows)
    expected = (1 - share) * clusters(features, rows) + share * classes(features, torch.tensor([0, 0, 0, 1, 1, 1] * 2))
    torch.testing.assert_close(both, expected)
    assert both != clusters(features, rows)


@pytest.mark.parametrize(("count", "clusters", "kept"), [(5, True, ("cluster", 0)), (1, True, ()), (5, False, ())])
def test_runs_of_before_keep_their_clusters_and_the_others_are_the_same_runs(count, clusters, kept):
    asked = preset("preview", images_per_class=count, lgm={"clusters": clusters})
    values = to_dict(asked)
    for name in ("whiten_within", "class_share"):
        del values["lgm"][name]
    del values["synthetic"]["near_cluster"]
    old, notes = read_config(values)
    assert not notes and (old.lgm.whiten_within, old.lgm.class_share) == (kept or ("class", 0.5))
    assert (identity(old) == identity(asked)) == (not kept) and old.synthetic.near_cluster


def _own_parts(config: RunConfig, here: Places) -> int:
    """How many of the 20 images of a run have features nearer to their own part of the class than to the other one."""
    run = start(config, here)
    assert work(run, here) == "finished"
    images, labels = images_of(run)
    assert labels.tolist() == [label for label in range(10) for _ in range(2)]
    with Recorder(run, config.record, steps=config.steps) as recorder:
        bench = Workbench(config, here, recorder)
        backbone = bench.backbone(config.backbone)
        bank = bench.view_bank(bench.train, backbone, config.augment, config.bank.views)
        parts = parts_of_classes([bank], per_class=2, seed=config.seed)
        own = own_settings(change(config, {"lgm": {"whiten": "full"}}))
        side = assembly.real_side(own, config, bench, backbone, 0, 2)
        known, metric = Metric.of_bank(bank, "full", power=0.5, device=bench.compute.device), side.metric()
        assert metric is not None and torch.equal(metric.values, known.values)  # of the 10 classes
        assert (side.rows, side.bank().classes) == (20, 20)
        assert (side.classes is not None) == (config.lgm.class_share > 0)
        assert side.classes is None or side.classes.bank().classes == 10 and side.classes.metric is side.metric
        means, seen = Bank(bank.features, parts, 20).class_means(), bench.seen_clean(images, backbone).cpu()
    centre = means.mean(dim=0)
    near = cosine_similarity((seen - centre)[:, None], (means - centre)[None], dim=-1)
    own = torch.arange(20)
    return int((near[own, own] > near[own, own ^ 1]).sum())


@pytest.mark.parametrize("initial", ["real", "centroids", "greedy"])
def test_a_run_begins_each_image_with_a_photograph_near_its_cluster(initial: str, small_run: RunConfig, here):
    asked = {"images_per_class": 2, "name": "begun", "evaluate_on": (), "synthetic": {"initial": initial}}
    config, places = change(small_run, asked), {}
    for clusters in (True, False):
        run = start(change(config, {"name": f"begun-{clusters}", "lgm": {"clusters": clusters}}), here)
        with Recorder(run, run.config().record, steps=config.steps) as recorder:
            bench = Workbench(run.config(), here, recorder)
            own = own_settings(run.config())
            places[clusters] = assembly.begun_as(own, run.config(), bench)
            bank = bench.view_bank(bench.train, bench.backbone(config.backbone), config.augment, config.bank.views)
            parts = parts_of_classes([bank], per_class=2, seed=config.seed)
    assert sorted(places[True].tolist()) == sorted(places[False].tolist())
    both = [place for place in range(0, 20, 2) if len({*(parts[places[True]][place : place + 2]).tolist()}) == 2]
    assert both and all(parts[places[True]][place].item() == place for place in both)
    old = to_dict(change(config, {"synthetic": {"initial": initial}}))
    del old["synthetic"]["near_cluster"]  # a run of before, whose levels to come are those of the order of before
    before, notes = read_config(old)
    assert not notes and not before.synthetic.near_cluster and identity(before) != identity(config)
    assert torch.equal(assembly.begun_as(own_settings(before), before, bench), places[False])


@pytest.mark.slow
def test_each_image_of_a_class_learns_its_own_part_of_it(small_run: RunConfig, here):
    two = change(small_run, {"images_per_class": 2, "steps": 60, "name": "two", "evaluate_on": ()})
    assert _own_parts(change(two, {"name": "alone", "lgm": {"class_share": 0.0}}), here) == 20
    assert _own_parts(two, here) > 15
    assert _own_parts(change(two, {"name": "whole", "lgm": {"clusters": False}}), here) <= 15  # 10 by chance


def test_a_study_takes_away_one_part_of_the_method_at_a_time():
    base = preset("preview", name="parts", dataset="scenes", backbone="mobilenet_v2")
    plan = plan_study(base, StudyFlags(seeds=2, ablate=True, baselines=False))
    names = [config.name for config in plan]
    assert "parts-lgm-mobilenet_v2-s1-no_augmentation" in names and len(set(names)) == len(names)
    apart = {config.variant: config for config in plan if config.seed == 1}
    assert not apart["no augmentation"].augment.crop and apart["one view"].lgm.views == 1
    own_views = preset("preview", name="parts", backbone="mobilenet_v2+resnet18", lgm={"source_views": (3, 2)})
    (one,) = [run for run in plan_study(own_views, StudyFlags(seeds=1, ablate=True)) if run.variant == "one view"]
    assert [validate(one).lgm.views_in(place) for place in range(2)] == [1, 1]
    assert row_label(apart["not whitened"]) == "distilled with mobilenet_v2 (preview), not whitened"
    assert len({row_label(config) for config in plan}) == len(plan) / 2
    for side in (64, 256):
        small = preset("preview", name="parts", dataset="scenes", synthetic={"resolution": side})
        found = {config.variant: config for config in plan_study(small, StudyFlags(seeds=1, ablate=True))}
        assert validate(found["pyramid at full size"]).pyramid.start == side
    assert [validate(config) for config in plan_study(preset("paper", name="parts"), StudyFlags(ablate=True))]
    with pytest.raises(ConfigError, match="RCIG has no ablations; leave --ablate out"):
        plan_study(preset("rcig_digits", name="none"), StudyFlags(ablate=True))
