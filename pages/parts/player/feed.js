// What the server knows of a run: fetched once, then line by line from where we were; and frames, decoded ahead.

const PIXELS_KEPT = 64e6; // of decoded frames, about 250 MB
const LOADS_AT_ONCE = 4;

class Feed {
  constructor(data) {
    this.api = `${data.base}/api/runs/${encodeURIComponent(data.run)}`;
    this.files = `${data.base}/app/static/runs/${encodeURIComponent(data.run)}`;
    this.version = data.version;
    this.offsets = { frames: 0, metrics: 0, trail: 0 };
    this.frames = []; // {step, file, columns, rows, side}
    this.metrics = []; // {step, loss, "live:NETWORK"?}
    this.trail = new Map(); // step -> {points, nearest, similarity}
    this.map = null;
    this.levels = { step: 0, sides: [] };
    this.state = ""; // of the run
    this.known = false; // has the server told of the run?
    this.unanswered = 0; // questions in a row
  }

  // Returns whether anything is new.
  async poll() {
    const got = await this.json(`new?${new URLSearchParams(this.offsets)}`);
    if (!got) return false;
    this.state = got.state;
    this.known = true;
    const [frames, metrics, trail] = ["frames", "metrics", "trail"].map((what) => this.taken(what, got[what]));
    this.frames = joined(this.frames, frames);
    this.metrics = joined(this.metrics, metrics);
    if (trail.reset) this.trail.clear();
    for (const line of trail.lines) this.trail.set(line.step, line);
    if (!this.map && this.trail.size) this.map = await this.json("map");
    return [frames, metrics, trail].some((got) => got.lines.length || got.reset);
  }

  // A file that cannot be read has no lines.
  taken(what, got = { lines: [], offset: this.offsets[what] }) {
    this.offsets[what] = got.offset;
    return got;
  }

  async json(what) {
    try {
      const answer = await fetch(`${this.api}/${what}`);
      this.unanswered = 0;
      return answer.ok ? await answer.json() : null;
    } catch {
      this.unanswered += 1;
      return null; // the server is away: the next poll asks again
    }
  }

  frameUrl(frame) {
    return `${this.files}/frames/${encodeURIComponent(frame.file)}?v=${this.version}`;
  }

  // The value in the last line at or before a step that has one.
  valueAt(step, name) {
    let found = null;
    for (const line of this.metrics) {
      if (line.step > step) break;
      if (line[name] !== undefined && line[name] !== null) found = line[name];
    }
    return found;
  }
}

// After a resume a run writes steps again: the new line of a step replaces the old one.
function joined(old, got) {
  const lines = got.reset ? [] : old;
  if (!got.lines.length) return lines;
  if (!lines.length || got.lines[0].step > lines[lines.length - 1].step) return lines.concat(got.lines);
  const bySteps = new Map([...lines, ...got.lines].map((line) => [line.step, line]));
  return [...bySteps.values()].sort((a, b) => a.step - b.step);
}

class Frames {
  constructor(feed, onload) {
    this.feed = feed;
    this.onload = onload;
    this.kept = new Map(); // file -> ImageBitmap, the longest unused first
    this.loading = new Set();
    this.wanted = [];
  }

  get(frame) {
    const picture = frame && this.kept.get(frame.file);
    if (!picture) return null;
    this.kept.delete(frame.file);
    this.kept.set(frame.file, picture);
    return picture;
  }

  // Decode these frames, the first of them first; what was wanted before and has not begun is dropped.
  want(frames) {
    const room = frames.length ? PIXELS_KEPT / pixels(frames[0]) : 0;
    this.wanted = frames.slice(0, Math.max(room, 4)).filter((f) => !this.kept.has(f.file) && !this.loading.has(f.file));
    this.pump();
  }

  pump() {
    while (this.wanted.length && this.loading.size < LOADS_AT_ONCE) this.load(this.wanted.shift());
  }

  async load(frame) {
    this.loading.add(frame.file);
    try {
      const answer = await fetch(this.feed.frameUrl(frame));
      if (!answer.ok) return;
      this.kept.set(frame.file, await createImageBitmap(await answer.blob()));
      this.forget(PIXELS_KEPT / pixels(frame));
      this.onload(frame);
    } catch {
      // the server is away, or the picture is broken: it is asked for again when it is wanted again
    } finally {
      this.loading.delete(frame.file);
      this.pump();
    }
  }

  forget(room) {
    for (const [file, picture] of this.kept) {
      if (this.kept.size <= Math.max(room, 8)) return;
      this.kept.delete(file);
      picture.close();
    }
  }

  close() {
    this.wanted = [];
    for (const picture of this.kept.values()) picture.close();
    this.kept.clear();
  }
}

function nearestTo(step, frames) {
  return frames.reduce((a, b) => (Math.abs(b.step - step) < Math.abs(a.step - step) ? b : a));
}

function pixels(frame) {
  return frame.columns * frame.rows * frame.side ** 2;
}
