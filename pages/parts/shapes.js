// Marks on maps, told apart by their shape: a star for distilled images, a triangle for random real ones, a diamond for
// real ones that were chosen otherwise.
const CORNERS = {
  star: Array.from({ length: 10 }, (_, k) => [(Math.PI * k) / 5 - Math.PI / 2, k % 2 ? 0.45 : 1]),
  triangle: [0, 1, 2].map((k) => [(2 * Math.PI * k) / 3 - Math.PI / 2, 1]),
  diamond: [0, 1, 2, 3].map((k) => [(Math.PI * k) / 2, 0.9]),
};

function shapePath(pen, shape, x, y, radius) {
  pen.beginPath();
  for (const [angle, reach] of CORNERS[shape]) {
    pen.lineTo(x + radius * reach * Math.cos(angle), y + radius * reach * Math.sin(angle));
  }
  pen.closePath();
}
