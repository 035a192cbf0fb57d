"""The time-lapse of a run as MP4, animated WebP or GIF, with captions. Needs no torch; runs beside everything else.

    python -m lgm_core.reports.film cache/runs/demo-lgm-mobilenet_v2-s0 --form mp4

>>> export(run, "webp", Path("cache/exports/demo"))
PosixPath('cache/exports/demo/demo-000000-000499.webp')
"""

import argparse
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from lgm_core.base.errors import UserError
from lgm_core.base.files import replacing
from lgm_core.base.names import require_known
from lgm_core.base.places import Places, places
from lgm_core.reports.live_curves import live_keys, live_points
from lgm_core.reports.pictures import class_names
from lgm_core.reports.unseen import took_part
from lgm_core.runs.frames import open_frame, tiles_of
from lgm_core.runs.store import RunFolder

PER_SECOND = 12.0  # frames
HOLD = 18  # times that the last frame is shown
_FASTEST = 50  # frames per second that every form can hold, and a browser shows
_PAPER, _INK, _FAINT = (20, 22, 27), (240, 240, 240), (150, 155, 165)
_MARGIN, _GAP = 16, 4  # pixels


@dataclass(frozen=True, kw_only=True)
class Form:
    """How wide a film of this form is at most, in pixels."""

    name: str
    widest: int


FORMS = {
    "mp4": Form(name="MP4", widest=1280),
    "webp": Form(name="animated WebP", widest=960),
    "gif": Form(name="GIF", widest=640),
}


def export_folder(run: RunFolder, places: Places) -> Path:
    """Where exports of a run lie: beside the runs, as a run folder has one writer only."""
    return places.cache / "exports" / run.id


def export_name(run: RunFolder, form: str) -> str:
    """The file's name: it includes the last frame's step, so that a run that went on is exported again."""
    frames = run.frame_list()
    return f"{run.id}-{frames[-1]['step'] if frames else 0:06d}.{form}"


