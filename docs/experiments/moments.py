"""A run's images at five moments, one row each, as one picture: the grids of README and docs.

python docs/experiments/moments.py RUN docs/pictures/NAME.webp
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw

from lgm_core.base.places import places
from lgm_core.runs.store import RunStore

TILE, MARGIN, MOMENTS = 128, 64, 5


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    run = RunStore(places().runs).open(sys.argv[1])
    frames = run.frame_list()
    last = frames[-1]["step"]
    wanted = [0, last * 0.05, last * 0.15, last * 0.4, last]
    chosen = [min(frames, key=lambda frame: abs(frame["step"] - step)) for step in wanted]
    columns = min(frames[0]["columns"] * frames[0]["rows"], 10)
    grid = Image.new("RGB", (MARGIN + columns * TILE, MOMENTS * TILE), "white")
    draw = ImageDraw.Draw(grid)
    for row, frame in enumerate(chosen):
        atlas, side = Image.open(run.frames / frame["file"]), frame["side"]
        draw.text((6, row * TILE + TILE // 2 - 6), f"step\n{frame['step'] + 1}", fill="black")
        for index in range(columns):
            y, x = divmod(index, frame["columns"])
            tile = atlas.crop((x * side, y * side, (x + 1) * side, (y + 1) * side)).resize((TILE, TILE))
            grid.paste(tile, (MARGIN + index * TILE, row * TILE))
    grid.save(Path(sys.argv[2]), quality=85)


if __name__ == "__main__":
    main()
