// Drawing on canvases: tiles of a frame, curves with a cursor, points on a map.

// Makes the canvas as sharp as the screen; returns its context in CSS pixels, and its size.
function sized(canvas, height = canvas.clientHeight) {
  const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
  if (height !== canvas.clientHeight) canvas.style.height = `${height}px`;
  const wide = Math.round(width * ratio), high = Math.round(height * ratio);
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

function drawTile(pen, picture, frame, image, x, y, side) {
  const from = frame.side, left = (image % frame.columns) * from, top = Math.floor(image / frame.columns) * from;
  pen.drawImage(picture, left, top, from, from, x, y, side, side);
}

const NAMES = 82; // pixels beside rows of one class each

// Where each of `count` tiles goes in a width: columns, side, and the height of a row with its name. Several images per
// class (`each`) have a row per class, with its name on the left, where a row is neither too short nor too long for it.
function layout(count, width, each) {
  if (count > 25 && each > 5 && each <= 20) {
    const gap = 4, side = (width - NAMES - gap * (each - 1)) / each;
    return { columns: each, gap, side, named: false, left: NAMES, row: side + gap };
  }
  const empty = (columns) => Math.ceil(count / columns) * columns - count;
  const full = [5, 6, 4].reduce((best, columns) => (empty(columns) < empty(best) ? columns : best));
  const columns = count <= 5 ? Math.max(count, 3) : count <= 25 ? full : Math.ceil(Math.sqrt(count * 1.35));
  const gap = count <= 25 ? 8 : count <= 150 ? 4 : 2;
  const side = (width - gap * (columns - 1)) / columns;
  const named = side >= 84;
  return { columns, gap, side, named, left: 0, row: side + gap + (named ? 17 : 0) };
}

// Where a row begins: below the row of the image that is open, `opening.height` is left free for what is shown of it.
function rowTop(row, grid, opening) {
  return row * grid.row + (opening && row > opening.row ? opening.height : 0);
}

function drawTiles(canvas, picture, frame, look) {
  const grid = layout(look.count, canvas.clientWidth, look.each);
  const rows = Math.ceil(look.count / grid.columns);
  const { pen, width } = sized(canvas, Math.ceil(rows * grid.row + (look.opening?.height ?? 0)));
  if (!width) return;
  pen.imageSmoothingQuality = "high";
  pen.font = `12px ${look.font}`;
  pen.textBaseline = "top";
  for (let image = 0; image < look.count; image++) {
    const x = grid.left + (image % grid.columns) * (grid.side + grid.gap);
    const y = rowTop(Math.floor(image / grid.columns), grid, look.opening);
    drawTile(pen, picture, frame, image, x, y, grid.side);
    if (image === look.selected || image === look.hovered) {
      pen.lineWidth = image === look.selected ? 3 : 1.5;
      pen.strokeStyle = look.colour(image);
      pen.strokeRect(x + 1, y + 1, grid.side - 2, grid.side - 2);
    }
    if (grid.named) drawName(pen, look, image, look.name(image), x, y + grid.side + 4, grid.side);
    if (grid.left && image % grid.columns === 0) {
      drawName(pen, look, image, look.className(look.label(image)), 0, y + grid.side / 2 - 6, grid.left);
    }
  }
}

function drawName(pen, look, image, name, x, y, room) {
  pen.fillStyle = look.colour(image);
  dot(pen, x + 5, y + 6, 3.5);
  pen.fillStyle = look.ink;
  pen.fillText(fitted(pen, name, room - 14), x + 13, y);
}

function tileAt(canvas, look, x, y) {
  const grid = layout(look.count, canvas.clientWidth, look.each);
  const column = Math.floor((x - grid.left) / (grid.side + grid.gap));
  const rows = Math.ceil(look.count / grid.columns);
  for (let row = 0; row < rows; row++) {
    const top = rowTop(row, grid, look.opening), image = row * grid.columns + column;
    if (y >= top && y < top + grid.row) return column >= 0 && column < grid.columns && image < look.count ? image : -1;
  }
  return -1;
}

function fitted(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > width) end--;
  return `${text.slice(0, end)}…`;
}

