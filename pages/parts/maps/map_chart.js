// One map on a canvas: points drawn once off screen (map_points.js), moved as a picture, drawn anew when at rest; a grid
// for hovering and for the lasso.
const CELLS = 96, OUT = 0, IN = 1, EDGE = 2; // a cell and a polygon

class Chart {
  constructor(view, map, { points, indices }) {
    Object.assign(this, { view, map, points, indices, read: null, drag: null, lasso: [] });
    this.count = this.indices.length;
    const most = this.indices.reduce((high, index) => Math.max(high, index), 0);
    this.position = new Int32Array(most + 1).fill(-1);
    this.indices.forEach((index, place) => (this.position[index] = place));
    const box = node("div", view.grid, "map"), head = node("header", box);
    node("i", head).style.background = map.colour;
    node("b", head, "", map.title);
    node("span", head, "", map.note);
    this.canvas = node("canvas", box);
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", `Map of ${map.title}: arrows go from point to point, Enter opens, S selects`);
    this.layer = document.createElement("canvas");
    this.bin();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
  }

  paint(map, read) { // has anything of it changed that `render` draws?
    this.map = map;
    if (read === this.read) return false;
    Object.assign(this, { read, colours: read.colours, labels: read.labels });
    this.changed();
    return true;
  }

  words(place) { return this.view.data.classes[this.labels[place]] ?? `class ${this.labels[place]}`; }

  changed() { // places or colours
    if (this.loaded) this.loaded.selected = undefined; // map_webgl.js
  }

  bin() { // counting sort into a grid, for hovering
    this.changed();
    const cell = (i) => cellAt(this.points[2 * i], this.points[2 * i + 1]);
    this.starts = new Int32Array(CELLS * CELLS + 1);
    for (let i = 0; i < this.count; i++) this.starts[cell(i) + 1]++;
    for (let c = 0; c < CELLS * CELLS; c++) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice();
    this.order = new Int32Array(this.count);
    for (let i = 0; i < this.count; i++) this.order[next[cell(i)]++] = i;
  }

  resize() {
    const [width, height, ratio] = [this.canvas.clientWidth, this.canvas.clientHeight, devicePixelRatio || 1];
    if (!width || (width === this.width && height === this.height)) return;
    Object.assign(this, { width, height, ratio });
    for (const one of [this.canvas, this.layer]) [one.width, one.height] = [width * ratio, height * ratio];
    this.fit();
  }

  fit() {
    const size = Math.min(this.width, this.height) - 36;
    Object.assign(this, { scale: size, left: (this.width - size) / 2, top: (this.height - size) / 2 });
    this.render();
  }

  x(i) { return (this.points[2 * i] / 65535) * this.scale + this.left; }
  y(i) { return (this.points[2 * i + 1] / 65535) * this.scale + this.top; }

  render() { // all points, off screen
    if (!this.width || !this.colours) return;
    drawPoints(this);
    this.drawn = { scale: this.scale, left: this.left, top: this.top };
    this.canvas.dataset.drawn = this.count;
    this.draw();
  }

  draw() { // the layer, moved if need be; stars, rings and the lasso over it
    if (!this.drawn) return;
    const pen = this.canvas.getContext("2d"), ink = getComputedStyle(this.canvas).color, { drawn } = this;
    const zoom = this.scale / drawn.scale;
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    pen.drawImage(this.layer, this.left - drawn.left * zoom, this.top - drawn.top * zoom, this.width * zoom, this.height * zoom);
    pen.lineWidth = 1.5;
    pen.strokeStyle = ink;
    if (this.ways) drawWays(this, pen); // morph.js
    for (const star of this.map.stars) {
      pen.fillStyle = star.colour;
      shapePath(pen, star.shape, star.x * this.scale + this.left, star.y * this.scale + this.top, 10);
      pen.fill();
      pen.stroke();
    }
    for (const [index, radius] of [[this.view.hover, 7], [this.view.point, 10]]) {
      const place = index === null ? -1 : this.position[index] ?? -1;
      if (place < 0) continue;
      pen.beginPath();
      pen.arc(this.x(place), this.y(place), radius, 0, 7);
      pen.stroke();
    }
    if (this.lasso.length) {
      pen.setLineDash([4, 3]);
      pen.beginPath();
      this.lasso.forEach(([x, y]) => pen.lineTo(x, y));
      pen.closePath();
      pen.stroke();
      pen.setLineDash([]);
    }
  }

