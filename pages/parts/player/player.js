// The player: one position for images, curves and map. Keys, buttons and clicks move it; nothing asks the server.

const POLL_MS = 1000;
const AWAY_AFTER = 3; // questions without an answer: a server that starts anew may miss one
const players = new WeakMap(); // parent element -> Player: the function below is called again when the data change

class Player {
  constructor(data, root, component) {
    this.find = (selector) => root.querySelector(selector);
    Object.assign(this, { root, box: this.find(".player"), at: -1, hovered: -1, selected: -1, follow: true, timer: 0 });
    this.feed = new Feed(data);
    this.frames = new Frames(this.feed, (frame) => this.loaded(frame));
    this.zoom = new Zoom(this.find, this.feed, this.frames, (frame) => this.go(this.feed.frames.indexOf(frame)));
    this.curves = [
      new Curve(this.find(".loss"), data.losses, (value, digits) => value.toPrecision(digits), null),
      new Curve(this.find(".accuracy"), data.judges, (value) => `${Math.round(100 * value)} %`, [0, 1]),
    ];
    this.maps = new Maps(this.find(".map-box"));
    this.first = { step: data.step, image: data.image };
    this.update(data, component);
    this.listen();
    this.watch = new ResizeObserver(() => this.renew());
    for (const one of [this.box, this.find(".zoom")]) this.watch.observe(one);
    this.poll();
  }

  update(data, component) {
    Object.assign(this, { data, component });
    this.find(".live").hidden = !data.active;
    this.find(".fork").hidden = !data.fork;
    this.css = "";
    clearTimeout(this.polling);
    this.polling = setTimeout(() => this.poll(), data.active ? POLL_MS : 0);
  }

  async poll() {
    clearTimeout(this.polling);
    try {
      if (!document.hidden) await this.lookAround();
    } finally {
      const again = !this.closed && (this.data.active || this.at < 0);
      if (again) this.polling = setTimeout(() => this.poll(), POLL_MS);
    }
  }

  async lookAround() {
    const fresh = await this.feed.poll();
    if (this.selected >= 0 && fresh) this.feed.levels = (await this.feed.json("levels")) || this.feed.levels;
    if (this.closed) return;
    this.find(".away").hidden = this.feed.unanswered < AWAY_AFTER;
    this.tellState();
    if (fresh) this.grown();
    if (this.css !== this.themed()) this.renew();
  }

  // The server draws its part of the page anew when the run is in another state.
  tellState() {
    const { state } = this.feed;
    if (state && state !== this.data.state && state !== this.told) this.component.setTriggerValue("state", state);
    this.told = state;
  }

  // Called when new frames or lines have come.
  grown() {
    const last = this.feed.frames.length - 1;
    this.find(".scrub").max = Math.max(last, 0);
    if (this.at < 0 && last >= 0 && this.first.step !== null) {
      this.follow = this.first.step >= this.feed.frames[last].step;
      const near = this.feed.frames.findIndex((frame) => frame.step >= this.first.step);
      this.at = near < 0 ? last : near;
    } else if (this.follow || this.at > last) this.at = last;
    if (this.first.image >= 0 && last >= 0) this.select(this.first.image, false);
    this.first.image = -1;
    this.renew();
  }

  // Redraws everything: the size, the theme or the data have changed.
  renew() {
    if (!this.box.clientWidth) return;
    this.css = this.themed();
    this.box.classList.toggle("narrow", this.box.clientWidth < 860);
    this.look = this.makeLook();
    const { frames, metrics, map, trail } = this.feed;
    this.find(".bar").hidden = frames.length < (this.data.active ? 1 : 2); // the images of a baseline do not move
    this.find(".words").hidden = frames.length > 0;
    if (this.feed.known) this.find(".words").textContent = this.data.words;
    this.find(".stage").hidden = !frames.length;
    this.find(".stage").style.display = frames.length ? "" : "none";
    this.find(".loss-words").textContent = this.data.loss;
    this.curves[1].series = this.data.judges.filter(({ name }) => metrics.some((line) => line[name] !== undefined));
    this.find(".accuracy-box").hidden = !this.curves[1].series.length;
    const curved = metrics.length || (this.data.active && this.data.fork); // there will be: nothing moves when they come
    this.find(".side").style.display = curved ? "" : "none";
    this.find(".stage").style.gridTemplateColumns = curved ? "" : "minmax(0, 1fr)";
    this.find(".map-box").hidden = !map;
    this.find(".near-words").textContent = this.data.near_words;
    this.placeMap(frames);
    if (!frames.length) return;
    const last = Math.max(this.data.steps - 1, frames[frames.length - 1].step);
    if (metrics.length) for (const curve of this.curves) curve.renew(metrics, last, this.look);
    const way = [...trail.values()].sort((a, b) => a.step - b.step);
    if (map) this.maps.renew(map, way, this.data.map_words, this.look);
    this.show();
  }

  // Few images leave room below them: there the map is larger.
  placeMap(frames) {
    const count = frames.length ? this.count(frames[0]) : 0, grid = layout(count, 100 + NAMES, this.data.per_class);
    const below = Math.ceil(count / grid.columns) / grid.columns < 0.55;
    this.box.classList.toggle("map-below", below);
    const home = this.find(below ? ".images" : ".side"), map = this.find(".map-box");
    if (map.parentElement !== home) home.append(map);
  }

  go(at, from = performance.now()) {
    const last = this.feed.frames.length - 1, place = Math.min(Math.max(at, 0), last);
    this.follow = place === last;
    if (place === this.at || last < 0) return;
    Object.assign(this, { at: place, since: from });
    this.show();
    this.remember();
  }

