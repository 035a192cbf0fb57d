// Maps of the same real images in several backbones: pan, zoom, hover, lasso; the selection is one for all maps.
// Points come quantised to 16 bits, by address or, where they are few, as text. `Chart` is in map_chart.js; map.py puts
// all scripts into one module.
const views = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".lgm-maps");
  if (!views.has(root)) views.set(root, new View(root));
  const view = views.get(root);
  view.send = setStateValue;
  view.update(data);
}

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;

// What is drawn: indices, places, labels, colours and perhaps values; `source` tells one set of them from another.
async function readPoints(map, known) {
  const source = map.address ?? map.colours;
  if (known?.source === source) return known;
  if (!map.address) {
    const [points, labels, colours] = [map.points, map.labels, map.colours].map((text) => new Uint16Array(bytes(text)));
    return { source, points, labels, colours, indices: new Uint32Array(bytes(map.indices)), values: map.values };
  }
  const answer = await fetch(map.address);
  if (!answer.ok) throw new Error(`The points of ${map.title} cannot be read; open the page again.`);
  const all = await answer.arrayBuffer(), { count } = map; // as `packed` in points.py writes them
  const part = ([at, size]) => new Uint16Array(all, at * count, size * count);
  const [points, labels, colours] = [[4, 2], [8, 1], [10, 1]].map(part);
  const values = all.byteLength > 12 * count ? new Float32Array(all, 12 * count, count) : null;
  return { source, points, labels, colours, indices: new Uint32Array(all, 0, count), values };
}

const node = (tag, parent, name = "", text = "") => {
  const made = parent.appendChild(document.createElement(tag));
  made.className = name;
  made.textContent = text;
  return made;
};

class View {
  constructor(root) {
    root.textContent = "";
    Object.assign(this, { root, charts: [], mode: "lasso", selected: null, point: null, hover: null, key: "" });
    const bar = node("div", root, "bar");
    this.buttons = {};
    for (const [name, text] of [["lasso", "Lasso"], ["pan", "Move"], ["fit", "Fit"], ["clear", "Clear selection"]]) {
      this.buttons[name] = node("button", bar, "", text);
      this.buttons[name].onclick = () => this.press(name);
    }
    this.said = node("span", bar, "said");
    this.grid = node("div", root, "grid");
    this.legend = node("div", root, "legend");
    this.tip = node("div", root, "tip");
    this.press("lasso");
  }

  press(name) {
    if (name === "fit") return this.charts.forEach((chart) => chart.fit());
    if (name === "clear") return this.choose(null, null);
    this.mode = name;
    this.root.classList.toggle("pan", name === "pan");
    for (const each of ["lasso", "pan"]) this.buttons[each].setAttribute("aria-pressed", each === name);
  }

  async update(data) {
    this.turn = data;
    const same = data.key === this.key, known = data.maps.map((_, place) => same && this.charts[place].read);
    const read = await Promise.all(data.maps.map((map, place) => readPoints(map, known[place]))).catch((error) => error);
    if (this.turn !== data) return; // another update came meanwhile
    if (read instanceof Error) return void (this.said.textContent = read.message);
    const first = this.data === undefined;
    this.data = data;
    if (data.key !== this.key) {
      this.key = data.key;
      this.grid.textContent = "";
      this.charts = data.maps.map((map, place) => new Chart(this, map, read[place]));
    }
    const painted = this.charts.filter((chart, place) => chart.paint(data.maps[place], read[place]));
    if (data.frames) layFrames(this, data); // morph.js
    this.drawLegend();
    const chosen = String(data.chosen ?? "");
    if (first || data.lasso !== this.lasso || chosen !== this.chosen) {
      Object.assign(this, { lasso: data.lasso, chosen, point: data.point ?? null });
      const [name, polygon] = parse(data.lasso);
      const chart = this.charts.find((one) => one.map.id === name);
      this.select(chart && polygon.length > 2 ? chart.inside(polygon) : chosen ? new Chosen(data.chosen) : null);
    } else if (painted.length) this.select(this.selected);
    else this.draw();
  }

  // A new lasso: shown at once in all maps, then told to the page.
  choose(chart, polygon) {
    const step = Math.max(Math.ceil((polygon || []).length / 48), 1);
    const words = (polygon || []).filter((_, i) => i % step === 0).map(([x, y]) => `${x.toFixed(3)},${y.toFixed(3)}`);
    this.lasso = chart ? `${chart.map.id}~${words.join("~")}` : "";
    this.select(chart ? chart.inside(parse(this.lasso)[1]) : null); // of the shortened lasso, as the page will count
    if (!this.selected?.size) this.lasso = "";
    if (!this.lasso) this.select(null);
    this.send("lasso", this.lasso);
  }

  pick(index, star) {
    this.point = index;
    this.send("picked", star ? `star:${star.source}:${star.place}` : index === null ? "" : `real:${index}`);
    this.draw();
  }

  select(selected) {
    this.selected = selected;
    this.root.dataset.selected = selected ? selected.size : 0;
    const count = this.charts.reduce((most, chart) => Math.max(most, chart.count), 0);
    this.said.textContent = selected ? `${selected.size} of ${count} images selected` : `${count} images`;
    this.charts.forEach((chart) => chart.render());
  }

  draw() { this.charts.forEach((chart) => chart.draw()); }

  drawLegend() {
    this.legend.textContent = "";
    const { names, ramp, shapes } = this.data.legend;
    shapes.forEach((words) => node("span", this.legend, "shape", words));
    if (ramp) {
      node("span", this.legend, "", ramp[0]);
      node("i", this.legend, "ramp").style.background = `linear-gradient(90deg, ${this.data.palette.join(",")})`;
      node("span", this.legend, "", ramp[1]);
    } else names.forEach((name, place) => {
      const entry = node("span", this.legend);
      node("i", entry).style.background = this.data.palette[place % this.data.palette.length];
      entry.append(name);
    });
  }

  show(chart, found, x, y) {
    this.hover = found && found.star ? null : found ? found.index : null;
    this.root.dataset.hover = this.hover ?? "";
    this.draw();
    this.tip.style.display = found ? "block" : "none";
    if (!found) return;
    this.tip.textContent = "";
    const sprite = found.star ? found.star.sprite : thumbOf(this.data.thumbs, found.index);
    if (sprite) paintSprite(node("i", this.tip), sprite, 112);
    node("b", this.tip, "", found.star ? found.star.name : chart.words(found.position));
    node("span", this.tip, "", found.star ? found.star.source : `Image ${found.index}`);
    const value = found.star ? undefined : chart.read.values?.[found.position];
    if (value !== undefined) node("span", this.tip, "", `${this.data.legend.title} ${+value.toFixed(3)}`);
    const [frame, canvas] = [this.root.getBoundingClientRect(), chart.canvas.getBoundingClientRect()];
    const left = canvas.left - frame.left + x + 16;
    this.tip.style.left = `${left + 140 > frame.width ? left - 170 : left}px`;
    this.tip.style.top = `${canvas.top - frame.top + Math.min(y, canvas.height - 170)}px`;
  }
}

function parse(lasso) {
  const [name, ...corners] = (lasso || "").split("~");
  return [name, corners.map((corner) => corner.split(",").map(Number))];
}
