// Squares by WebGL: one context for all maps, whose picture is copied to the canvas of each. `drawOnCard` returns false
// where there is no graphics card (WebGL by the processor is slower than drawSquares), or where the context was lost.
const SHADERS = {
  VERTEX_SHADER: `
    attribute vec2 place;
    attribute vec4 ink;
    uniform vec2 start, size; // in pixels
    uniform float zoom, side;
    varying vec4 colour;
    void main() {
      vec2 pixel = floor(place * zoom + start - side / 2.0 + 0.5) + side / 2.0; // whole pixels, as drawSquares does
      gl_Position = vec4((pixel / size * 2.0 - 1.0) * vec2(1, -1), 0, 1);
      gl_PointSize = side;
      colour = vec4(ink.rgb * ink.a, ink.a);
    }`,
  FRAGMENT_SHADER: "precision mediump float; varying vec4 colour; void main() { gl_FragColor = colour; }",
};
const BY_PROCESSOR = /swiftshader|llvmpipe|software|basic render/i;
let card; // undefined: not asked for yet; null: there is none

function drawOnCard(chart, pen, side) {
  const { width, height } = pen.canvas;
  if (card === undefined) card = openCard();
  if (!card || card.gl.isContextLost()) return false;
  const { gl, program } = card, known = (name) => gl.getUniformLocation(program, name);
  if (gl.canvas.width !== width || gl.canvas.height !== height) Object.assign(gl.canvas, { width, height });
  if (gl.drawingBufferWidth !== width || gl.drawingBufferHeight !== height) return false;
  if (chart.loaded?.selected !== chart.view.selected) chart.loaded = loadPoints(chart, gl);
  gl.viewport(0, 0, width, height);
  gl.clear(gl.COLOR_BUFFER_BIT);
  for (const [name, parts, kind] of [["place", 2, gl.UNSIGNED_SHORT], ["ink", 4, gl.UNSIGNED_BYTE]]) {
    const at = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, chart.loaded[name]);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, parts, kind, true, 0, 0);
  }
  gl.uniform2f(known("start"), chart.left * chart.ratio, chart.top * chart.ratio);
  gl.uniform2f(known("size"), width, height);
  gl.uniform1f(known("zoom"), chart.scale * chart.ratio);
  gl.uniform1f(known("side"), side);
  gl.drawArrays(gl.POINTS, 0, chart.count);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.drawImage(gl.canvas, 0, 0);
  return !gl.isContextLost();
}

function openCard() {
  const wanted = { antialias: false, depth: false, failIfMajorPerformanceCaveat: true };
  const gl = document.createElement("canvas").getContext("webgl", wanted);
  if (!gl) return null;
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  if (BY_PROCESSOR.test(gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER))) return null;
  const program = gl.createProgram();
  for (const [kind, text] of Object.entries(SHADERS)) {
    const shader = gl.createShader(gl[kind]);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  return { gl, program };
}

function loadPoints(chart, gl) { // in the order of drawing; until the choice, the colours or the places change
  const { points, colours, count, view } = chart, inks = inksOf(view.data.palette);
  const arrays = { place: new Uint16Array(2 * count), ink: new Uint8Array(4 * count) };
  const loaded = { selected: view.selected };
  let k = 0;
  eachPoint(chart, (i, opacity) => {
    arrays.place[2 * k] = points[2 * i];
    arrays.place[2 * k + 1] = points[2 * i + 1];
    const [red, green, blue] = inks[colours[i] % inks.length];
    arrays.ink[4 * k] = red;
    arrays.ink[4 * k + 1] = green;
    arrays.ink[4 * k + 2] = blue;
    arrays.ink[4 * k++ + 3] = 255 * opacity;
  });
  for (const [name, values] of Object.entries(arrays)) {
    loaded[name] = chart.loaded?.[name] ?? gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, loaded[name]);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
  }
  return loaded;
}