  show() {
    const frame = this.feed.frames[this.at];
    if (!frame || !this.look) return;
    this.preload();
    this.find(".scrub").value = this.at;
    this.find(".where").textContent = `Step ${frame.step + 1} of ${this.data.steps}`;
    this.find(".live").classList.toggle("on-air", this.follow);
    this.find(".fork").hidden = !this.data.fork || frame.step < 0;
    this.box.dataset.step = frame.step;
    const loss = this.feed.valueAt(frame.step, "loss");
    this.find(".loss-now").textContent = loss === null ? "" : loss.toFixed(3);
    const percent = (value) => `${(100 * value).toFixed(1)} %`, plain = (value) => value.toFixed(3);
    const judges = this.curves[1].series.map((judge) => this.now(judge, frame.step, percent));
    this.find(".accuracy-box .judges").replaceChildren(...judges);
    const losses = this.data.losses.length > 1 ? this.data.losses : [];
    this.find(".losses").replaceChildren(...losses.map((one) => this.now(one, frame.step, plain)));
    if (this.feed.metrics.length) for (const curve of this.curves) curve.cursor(frame.step, this.look);
    this.drawMap();
    this.drawFrame(frame);
  }

  // Such as "● the nearest class mean in mobilenet_v2 71.0 %", in the colour of its curve.
  now({ name, words, colour }, step, format) {
    const value = this.feed.valueAt(step, name), one = document.createElement("span"), number = document.createElement("b");
    number.textContent = value === null ? "" : format(value);
    one.style.setProperty("--judge", colour || this.look.line);
    one.append(words, " ", number);
    return one;
  }

  drawFrame(frame) {
    const picture = this.frames.get(frame);
    if (!picture) return; // the old picture stays until the new one is decoded
    Object.assign(this.look, { count: this.count(frame), selected: this.selected, hovered: this.hovered });
    this.look.opening = this.opening();
    drawTiles(this.find(".atlas"), picture, frame, this.look);
    this.zoom.draw(frame, this.look);
    this.box.dataset.drawn = frame.step;
    if (this.since) this.box.dataset.latency = (performance.now() - this.since).toFixed(1);
    this.since = 0;
  }

  // What is open lies below its own row; the rows after it make room.
  opening() {
    if (this.selected < 0) return null;
    const zoom = this.find(".zoom"), grid = layout(this.look.count, this.find(".atlas").clientWidth, this.look.each);
    const row = Math.floor(this.selected / grid.columns);
    zoom.style.top = `${(row + 1) * grid.row}px`;
    return { row, height: zoom.offsetHeight + 8 };
  }

  drawMap() {
    const frame = this.feed.frames[this.at];
    if (!this.feed.map || !frame) return;
    Object.assign(this.look, { count: this.count(frame), selected: this.selected, hovered: this.hovered });
    this.maps.at(frame.step, this.look);
  }

  loaded(frame) {
    const drawn = Number(this.box.dataset.drawn ?? -1), now = this.feed.frames[this.at];
    if (now?.file === frame.file) this.show();
    else if (this.look && this.follow && frame.step > drawn && frame.step < now?.step)
      this.drawFrame(frame); // a slow line brings each frame after the next one has come: better late than never
    else if (this.selected >= 0 && this.look) this.zoom.draw(this.feed.frames[this.at], this.look);
  }

  // The frame itself, then those around it, then, when there is room, all.
  preload() {
    const all = this.feed.frames, order = [];
    for (let away = 0; away < all.length; away++) {
      if (all[this.at + away]) order.push(all[this.at + away]);
      if (away && all[this.at - away]) order.push(all[this.at - away]);
    }
    if (this.selected >= 0) order.splice(9, 0, ...this.zoom.wanted());
    this.frames.want([...new Set(order)]);
  }

  select(image, tell = true) {
    this.selected = image;
    this.zoom.open(image, this.look || this.makeLook());
    this.feed.json("levels").then((levels) => {
      if (levels) this.feed.levels = levels;
      if (!this.closed) this.show();
    });
    if (tell) this.remember();
    this.show();
  }

  // Puts the view into the URL without asking the server.
  remember() {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => {
      const url = new URL(window.location.href), frame = this.feed.frames[this.at];
      if (frame && !this.follow) url.searchParams.set("step", frame.step);
      else url.searchParams.delete("step");
      if (this.selected >= 0) url.searchParams.set("image", this.selected);
      else url.searchParams.delete("image");
      window.history.replaceState(window.history.state, "", url);
    }, 250);
  }

  play(on = !this.timer) {
    clearInterval(this.timer);
    this.timer = 0;
    if (on && this.at >= this.feed.frames.length - 1) this.go(0);
    if (on) this.timer = setInterval(() => this.tick(), 1000 / Number(this.find(".speed").value));
    this.box.classList.toggle("playing", on);
  }

  tick() {
    if (this.at >= this.feed.frames.length - 1) {
      if (!this.data.active) this.play(false);
      return;
    }
    if (this.frames.get(this.feed.frames[this.at + 1])) this.go(this.at + 1);
    else this.preload();
  }

  count(frame) {
    return frame.count ?? Math.min(this.data.images || Infinity, frame.columns * frame.rows);
  }

  close() {
    this.closed = true;
    for (const stop of [clearTimeout, clearInterval]) [this.polling, this.timer, this.remembering].forEach(stop);
    this.watch.disconnect();
    document.removeEventListener("keydown", this.onkey);
    this.frames.close();
  }
}

export default function (component) {
  const { data, parentElement } = component;
  let player = players.get(parentElement);
  if (player && (player.data.run !== data.run || player.data.version !== data.version)) {
    player.close();
    player = null;
  }
  if (player) player.update(data, component);
  else players.set(parentElement, (player = new Player(data, parentElement, component)));
  return () => {
    player.close();
    players.delete(parentElement);
  };
}
