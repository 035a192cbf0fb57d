// What the user does, and how it looks: keys, buttons, pointer; colours and names. Mixed into Player.

const KEYS = {
  ArrowLeft: (player, far) => player.go(player.at - far),
  ArrowRight: (player, far) => player.go(player.at + far),
  Home: (player) => player.go(0),
  End: (player) => player.go(player.feed.frames.length - 1),
  " ": (player) => player.play(),
  Escape: (player) => player.selected >= 0 && player.select(-1),
};

const Hands = {
  listen() {
    const { find } = this;
    find(".atlas").setAttribute("aria-label", "Synthetic images: up and down choose one, Enter opens it");
    this.onkey = (event) => this.key(event);
    document.addEventListener("keydown", this.onkey);
    find(".play").onclick = () => this.play();
    find(".back").onclick = () => this.go(this.at - 1);
    find(".on").onclick = () => this.go(this.at + 1);
    find(".scrub").oninput = (event) => this.go(Number(event.target.value));
    find(".speed").onchange = () => this.timer && this.play(true);
    find(".live").onclick = () => this.go(this.feed.frames.length - 1);
    find(".fork").onclick = () => this.component.setTriggerValue("fork", this.feed.frames[this.at]?.step ?? 0);
    find(".close").onclick = () => this.select(-1);
    for (const curve of this.curves) curve.canvas.onclick = (event) => this.goToStep(curve.stepAt(event.offsetX));
    const atlas = find(".atlas"), map = find(".map-box");
    const over = (event) => (this.look ? tileAt(atlas, this.look, event.offsetX, event.offsetY) : -1);
    atlas.onclick = (event) => this.open(over(event) === this.selected ? -1 : over(event));
    atlas.onkeydown = (event) => this.overTiles(event);
    atlas.onpointermove = (event) => this.hover(over(event), event);
    map.onpointermove = (event) => this.overMap(event);
    atlas.onpointerleave = map.onpointerleave = () => this.hover(-1, null);
  },

  key(event) {
    const target = event.composedPath()[0], tag = target.tagName;
    const typing = target.isContentEditable || tag === "TEXTAREA" || tag === "SELECT" || (tag === "INPUT" && target.type !== "range");
    const elsewhere = !this.root.contains(target) && target.getAttribute?.("role");
    const button = tag === "BUTTON" && event.key === " ";
    if (typing || elsewhere || button || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key](this, event.shiftKey ? 10 : 1);
  },

  open(image) {
    this.select(image);
    if (image >= 0) requestAnimationFrame(() => this.find(".zoom").scrollIntoView({ block: "nearest" }));
  },

  // With the keys: up and down choose an image, Enter opens it.
  overTiles(event) {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key], count = this.look?.count ?? 0;
    const at = this.selected >= 0 ? this.selected : this.hovered;
    if (!count || (!by && event.key !== "Enter")) return;
    event.preventDefault();
    const next = Math.min(Math.max(at + (by ?? 0), 0), count - 1);
    if (by && this.selected < 0) this.hover(next, null);
    else this.open(by || this.selected < 0 ? next : -1);
  },

  goToStep(step) {
    const all = this.feed.frames;
    if (all.length) this.go(all.indexOf(nearestTo(step, all)));
  },

  hover(image, event) {
    const named = event && image >= 0 && layout(this.look.count, this.find(".atlas").clientWidth, this.look.each).named;
    this.tip(event && image >= 0 && !named ? event : null, this.look?.name(image), null);
    if (image === this.hovered) return;
    this.hovered = image;
    const said = image >= 0 ? this.look.name(image) : "up and down choose one, Enter opens it";
    this.find(".atlas").setAttribute("aria-label", `Synthetic images: ${said}`);
    const frame = this.feed.frames[this.at];
    if (frame && this.look) this.drawFrame(frame);
    this.drawMap();
  },

  overMap(event) {
    const hit = this.maps.hit(event.target, event.offsetX, event.offsetY);
    this.tip(hit ? event : null, hit && this.look.className(hit.label), hit && hit.index);
  },

  tip(event, words, index) {
    const tip = this.find(".tip"), picture = tip.querySelector("i");
    tip.hidden = !event;
    if (!event) return;
    tip.querySelector("span").textContent = words;
    const thumb = index === null ? null : thumbOf(this.look.thumbs, index);
    picture.style.display = thumb ? "" : "none";
    if (thumb) paintSprite(picture, thumb, 112);
    const box = this.box.getBoundingClientRect(), left = event.clientX - box.left, right = left > box.width - 150;
    Object.assign(tip.style, { left: `${left + (right ? -138 : 14)}px`, top: `${event.clientY - box.top + 14}px` });
  },

  themed() {
    const style = getComputedStyle(this.box);
    return ["--st-text-color", "--st-background-color", "--st-primary-color"].map((name) => style.getPropertyValue(name)).join();
  },

  makeLook() {
    const style = getComputedStyle(this.box), data = this.data;
    const label = (image) => data.owners[image] ?? Math.floor(image / data.per_class);
    const within = (image) => 1 + data.owners.slice(0, image).filter((other) => other === data.owners[image]).length;
    const ink = style.getPropertyValue("--st-text-color").trim() || style.color;
    const paper = style.getPropertyValue("--st-background-color").trim() || "white";
    const className = (index) => data.classes[index] ?? `class ${index}`;
    const classColour = (index) => data.colours[index] ?? data.colours[index % data.colours.length];
    return {
      ink, paper, label, className, classColour,
      line: style.getPropertyValue("--st-primary-color").trim() || ink,
      faint: `color-mix(in srgb, ${ink} 62%, transparent)`,
      grid: `color-mix(in srgb, ${ink} 13%, transparent)`,
      font: style.fontFamily,
      thumbs: data.thumbs,
      count: data.images,
      each: data.per_class,
      selected: this.selected,
      hovered: this.hovered,
      colour: (image) => classColour(label(image)),
      name: (image) => className(label(image))
        + (data.owners.length ? ` ${within(image)}` : data.per_class > 1 ? ` ${1 + (image % data.per_class)}` : ""),
      labelOf: (index) => this.maps.labelOf(index),
    };
  },
};