// A line over the steps; what does not move is drawn once and kept.
class Curve {
  // `series`: [{name, colour}] of the values that are drawn; without a colour it is the theme's.
  constructor(canvas, series, format, limits) {
    Object.assign(this, { canvas, series, format, limits, still: null, lines: [] });
  }

  renew(lines, last, look) {
    this.lines = this.series.map(({ name, colour }) => ({
      colour: colour || look.line,
      points: lines.filter((line) => Number.isFinite(line[name])).map((line) => [line.step, line[name]]),
    }));
    this.last = Math.max(last, 1);
    this.still = null;
    const { pen, width, height } = sized(this.canvas);
    if (!width || !height) return; // not shown, for now
    this.box = { left: 44, right: width - 8, top: 8, bottom: height - 20 };
    const values = this.lines.flatMap(({ points }) => points.map(([, value]) => value));
    const low = this.limits ? this.limits[0] : Math.min(...values), high = this.limits ? this.limits[1] : Math.max(...values);
    this.low = values.length ? low : 0;
    this.high = values.length ? (high > low ? high : low + 1e-6) : 1;
    this.axes(pen, look);
    pen.lineWidth = 1.6;
    pen.lineJoin = "round";
    for (const { points, colour } of [...this.lines].reverse()) { // the run's own network is on top
      pen.strokeStyle = pen.fillStyle = colour;
      const places = points.map(([step, value]) => [this.x(step), this.y(value)]);
      strokePath(pen, places);
      if (places.length <= 60) for (const [x, y] of places) dot(pen, x, y, 2);
    }
    this.still = copyOf(this.canvas);
  }

  axes(pen, look) {
    const { left, right, top, bottom } = this.box;
    pen.font = `11px ${look.font}`;
    pen.fillStyle = look.faint;
    pen.strokeStyle = look.grid;
    pen.lineWidth = 1;
    const shares = [0, 0.5, 1], values = shares.map((share) => this.low + share * (this.high - this.low));
    const words = this.told(values);
    for (const [place, share] of shares.entries()) {
      const y = this.y(values[place]), step = Math.round(share * (this.last + 1)) || 1; // as a reader counts: from 1
      strokePath(pen, [[left, y], [right, y]]);
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      pen.fillText(words[place], left - 6, Math.min(Math.max(y, top + 2), bottom));
      pen.textAlign = share === 0 ? "left" : share === 1 ? "right" : "center";
      pen.textBaseline = "top";
      if (share !== 0.5 || step <= this.last) pen.fillText(share ? String(step) : `step ${step}`, this.x(step - 1), bottom + 6);
    }
  }

  // The values in words, with as few digits as tell them apart.
  told(values) {
    const words = [2, 3, 4, 5].map((digits) => values.map((value) => this.format(value, digits)));
    return words.find((few) => new Set(few).size === values.length) ?? words.pop();
  }

  x(step) { return this.box.left + (Math.max(step, 0) / this.last) * (this.box.right - this.box.left); }
  y(value) { return this.box.bottom - ((value - this.low) / (this.high - this.low)) * (this.box.bottom - this.box.top); }
  stepAt(x) { return ((x - this.box.left) / (this.box.right - this.box.left)) * this.last; }

  cursor(step, look) {
    if (!this.still) return;
    const { pen } = sized(this.canvas);
    pen.drawImage(this.still, 0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    pen.strokeStyle = look.ink;
    pen.globalAlpha = 0.55;
    pen.lineWidth = 1.2;
    strokePath(pen, [[this.x(step), this.box.top], [this.x(step), this.box.bottom]]);
    pen.globalAlpha = 1;
    for (const { points, colour } of this.lines) {
      const before = points.findLast(([at]) => at <= step);
      pen.fillStyle = colour;
      if (before) dot(pen, this.x(before[0]), this.y(before[1]), 4);
    }
  }
}

function copyOf(canvas) {
  const copy = document.createElement("canvas");
  Object.assign(copy, { width: canvas.width, height: canvas.height });
  copy.getContext("2d").drawImage(canvas, 0, 0);
  return copy;
}

function strokePath(pen, points) {
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.stroke();
}

function dot(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.fill();
}