def export(
    run: RunFolder, form: str, folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Path:
    """Write the film into `folder`, under `export_name`, and return its path. Raises as `write_film` does."""
    require_known(form, FORMS, "form of film")
    folder.mkdir(parents=True, exist_ok=True)
    return write_film(run, form, folder / export_name(run, form), progress)


def write_film(
    run: RunFolder, form: str, target: Path, progress: Callable[[int, int], None], *, seconds: float = 0.0
) -> Path:
    """Write the film as `target`. `seconds`: its length, the last frame's hold among it; 0: `PER_SECOND`.

    Raises `UserError` where the run has no frame yet, or too many for so short a film.
    """
    require_known(form, FORMS, "form of film")
    frames = run.frame_list()
    if not frames:
        raise UserError(f"{run.id} has no frame yet: the film can be made once the first images are drawn")
    shown = len(frames) - 1 + HOLD
    if seconds < 0 or seconds and shown / seconds > _FASTEST:
        raise UserError(
            f"{len(frames)} frames and a pause at the end cannot be shown in {seconds:g} s; give at least "
            f"{shown / _FASTEST:.1f} s"
        )
    rate = shown / seconds if seconds else PER_SECOND
    pictures = draw_frames(run, frames, FORMS[form].widest, progress)
    with replacing(target, keep_suffix=True) as new:
        if form == "mp4":
            _write_mp4(pictures, new, rate)
        else:
            _write_animation(pictures, new, form, len(frames), rate)
    return target


def draw_frames(
    run: RunFolder, frames: list[dict[str, Any]], widest: int, progress: Callable[[int, int], None]
) -> Iterator[Image.Image]:
    """Each frame under a line that says which run, which step, and how good it was then."""
    config, names, lines = run.config(), class_names(run), run.metrics()
    title = " · ".join([config.dataset, *([config.backbone] if took_part(config) else [])])
    count = len(names) * config.images_per_class or frames[0]["columns"] * frames[0]["rows"]
    grid = grid_of(count, frames[0]["side"], widest)
    for place, frame in enumerate(frames, start=1):
        tiles = _tiles(open_frame(run.frames, frame), frame, count, grid.side)
        labels = names if config.images_per_class == 1 and grid.side >= 64 else []
        yield _page(tiles, grid, labels, title, caption(frame["step"], config.steps, lines))
        progress(place, len(frames))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """How tiles are laid out: columns, rows, side of a tile in pixels."""

    columns: int
    rows: int
    side: int


def grid_of(count: int, side: int, widest: int) -> Grid:
    """Up to 25 tiles in four, five or six columns, whichever leaves the fewest places empty; more in a wide block."""
    columns = min((5, 6, 4), key=lambda c: -count % c) if count <= 25 else math.ceil(math.sqrt(1.35 * count))
    columns = min(columns, count)
    room = (widest - 2 * _MARGIN - (columns - 1) * _GAP) // columns
    return Grid(columns=columns, rows=math.ceil(count / columns), side=min(side, room))


def caption(step: int, steps: int, lines: list[dict[str, Any]]) -> str:
    """Such as "step 120 of 500 · loss 0.412 · accuracy 71.0 %", with what was known then; `step` counts from 0."""
    words = [f"step {step + 1} of {steps}"]
    before = [line for line in lines if line["step"] <= step]
    if before:
        words.append(f"loss {before[-1]['loss']:.3f}")
    live = live_points(before, key) if (key := next(iter(live_keys(before)), "")) else []
    return " · ".join(words + ([f"accuracy {100 * live[-1][1]:.1f} %"] if live else []))


def _tiles(atlas: Image.Image, frame: dict[str, Any], count: int, side: int) -> list[Image.Image]:
    tiles = tiles_of(atlas, frame, min(count, frame["columns"] * frame["rows"]))
    return [tile if side == frame["side"] else tile.resize((side, side), Image.Resampling.BOX) for tile in tiles]


def _page(tiles: list[Image.Image], grid: Grid, names: list[str], title: str, words: str) -> Image.Image:
    step, below = grid.side + _GAP, 16 if names else 0
    wide = 2 * _MARGIN + grid.columns * step - _GAP
    size = max(min(wide // 36, 22), 11)
    font, small = ImageFont.load_default(size), ImageFont.load_default(12)
    head = 2 * size + 3 * _MARGIN // 2
    high = head + grid.rows * (step + below) + _MARGIN
    page = Image.new("RGB", (wide + wide % 2, high + high % 2), _PAPER)  # the film's coder wants even sides
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, _MARGIN // 2), title, fill=_FAINT, font=font)
    draw.text((_MARGIN, _MARGIN // 2 + size + 4), words, fill=_INK, font=font)
    for image, tile in enumerate(tiles):
        row, column = divmod(image, grid.columns)
        x, y = _MARGIN + column * step, head + row * (step + below)
        page.paste(tile, (x, y))
        if image < len(names):
            draw.text((x + 1, y + grid.side + 1), _fitted(draw, names[image], grid.side, small), _FAINT, small)
    return page


def _fitted(draw: ImageDraw.ImageDraw, text: str, width: int, font: Any) -> str:
    if draw.textlength(text, font=font) <= width:
        return text
    while len(text) > 1 and draw.textlength(f"{text}…", font=font) > width:
        text = text[:-1]
    return f"{text}…"


def _write_animation(pictures: Iterator[Image.Image], path: Path, form: str, count: int, rate: float) -> None:
    first = next(pictures)
    each = round(1000 / rate)
    durations = [each] * (count - 1) + [each * HOLD]
    settings: dict[str, Any] = {"quality": 78, "method": 2} if form == "webp" else {"optimize": False}
    first.save(path, format=form.upper(), save_all=True, append_images=pictures, duration=durations, loop=0, **settings)


def _write_mp4(pictures: Iterator[Image.Image], path: Path, rate: float) -> None:
    from imageio_ffmpeg import get_ffmpeg_exe

    first = next(pictures)
    command = [get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{first.width}x{first.height}", "-r", f"{rate:.3f}", "-i", "-", "-c:v", "libx264"]
    command += ["-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as coder:
        assert coder.stdin is not None and coder.stderr is not None
        picture = first
        coder.stdin.write(first.tobytes())
        for picture in pictures:
            coder.stdin.write(picture.tobytes())
        for _ in range(HOLD):
            coder.stdin.write(picture.tobytes())
        coder.stdin.close()
        trouble = coder.stderr.read().decode(errors="replace")
    if coder.returncode:
        raise UserError(f"the film could not be made: {trouble.strip() or 'ffmpeg gave up'}; try WebP or GIF")


def main() -> int:
    """`python -m lgm_core.reports.film RUN_DIR --form mp4`: progress as per cent on standard error."""
    parser = argparse.ArgumentParser(description="The time-lapse of a run as MP4, animated WebP or GIF.")
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--form", choices=sorted(FORMS), default="mp4")
    given = parser.parse_args()
    run = RunFolder(given.run.resolve())
    try:
        print(export(run, given.form, export_folder(run, places()), _say))
    except UserError as error:
        print(f"lgm: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _say(done: int, total: int) -> None:
    print(f"drawing: {100 * done // total}%| {done}/{total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
