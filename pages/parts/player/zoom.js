// One class close up: now, before and after, its nearest real images, its way through time, its pyramid levels.

const FILM_TILES = 12, FIRST = 16; // frames
const COARSE = 8, SHOWS = 1 / 3; // px; share of the last frame's contrast, seen so coarsely that noise has none

class Zoom {
  constructor(find, feed, frames, go) {
    Object.assign(this, { find, feed, frames, go, image: -1, split: 0.5, contrasts: new Map() });
    const wipe = find(".wipe");
    const drag = (event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      const box = wipe.getBoundingClientRect();
      this.split = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
      this.drawWipe();
    };
    wipe.onpointerdown = (event) => { wipe.setPointerCapture(event.pointerId); drag(event); };
    wipe.onpointermove = drag;
    wipe.onkeydown = (event) => {
      const by = { ArrowLeft: -0.05, ArrowRight: 0.05 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation(); // else it would move the frame
      this.split = Math.min(Math.max(this.split + by, 0), 1);
      this.drawWipe();
    };
    find(".film").onclick = (event) => {
      const box = find(".film").getBoundingClientRect(), steps = this.filmFrames();
      const place = Math.floor(((event.clientX - box.left) / box.width) * steps.length);
      if (steps[place]) go(steps[place]);
    };
  }

  open(image, look) {
    this.image = image;
    this.find(".zoom").hidden = image < 0;
    if (image < 0) return;
    this.find(".zoom-name").textContent = look.name(image);
    this.find(".zoom").style.setProperty("--own", look.colour(image));
  }

  // About a dozen frames, evenly over the steps: they lie densely at the start.
  filmFrames() {
    const all = this.feed.frames, last = all.length ? all[all.length - 1].step : 0, chosen = [];
    for (let k = 0; k < FILM_TILES && all.length; k++) {
      const frame = nearestTo((last * k) / (FILM_TILES - 1), all);
      if (chosen[chosen.length - 1] !== frame) chosen.push(frame);
    }
    return chosen;
  }

  // All frames that are looked at besides the one that is shown.
  wanted() { return [this.earlier(), ...this.feed.frames.slice(0, FIRST), ...this.filmFrames()]; }

  // The first frame on which something is seen of the image, of those that were loaded: the very first are grey noise.
  earlier() {
    const all = this.feed.frames, least = SHOWS * this.contrast(all[all.length - 1]);
    return all.find((frame) => this.contrast(frame) >= least && this.contrast(frame) > 0) ?? all[0];
  }

  // Standard deviation of the coarse image's pixels; 0 for a frame that is not loaded.
  contrast(frame) {
    const key = `${frame.file}/${this.image}`, picture = this.frames.kept.get(frame.file);
    if (this.contrasts.has(key) || !picture) return this.contrasts.get(key) ?? 0;
    const pen = new OffscreenCanvas(COARSE, COARSE).getContext("2d");
    pen.imageSmoothingQuality = "high";
    drawTile(pen, picture, frame, this.image, 0, 0, COARSE);
    const all = pen.getImageData(0, 0, COARSE, COARSE).data, values = all.filter((_, place) => place % 4 !== 3);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    this.contrasts.set(key, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length));
    return this.contrasts.get(key);
  }

  draw(frame, look) {
    if (this.image < 0 || !frame) return;
    Object.assign(this, { frame, look });
    this.find(".now-words").textContent = `Step ${frame.step + 1}`;
    const now = this.find(".now"), picture = this.frames.get(frame);
    if (picture) drawTile(sized(now).pen, picture, frame, this.image, 0, 0, now.clientWidth);
    this.drawWipe();
    this.drawFilm();
    this.drawNearest();
    this.drawLevels();
  }

  drawWipe() {
    const first = this.earlier(), before = this.frames.get(first), after = this.frames.get(this.frame);
    if (!before || !after) return;
    const canvas = this.find(".wipe"), { pen, width } = sized(canvas), edge = this.split * width;
    this.find(".wipe-words").textContent = `Step ${first.step + 1} | step ${this.frame.step + 1}: drag to compare`;
    canvas.setAttribute("aria-valuenow", Math.round(100 * this.split));
    canvas.dataset.before = first.step;
    drawTile(pen, after, this.frame, this.image, 0, 0, width);
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, edge, width);
    pen.clip();
    drawTile(pen, before, first, this.image, 0, 0, width);
    pen.restore();
    pen.fillStyle = "white";
    pen.fillRect(edge - 1, 0, 2, width);
    dot(pen, edge, width / 2, 9);
    pen.fillStyle = "#333";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = `bold 10px ${this.look.font}`;
    pen.fillText("‹ ›", edge, width / 2 - 1);
  }

  drawFilm() {
    const canvas = this.find(".film"), steps = this.filmFrames(), { pen, width } = sized(canvas);
    const place = width / steps.length, side = Math.min(place - 6, 72);
    pen.font = `11px ${this.look.font}`;
    pen.textBaseline = "top";
    steps.forEach((frame, k) => {
      const picture = this.frames.get(frame), x = k * place;
      pen.fillStyle = this.look.grid;
      pen.fillRect(x, 0, side, side);
      if (picture) drawTile(pen, picture, frame, this.image, x, 0, side);
      const reached = frame.step <= this.frame.step;
      pen.fillStyle = reached ? this.look.line : this.look.grid;
      pen.fillRect(x, side + 2, side, 2);
      pen.fillStyle = this.look.faint;
      pen.fillText(String(frame.step + 1), x, side + 7);
    });
  }

  drawNearest() {
    const thumbs = this.look.thumbs, line = this.feed.trail.get(this.frame.step) || lastBefore(this.feed.trail, this.frame.step);
    const box = this.find(".near"), nearest = line?.nearest?.[this.image] || [];
    this.find(".near-box").hidden = !thumbs || !nearest.length;
    if (!thumbs || box.dataset.of === `${this.image}/${line?.step}`) return;
    box.dataset.of = `${this.image}/${line?.step}`;
    box.replaceChildren(...nearest.map((index, k) => {
      const tile = document.createElement("div"), picture = document.createElement("i"), words = document.createElement("span");
      const label = this.look.labelOf(index), own = label === this.look.label(this.image);
      tile.className = own ? "own" : "";
      const similarity = line.similarity?.[this.image]?.[k];
      words.textContent = `${similarity === undefined ? "" : `${similarity.toFixed(2)} `}${label === undefined ? "" : this.look.className(label)}`;
      words.title = words.textContent;
      const thumb = thumbOf(thumbs, index);
      if (thumb) paintSprite(picture, thumb, 92);
      tile.append(picture, words);
      return tile;
    }));
    const radius = line?.radius?.[this.image];
    this.find(".zoom-note").textContent = radius === undefined ? "" : `${radius.toFixed(2)} times as far from its class mean as a real image`;
  }

  drawLevels() {
    const { step, sides } = this.feed.levels, picture = this.find(".levels");
    this.find(".levels-box").hidden = !sides.length;
    if (!sides.length) return;
    const url = `${this.feed.files}/levels/${step}/${this.image}.png?v=${this.feed.version}`;
    if (picture.getAttribute("src") !== url) picture.src = url;
    this.find(".levels-words").textContent =
      `Pyramid levels at the last checkpoint (step ${step}): ${sides.map((side) => `${side} px`).join(" · ")}. Above, each alone; below, their sum so far`;
  }
}

function lastBefore(trail, step) {
  let found = null;
  for (const line of trail.values()) if (line.step <= step && (!found || line.step > found.step)) found = line;
  return found;
}
