// The time-lapse player of a report: play, drag, arrow keys; it moves the line on the curves of the same part.
for (const player of document.querySelectorAll(".player")) {
  const { steps, frames } = JSON.parse(player.querySelector('script[type="application/json"]').textContent);
  const [image, range, button, output] = ["img", "input", "button", "output"].map((name) => player.querySelector(name));
  const cursors = (player.closest("article") || document).querySelectorAll(".cursor");
  let timer = 0;
  const show = (index) => {
    range.value = index;
    image.src = frames[index];
    output.textContent = `step ${steps[index]}`;
    for (const cursor of cursors) {
      const { low, high, left, right } = Object.fromEntries(Object.entries(cursor.dataset).map(([k, v]) => [k, +v]));
      const across = left + ((steps[index] - low) / (high - low)) * (right - left);
      cursor.setAttribute("transform", `translate(${Math.min(Math.max(across, left), right)} 0)`);
      cursor.setAttribute("visibility", "visible");
    }
  };
  const halt = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
  const play = () => {
    if (+range.value === frames.length - 1) show(0);
    button.textContent = "Pause";
    timer = setInterval(() => (+range.value < frames.length - 1 ? show(+range.value + 1) : halt()), 100);
  };
  range.oninput = () => { halt(); show(+range.value); };
  button.onclick = () => (timer ? halt() : play());
  player.onkeydown = (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 }[event.key];
    if (!move) return;
    event.preventDefault();
    halt();
    show(Math.min(Math.max(+range.value + move, 0), frames.length - 1));
  };
  for (const printed of player.querySelectorAll("[data-frame]")) printed.src = frames[printed.dataset.frame];
  show(frames.length - 1);
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));