  listen() {
    const at = (event) => {
      const frame = this.canvas.getBoundingClientRect();
      return [event.clientX - frame.left, event.clientY - frame.top];
    };
    this.canvas.onpointerdown = (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      const [x, y] = at(event);
      this.drag = { x, y, left: this.left, top: this.top, moved: false, pan: event.shiftKey || this.view.mode === "pan" };
    };
    this.canvas.onpointermove = (event) => {
      const [x, y] = at(event), { drag } = this;
      if (!drag) return this.view.show(this, this.near(x, y), x, y);
      drag.moved ||= Math.hypot(x - drag.x, y - drag.y) > 4;
      if (!drag.moved) return;
      if (drag.pan) Object.assign(this, { left: drag.left + x - drag.x, top: drag.top + y - drag.y });
      else this.lasso.push([x, y]);
      this.draw();
    };
    this.canvas.onpointerup = (event) => this.release(...at(event));
    this.canvas.onpointerleave = () => this.drag || this.view.show(this, null);
    this.canvas.onkeydown = (event) => pressKey(this, event);
    this.canvas.onwheel = (event) => {
      event.preventDefault();
      this.zoomAt(...at(event), Math.exp(-event.deltaY / 500));
    };
  }

  zoomAt(x, y, by) {
    const zoom = Math.min(Math.max(this.scale * by, 60), 60000) / this.scale;
    Object.assign(this, { scale: this.scale * zoom, left: x - (x - this.left) * zoom, top: y - (y - this.top) * zoom });
    this.draw();
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.render(), 120);
  }

  release(x, y) {
    const { drag, lasso } = this;
    Object.assign(this, { drag: null, lasso: [] });
    if (!drag) return;
    if (drag.moved && drag.pan) return this.render();
    if (drag.moved) return this.view.choose(this, lasso.map(([a, b]) => [(a - this.left) / this.scale, (b - this.top) / this.scale]));
    const found = this.near(x, y);
    this.view.pick(found && !found.star ? found.index : null, found && found.star);
  }

  near(x, y) {
    for (const star of this.map.stars) {
      if (Math.hypot(star.x * this.scale + this.left - x, star.y * this.scale + this.top - y) < 11) return { star };
    }
    const reach = 9, low = (value, from) => cellOf(((value - reach - from) / this.scale) * 65535);
    const high = (value, from) => cellOf(((value + reach - from) / this.scale) * 65535);
    let best = reach, found = null;
    for (let row = low(y, this.top); row <= high(y, this.top); row++) {
      for (let column = low(x, this.left); column <= high(x, this.left); column++) {
        for (let k = this.starts[row * CELLS + column]; k < this.starts[row * CELLS + column + 1]; k++) {
          const i = this.order[k], distance = Math.hypot(this.x(i) - x, this.y(i) - y);
          if (distance < best) [best, found] = [distance, { position: i, index: this.indices[i] }];
        }
      }
    }
    return found;
  }

  inside(polygon) { // the images inside, even-odd rule
    const found = new Chosen(), corners = Float64Array.from(polygon.flat()), states = cellStates(polygon, corners);
    for (let i = 0; i < this.count; i++) {
      const x = this.points[2 * i], y = this.points[2 * i + 1], state = states[cellAt(x, y)];
      if (state === IN || (state === EDGE && within(x / 65535, y / 65535, corners))) found.add(this.indices[i]);
    }
    return found;
  }
}

const cellOf = (value) => Math.min(Math.max(Math.floor((value / 65536) * CELLS), 0), CELLS - 1);
const cellAt = (x, y) => ((y * CELLS) >> 16) * CELLS + ((x * CELLS) >> 16);

// Of each cell of the grid: does it lie in a polygon, out of it, or may an edge cross it?
function cellStates(polygon, corners) {
  const states = new Uint8Array(CELLS * CELLS);
  polygon.forEach(([a, b], k) => {
    const [c, d] = polygon.at(k - 1), sides = [Math.min(a, c), Math.max(a, c), Math.min(b, d), Math.max(b, d)];
    const [left, right, top, bottom] = sides.map((side) => cellOf(side * 65535));
    for (let row = top; row <= bottom; row++) states.fill(EDGE, row * CELLS + left, row * CELLS + right + 1);
  });
  return states.map((state, cell) => {
    const [x, y] = [cell % CELLS, Math.floor(cell / CELLS)].map((place) => ((place + 0.5) * 65536) / CELLS / 65535);
    return state === EDGE ? EDGE : within(x, y, corners) ? IN : OUT;
  });
}


function within(x, y, corners) { // corners: x, y, x, y, ...
  let inside = false;
  for (let i = 0, j = corners.length - 2; i < corners.length; j = i, i += 2) {
    const b = corners[i + 1], d = corners[j + 1];
    if (b > y !== d > y && x < ((corners[j] - corners[i]) * (y - b)) / (d - b) + corners[i]) inside = !inside;
  }
  return inside;
}

class Chosen { // numbers of images: a set that stays quick with a million of them
  constructor(numbers = []) {
    Object.assign(this, { marks: new Uint8Array(1024), size: 0 });
    for (const number of numbers) this.add(number);
  }

  add(number) {
    if (number >= this.marks.length) {
      const more = new Uint8Array(2 ** Math.ceil(Math.log2(number + 1)));
      more.set(this.marks);
      this.marks = more;
    }
    this.size += 1 - this.marks[number];
    this.marks[number] = 1;
  }

  has(number) { return this.marks[number] === 1; }
}
