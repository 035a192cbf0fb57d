// A matrix of values whose cells can be opened: text only, coloured by value, with the state of what is not there yet.
export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".lgm-matrix");
  const make = (tag, parent, name = "", text = "") => {
    const made = parent.appendChild(document.createElement(tag));
    made.className = name;
    made.textContent = text;
    return made;
  };
  const title = (parent, { name, note, colour }) => {
    const made = make("th", parent);
    if (colour) make("i", made).style.background = colour;
    make("span", made, "", name);
    if (note) make("small", made, "", note);
  };
  root.textContent = "";
  root.classList.toggle("small", data.small);
  const table = make("table", root);
  const head = make("tr", make("thead", table));
  make("th", head, "corner", data.corner);
  data.columns.forEach((column) => title(head, column));
  const body = make("tbody", table);
  data.rows.forEach((row, y) => {
    const line = make("tr", body);
    title(line, row);
    data.cells[y].forEach((cell, x) => {
      const button = make("button", make("td", line), `cell ${cell.state}`);
      make("b", button, "", cell.text);
      if (cell.spread) make("small", button, "", cell.spread);
      button.title = cell.title;
      if (cell.heat !== null) {
        button.style.setProperty("--heat", `${8 + 52 * Math.abs(cell.heat)}%`);
        if (cell.heat < 0) button.classList.add("below");
      }
      const key = data.keys[y][x];
      button.setAttribute("aria-pressed", Boolean(key) && key === data.chosen);
      button.onclick = () => setStateValue("cell", key === data.chosen ? "" : key);
      button.disabled = !data.opens || !key;
    });
  });
}
