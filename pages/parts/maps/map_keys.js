// A map with the keys: arrows go from point to point, Enter opens one, S selects what lies around it (again: more),
// + and - zoom, 0 fits, Escape clears the selection.
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const REACH = 0.06; // of the map's side, selected around a point by the first S

function pressKey(chart, event) {
  const at = chart.at ?? 0, [x, y] = [chart.x(at), chart.y(at)], way = WAYS[event.key];
  const doing = {
    Enter: () => chart.view.pick(chart.indices[at], null),
    s: () => selectAround(chart, at),
    "+": () => chart.zoomAt(x, y, 1.4),
    "-": () => chart.zoomAt(x, y, 1 / 1.4),
    0: () => chart.fit(),
    Escape: () => chart.view.choose(null, null),
  }[event.key];
  if (!way && !doing) return;
  event.preventDefault();
  event.stopPropagation();
  if (doing) return doing();
  chart.at = chart.at === undefined ? 0 : nextPoint(chart, at, way);
  chart.around = 0;
  chart.view.show(chart, { position: chart.at, index: chart.indices[chart.at] }, chart.x(chart.at), chart.y(chart.at));
}

// The nearest point in a direction: what lies aside counts twice. The same point where there is none.
function nextPoint(chart, at, [right, down]) {
  let best = Infinity, found = at;
  for (let i = 0; i < chart.count; i++) {
    const [x, y] = [chart.x(i) - chart.x(at), chart.y(i) - chart.y(at)], ahead = x * right + y * down;
    const away = ahead + 2 * Math.abs(x * down + y * right);
    if (ahead > 0.5 && away < best) [best, found] = [away, i];
  }
  return found;
}

function selectAround(chart, at) {
  chart.around = (chart.around ?? 0) + REACH;
  const [x, y] = [chart.points[2 * at] / 65535, chart.points[2 * at + 1] / 65535];
  const angles = Array.from({ length: 24 }, (_, k) => (2 * Math.PI * k) / 24);
  chart.view.choose(chart, angles.map((angle) => [x + chart.around * Math.cos(angle), y + chart.around * Math.sin(angle)]));
}
