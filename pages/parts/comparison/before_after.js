// Two pictures of the same size, one over the other; a handle says how much of each is seen. Drag it, or use the arrows.
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".lgm-both");
  const [left, right] = root.querySelectorAll("img");
  const [range, first, second] = ["input", ".left", ".right"].map((name) => root.querySelector(name));
  if (left.getAttribute("src") !== data.left.url) left.src = data.left.url;
  if (right.getAttribute("src") !== data.right.url) right.src = data.right.url;
  [left.alt, right.alt] = [data.left.name, data.right.name];
  [first.textContent, second.textContent] = [data.left.name, data.right.name];
  const show = () => root.style.setProperty("--share", `${range.value}%`);
  range.oninput = show;
  const follow = (event) => {
    const frame = root.querySelector(".frame").getBoundingClientRect();
    range.value = Math.round((100 * (event.clientX - frame.left)) / frame.width);
    show();
  };
  const frame = root.querySelector(".frame");
  frame.onpointerdown = (event) => { frame.setPointerCapture(event.pointerId); follow(event); };
  frame.onpointermove = (event) => event.buttons && follow(event);
  show();
}
