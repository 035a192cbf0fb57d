// One map of several backbones: a slider moves every point from its place in one backbone to that in the next.
// `layFrames` is called by map.js; a lasso is kept with the place of the slider at which it was drawn, in the map's name.
const MOST_WAYS = 400;

function layFrames(view, data) {
  const chart = view.charts[0];
  if (view.framesOf !== data.key) {
    view.framesOf = data.key;
    view.morph?.remove();
    view.frames = data.frames.map((frame) => new Uint16Array(bytes(frame.points)));
    view.grid.before((view.morph = sliderOf(view, data.frames)));
    const drawn = /^at-([\d.]+)~/.exec(data.lasso || "");
    moveTo(view, chart, drawn ? Number(drawn[1]) : data.at);
  } else chart.map.id = `at-${view.at.toFixed(2)}`;
}

function sliderOf(view, frames) {
  const bar = document.createElement("div");
  bar.className = "morph";
  const play = node("button", bar, "", "▶ Morph");
  const slider = node("input", node("div", bar, "track"));
  Object.assign(slider, { type: "range", min: 0, max: frames.length - 1, step: 0.01 });
  slider.setAttribute("aria-label", "From one backbone's map to the next one's");
  const names = node("div", slider.parentElement, "names");
  frames.forEach((frame, place) => {
    const name = node("button", names, "", frame.title);
    name.onclick = () => glide(view, place);
  });
  slider.oninput = () => moveTo(view, view.charts[0], Number(slider.value));
  slider.onchange = () => view.send("at", view.at.toFixed(2));
  play.onclick = () => glide(view, view.at > (frames.length - 1) / 2 ? 0 : frames.length - 1);
  view.slider = slider;
  return bar;
}

function glide(view, target) { // about a second for each backbone
  const start = view.at, from = performance.now(), time = 900 * Math.max(Math.abs(target - start), 0.3);
  const step = (now) => {
    const share = Math.min((now - from) / time, 1);
    moveTo(view, view.charts[0], start + (target - start) * share * share * (3 - 2 * share));
    if (share < 1) requestAnimationFrame(step);
    else view.send("at", view.at.toFixed(2));
  };
  requestAnimationFrame(step);
}

function moveTo(view, chart, asked) {
  const last = view.frames.length - 1, at = Math.min(Math.max(Math.round(asked * 100) / 100, 0), last);
  const place = Math.min(Math.floor(at), Math.max(last - 1, 0)), share = at - place;
  const from = view.frames[place], to = view.frames[Math.min(place + 1, last)];
  for (let i = 0; i < from.length; i++) chart.points[i] = Math.floor(from[i] + (to[i] - from[i]) * share + 0.5);
  Object.assign(view, { at });
  chart.map.id = `at-${at.toFixed(2)}`;
  chart.ways = { from, to };
  view.slider.value = at;
  view.root.dataset.at = at.toFixed(2);
  chart.bin();
  chart.render();
}

function drawWays(chart, pen) { // of the chosen images alone: where they come from and go to
  const { selected } = chart.view, { from, to } = chart.ways;
  if (!selected || selected.size > MOST_WAYS) return;
  const x = (points, i) => (points[2 * i] / 65535) * chart.scale + chart.left;
  const y = (points, i) => (points[2 * i + 1] / 65535) * chart.scale + chart.top;
  pen.save();
  Object.assign(pen, { globalAlpha: 0.25, lineWidth: 1 });
  pen.beginPath();
  for (let i = 0; i < chart.count; i++) {
    if (!selected.has(chart.indices[i])) continue;
    pen.moveTo(x(from, i), y(from, i));
    pen.lineTo(x(to, i), y(to, i));
  }
  pen.stroke();
  pen.restore();
}
