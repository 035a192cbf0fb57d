// The points of a map, drawn on a canvas off screen: discs where they are few, else squares, pixel by pixel; where
// there are very many and a graphics card, by WebGL (map_webgl.js), which draws the same squares.
const FEW = 4000, VERY_MANY = 20000, CHOSEN = 0.85, LEFT = 0.13; // points; opacities

function drawPoints(chart) {
  const pen = chart.layer.getContext("2d"), { palette } = chart.view.data;
  const zoom = (chart.scale / Math.min(chart.width, chart.height)) ** 0.4;
  const size = (chart.count < 1000 ? 5 : chart.count < 10000 ? 3.4 : 2.2) * zoom;
  const side = Math.max(Math.round(size * chart.ratio), 1);
  const onCard = chart.count >= VERY_MANY && drawOnCard(chart, pen, side);
  chart.canvas.dataset.by = onCard ? "card" : "canvas";
  if (chart.count < FEW) drawDiscs(chart, pen, palette, size);
  else if (!onCard) drawSquares(chart, pen, inksOf(palette), side);
}

// Calls `put(point, opacity)` for each point: the chosen ones last. They come mixed, so that no class covers another.
function eachPoint({ indices, count, view: { selected } }, put) {
  for (const chosen of selected ? [false, true] : [true]) {
    for (let i = 0; i < count; i++) {
      if (!selected || selected.has(indices[i]) === chosen) put(i, chosen ? CHOSEN : LEFT);
    }
  }
}

const inksOf = (palette) => palette.map((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));

function drawDiscs(chart, pen, palette, size) {
  pen.setTransform(chart.ratio, 0, 0, chart.ratio, 0, 0);
  pen.clearRect(0, 0, chart.width, chart.height);
  eachPoint(chart, (i, opacity) => {
    pen.globalAlpha = opacity;
    pen.fillStyle = palette[chart.colours[i] % palette.length];
    pen.beginPath();
    pen.arc(chart.x(i), chart.y(i), size / 2 + 0.4, 0, 7);
    pen.fill();
  });
}

function drawSquares(chart, pen, inks, side) {
  const { width, height } = pen.canvas, image = pen.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer); // alpha, blue, green, red
  const { points, colours, ratio } = chart, zoom = (chart.scale * ratio) / 65535;
  const [left, top] = [chart.left, chart.top].map((start) => start * ratio - side / 2);
  const words = inks.map(([red, green, blue]) => (blue << 16) | (green << 8) | red);
  // By the alpha before: that after, and the ink's share of 256.
  const alphas = new Uint32Array(256), shares = new Uint16Array(256);
  let last = 0;
  const opaque = (opacity) => alphas.forEach((_, before) => {
    const after = 255 * opacity + before * (1 - opacity);
    [alphas[before], shares[before]] = [Math.round(after) << 24, Math.round((256 * 255 * opacity) / after)];
    last = opacity;
  });
  eachPoint(chart, (i, opacity) => {
    if (opacity !== last) opaque(opacity);
    const across = Math.round(points[2 * i] * zoom + left), down = Math.round(points[2 * i + 1] * zoom + top);
    const right = Math.min(across + side, width), bottom = Math.min(down + side, height);
    const ink = words[colours[i] % words.length], red = ink & 255, green = (ink >> 8) & 255, blue = ink >> 16;
    for (let row = Math.max(down, 0); row < bottom; row++) {
      for (let at = row * width + Math.max(across, 0); at < row * width + right; at++) {
        const old = pixels[at], share = shares[old >>> 24];
        const mix = (place, to) => ((old >> place) & 255) + (((to - ((old >> place) & 255)) * share + 128) >> 8);
        pixels[at] = alphas[old >>> 24] | (mix(16, blue) << 16) | (mix(8, green) << 8) | mix(0, red);
      }
    }
  });
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.putImageData(image, 0, 0);
}
