// Maps of real images, one for each network that the synthetic ones are learned in, and their way across them.

class Maps {
  constructor(box) { Object.assign(this, { box, all: [] }); }

  // `map`: that of the first network, with those of the `others`; `trail`: lines in the order of their steps.
  renew(map, trail, words, look) {
    [map, ...(map.others || [])].forEach((one, place) => {
      const chart = (this.all[place] ??= new Scatter(this.box));
      const seen = place ? trail.filter((line) => line.others?.[place - 1]) : trail; // an earlier version marked the first alone
      const way = place ? seen.map((line) => ({ ...line.others[place - 1], step: line.step })) : seen;
      chart.words.textContent = words[place] ?? "";
      chart.renew({ ...map, ...one }, way, look);
    });
  }

  at(step, look) { for (const one of this.all) one.at(step, look); }

  // The mapped image under the pointer: {index, label}, or null.
  hit(canvas, x, y) { return this.all.find((one) => one.canvas === canvas)?.hit(x, y) ?? null; }

  labelOf(index) { return this.all[0]?.map.labels[this.all[0].places().get(index)]; }
}

class Scatter {
  constructor(box) {
    const figure = document.createElement("figure"), words = document.createElement("figcaption");
    const canvas = document.createElement("canvas");
    Object.assign(this, { canvas, words, still: null, way: [] });
    canvas.className = "map";
    figure.append(words, canvas);
    box.append(figure);
  }

  // `map`: {points, labels, indices}; `trail`: lines in the order of their steps.
  renew(map, trail, look) {
    this.map = map;
    this.way = trail;
    this.still = null;
    const { pen, width, height } = sized(this.canvas);
    if (!width || !height) return; // not shown, for now
    this.fit(width, height);
    pen.globalAlpha = map.points.length > 800 ? 0.4 : 0.55;
    map.points.forEach((point, i) => {
      pen.fillStyle = look.classColour(map.labels[i]);
      dot(pen, this.x(point), this.y(point), 2.2);
    });
    pen.globalAlpha = 1;
    this.still = copyOf(this.canvas);
  }

  fit(width, height) {
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const points of [this.map.points, ...this.way.map((line) => line.points)]) {
      for (const [x, y] of points) {
        left = Math.min(left, x); right = Math.max(right, x);
        low = Math.min(low, y); high = Math.max(high, y);
      }
    }
    const margin = 14, scale = Math.min((width - 2 * margin) / (right - left || 1), (height - 2 * margin) / (high - low || 1));
    this.x = (point) => width / 2 + (point[0] - (left + right) / 2) * scale;
    this.y = (point) => height / 2 - (point[1] - (low + high) / 2) * scale;
  }

  at(step, look) {
    if (!this.still) return;
    const { pen } = sized(this.canvas);
    pen.drawImage(this.still, 0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    const past = this.way.filter((line) => line.step <= step), now = past[past.length - 1];
    if (!now) return;
    const many = look.count > 30;
    for (let image = 0; image < now.points.length; image++) {
      const chosen = image === look.selected || image === look.hovered;
      const dimmed = look.selected >= 0 && !chosen;
      if (!many || chosen) this.path(pen, past, image, look, dimmed ? 0.2 : 0.85);
      this.marker(pen, now.points[image], look.colour(image), chosen ? 7 : many ? 3.5 : 5, dimmed ? 0.45 : 1, look);
    }
    if (look.selected >= 0) this.neighbours(pen, now, look);
  }

  path(pen, past, image, look, alpha) {
    pen.globalAlpha = alpha;
    pen.strokeStyle = look.colour(image);
    pen.lineWidth = 1.5;
    strokePath(pen, past.map((line) => [this.x(line.points[image]), this.y(line.points[image])]));
    pen.globalAlpha = 1;
  }

  marker(pen, point, colour, radius, alpha, look) {
    pen.globalAlpha = alpha;
    for (const [fill, wider] of [[look.paper, 4.6], [look.ink, 3], [colour, 1.2]]) {
      pen.fillStyle = fill;
      shapePath(pen, "star", this.x(point), this.y(point), radius + wider);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  // Rings around the real images that lie nearest to the selected one.
  neighbours(pen, now, look) {
    const place = this.places();
    pen.strokeStyle = look.ink;
    pen.lineWidth = 1.4;
    for (const index of now.nearest?.[look.selected] || []) {
      const point = this.map.points[place.get(index)];
      if (!point) continue;
      pen.beginPath();
      pen.arc(this.x(point), this.y(point), 4.5, 0, 7);
      pen.stroke();
    }
  }

  // Index into the split -> place among the mapped images.
  places() {
    this.known ??= new Map(this.map.indices.map((index, i) => [index, i]));
    return this.known;
  }

  // The mapped image under the pointer: {index, label}, or null.
  hit(x, y) {
    if (!this.still) return null;
    let best = 10 ** 2, found = null;
    this.map.points.forEach((point, i) => {
      const away = (this.x(point) - x) ** 2 + (this.y(point) - y) ** 2;
      if (away < best) [best, found] = [away, { index: this.map.indices[i], label: this.map.labels[i] }];
    });
    return found;
  }
}
