"""A finished distilled set goes to the model hub as a data set, with its card, its settings and its accuracies.

>>> push_set(run, "someone/imagenette-distilled", store.evaluations(run.id), private=True)
'https://huggingface.co/datasets/someone/imagenette-distilled'
"""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError

from lgm_core.backbones.hub import FAILURES
from lgm_core.base.errors import Unavailable, UserError
from lgm_core.reports.card import write_export
from lgm_core.runs.store import RunFolder

_OURS = ["images/*", "evals/*"]  # folders of an earlier push whose files need not have the same names
_TOKEN = "run `hf auth login`, or set HF_TOKEN to a token with write access"


def push_set(
    run: RunFolder, repository: str, evaluations: Sequence[RunFolder] = (), *, private: bool, replace: bool = False
) -> str:
    """Upload the set as the data set `repository` ("owner/name"); returns its address.

    `evaluations`: further runs that judged its images. `replace`: take the place of what is there under that name.
    Raises `UserError` for a set that cannot be shared and for a refusal, `Unavailable` where the hub is out of reach.
    """
    _require_shareable(run, repository)
    if not huggingface_hub.get_token():
        raise UserError(f"you are not logged in to the hub: {_TOKEN}")
    api = huggingface_hub.HfApi()
    with tempfile.TemporaryDirectory() as name:
        folder = write_hub_folder(run, Path(name), evaluations)
        try:
            made = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=replace)
            api.upload_folder(
                repo_id=repository, repo_type="dataset", folder_path=folder, commit_message=f"The set {run.id}",
                delete_patterns=_OURS if replace else None,
            )  # fmt: skip
        except HfHubHTTPError as error:
            raise UserError(_refusal(repository, error)) from error
        except FAILURES as error:
            raise Unavailable(f"the hub cannot be reached ({error}); try again to upload the set") from error
    return str(made)


def write_hub_folder(run: RunFolder, folder: Path, evaluations: Sequence[RunFolder] = ()) -> Path:
    """The export with a card that the hub understands, and every report of an evaluation below evals/<run>/."""
    write_export(run, folder, evaluations)
    facts = huggingface_hub.DatasetCardData(
        pretty_name=run.id, license="other", license_name="terms-of-data-set-and-weights",
        task_categories=["image-classification"], tags=["dataset-distillation"],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": "images/*/*.png"}]}],
    )  # fmt: skip
    card = folder / "README.md"
    card.write_text(f"---\n{facts.to_yaml()}\n---\n\n{card.read_text()}")
    for judged in (run, *evaluations):
        for report in sorted(judged.evals.glob("*.json")):
            (folder / "evals" / judged.id).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(report, folder / "evals" / judged.id / report.name)
    return folder


def _require_shareable(run: RunFolder, repository: str) -> None:
    config, state = run.config(), run.status().state
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise UserError(f"{repository!r} is not a name on the hub; write owner/name, such as someone/distilled-pets")
    if config.kind == "baseline":
        raise UserError(
            f"the run {run.id!r} chose real images, and the terms of most data sets forbid redistributing them; "
            "push a distilled set"
        )
    if config.kind != "distill":
        raise UserError(f"the run {run.id!r} has no images of its own; push a distilled set")
    if state != "finished":
        raise UserError(f"the run {run.id!r} is {state}; let it finish first (`lgm resume {run.id}`), then push it")


def _refusal(repository: str, error: HfHubHTTPError) -> str:
    reason = str(error).strip().splitlines()[0]
    status = getattr(error.response, "status_code", 0)
    if status == 409:
        return (
            f"the hub already has a data set {repository}; use another name, or --replace, which puts this set in its "
            "place and keeps the older version in its history"
        )
    if status in (401, 403):
        return f"the hub does not let you write to {repository} ({reason}): {_TOKEN} to it"
    return f"the hub refused the data set {repository}: {reason}"
