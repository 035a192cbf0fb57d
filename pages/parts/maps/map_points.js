// The points of a map on a canvas off screen: discs where they are few, else pixels written one by one.

// Calls `put(x, y, colour)`, in pixels of the page, for each point in view; the chosen ones last. `opacity` is told first.
function eachPoint(chart, opacity, put) {
  const { points, colours, indices, count, scale, left, top, width, height } = chart, { selected } = chart.view;
  const stride = count % 7919 ? 7919 : 1; // mixed, so that no class covers another
  for (const chosen of selected ? [false, true] : [true]) {
    opacity(chosen ? 0.85 : 0.13);
    for (let k = 0, i = 0; k < count; k++, i = (i + stride) % count) {
      if (selected && selected.has(indices[i]) !== chosen) continue;
      const x = (points[2 * i] / 65535) * scale + left, y = (points[2 * i + 1] / 65535) * scale + top;
      if (x > -5 && y > -5 && x < width + 5 && y < height + 5) put(x, y, colours[i]);
    }
  }
}

function drawDiscs(chart, pen, palette, size) {
  pen.setTransform(chart.ratio, 0, 0, chart.ratio, 0, 0);
  pen.clearRect(0, 0, chart.width, chart.height);
  eachPoint(chart, (share) => (pen.globalAlpha = share), (x, y, colour) => {
    pen.fillStyle = palette[colour % palette.length];
    pen.beginPath();
    pen.arc(x, y, size / 2 + 0.4, 0, 7);
    pen.fill();
  });
}

// Squares, laid over what is there with the share `opacity` of their colour.
function drawSquares(chart, pen, palette, size) {
  const { width, height } = pen.canvas, image = pen.createImageData(width, height), pixels = image.data;
  const side = Math.max(Math.round(size * chart.ratio), 1);
  const colours = palette.map((colour) => parseInt(colour.slice(1), 16));
  const alphas = new Uint8Array(256), shares = new Float32Array(256); // by the alpha before: that after, the new one's share
  const opacity = (share) => alphas.forEach((_, before) => {
    const after = 255 * share + before * (1 - share);
    [alphas[before], shares[before]] = [Math.round(after), (255 * share) / after];
  });
  eachPoint(chart, opacity, (x, y, place) => {
    const across = Math.round(x * chart.ratio - side / 2), down = Math.round(y * chart.ratio - side / 2);
    const colour = colours[place % colours.length];
    const red = colour >> 16, green = (colour >> 8) & 255, blue = colour & 255;
    const right = Math.min(across + side, width), bottom = Math.min(down + side, height);
    for (let row = Math.max(down, 0); row < bottom; row++) {
      for (let column = Math.max(across, 0); column < right; column++) {
        const at = 4 * (row * width + column), share = shares[pixels[at + 3]];
        pixels[at] += (red - pixels[at]) * share;
        pixels[at + 1] += (green - pixels[at + 1]) * share;
        pixels[at + 2] += (blue - pixels[at + 2]) * share;
        pixels[at + 3] = alphas[pixels[at + 3]];
      }
    }
  });
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.putImageData(image, 0, 0);
}
