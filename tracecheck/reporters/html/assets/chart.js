// What both charts share: a canvas over a stretch of an axis that wheel, drag and keys move.

const LEFT = 52;
const RIGHT = 14;
const CLOSEST = 1e-9;

class Chart {
  constructor(host, label) {
    this.host = host;
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.tip = el("div", { class: "tip", hidden: true });
    host.classList.add("chart");
    host.setAttribute("tabindex", "0");
    host.setAttribute("role", "group");
    host.setAttribute("aria-label", label);
    host.append(this.canvas, this.tip);
    this.reach(0, 1);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(host);
  }

  listen() {
    const { canvas, host } = this;
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.lift(event));
    canvas.addEventListener("pointerleave", () => this.leave());
    canvas.addEventListener("dblclick", () => this.reset());
    host.addEventListener("keydown", (event) => this.key(event));
  }

  // Set the whole stretch of the axis, and show all of it.
  reach(from, to) {
    this.from = from;
    this.to = to > from ? to : from + 1;
    this.reset();
  }

  reset() {
    this.show(this.from, this.to);
  }

  // Show a stretch, kept within the whole.
  show(a, b) {
    const whole = this.to - this.from;
    const size = Math.min(Math.max(b - a, whole * CLOSEST, this.least || 0), whole);
    this.a = Math.min(Math.max((a + b - size) / 2, this.from), this.to - size);
    this.b = this.a + size;
    this.draw();
  }

  // Show more (a factor above 1) or less, around a place in the view from 0 to 1.
  zoom(factor, place) {
    const centre = this.a + (this.b - this.a) * place;
    this.show(centre - (centre - this.a) * factor, centre + (this.b - centre) * factor);
  }

  pan(part) {
    const by = Math.min(Math.max((this.b - this.a) * part, this.from - this.a), this.to - this.b);
    this.show(this.a + by, this.b + by);
  }

  // How wide the plot is. The page is asked once each time it is drawn: a step more would cost its layout.
  get plot() {
    return Math.max((this.wide || this.host.clientWidth) - LEFT - RIGHT, 1);
  }

  x(value) {
    return LEFT + ((value - this.a) / (this.b - this.a)) * this.plot;
  }

  value(x) {
    return this.a + ((x - LEFT) / this.plot) * (this.b - this.a);
  }

  wheel(event) {
    const across = event.shiftKey ? event.deltaY : event.deltaX;
    const whole = this.a <= this.from && this.b >= this.to;
    // At the whole, turning further out scrolls the page, as does everything before a first turn in.
    if (whole && (event.deltaY > 0 || Math.abs(across) > Math.abs(event.deltaY))) return;
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(across / 600);
    else this.zoom(Math.exp(Math.min(Math.max(event.deltaY, -200), 200) / 300), (event.offsetX - LEFT) / this.plot);
  }

  press(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.drag = { from: event.offsetX, to: event.offsetX, last: event.offsetX, pans: event.shiftKey || event.pointerType === "touch" };
  }

  move(event) {
    const { drag } = this;
    if (!drag) {
      this.hover(event.offsetX, event.offsetY);
      return;
    }
    if (drag.pans) this.pan((drag.last - event.offsetX) / this.plot);
    drag.to = drag.last = event.offsetX;
    this.draw();
  }

  lift(event) {
    const { drag } = this;
    this.drag = null;
    if (!drag) return;
    if (Math.abs(drag.to - drag.from) < 5) this.click(event.offsetX, event.offsetY);
    else if (!drag.pans) this.show(...[this.value(drag.from), this.value(drag.to)].sort((a, b) => a - b));
    this.draw();
  }

  leave() {
    this.tip.hidden = true;
    if (!this.drag) this.draw();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { "+": () => this.zoom(0.6, this.focusPlace()), "=": () => this.zoom(0.6, this.focusPlace()), "-": () => this.zoom(1 / 0.6, this.focusPlace()), Escape: () => this.reset(), 0: () => this.reset(), ...this.keys() }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  focusPlace() {
    return 0.5;
  }

  keys() {
    return { ArrowLeft: () => this.pan(-0.2), ArrowRight: () => this.pan(0.2) };
  }

  // Show what stands at a place beside it.
  say(x, y, lines) {
    this.tip.hidden = false;
    this.tip.replaceChildren(...lines);
    const room = this.host.clientWidth - this.tip.offsetWidth - 8;
    this.tip.style.left = Math.max(Math.min(x + 14, room), 4) + "px";
    this.tip.style.top = y + 16 + "px";
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => this.paint());
  }

  // Draw now.
  paint() {
    cancelAnimationFrame(this.waiting);
    this.waiting = null;
    const width = (this.wide = this.host.clientWidth);
    if (!width) return;
    const height = this.height();
    const ratio = window.devicePixelRatio || 1;
    const { canvas } = this;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = height + "px";
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px " + getComputedStyle(this.host).fontFamily;
    pen.lineWidth = 1;
    this.render(pen, width, height, colours());
    if (this.drag && !this.drag.pans) {
      pen.fillStyle = colours().selection;
      pen.fillRect(Math.min(this.drag.from, this.drag.to), 0, Math.abs(this.drag.to - this.drag.from), height);
    }
  }

  // Draw the horizontal lines of a scale of counts, and return how a count becomes a height.
  scale(pen, low, high, top, bottom, right, ink) {
    const step = nice((high - low) / 4);
    const y = (value) => bottom - ((value - low) / Math.max(high - low, 1)) * (bottom - top);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
      pen.fillStyle = value === 0 ? ink.axis : ink.grid;
      pen.fillRect(LEFT, Math.round(y(value)), right - LEFT, 1);
      pen.fillStyle = ink.faint;
      pen.fillText(value.toLocaleString("en"), LEFT - 8, y(value));
    }
    return y;
  }

  // Shade stretches of the axis in which events are missing.
  gaps(pen, spans, top, bottom, ink) {
    for (const [start, end] of spans) {
      const from = Math.max(this.x(start), LEFT);
      const to = Math.min(Math.max(this.x(end), from + 3), LEFT + this.plot);
      if (to <= LEFT || from >= LEFT + this.plot) continue;
      pen.save();
      pen.beginPath();
      pen.rect(from, top, to - from, bottom - top);
      pen.clip();
      pen.fillStyle = ink.gap;
      pen.fillRect(from, top, to - from, bottom - top);
      pen.strokeStyle = ink.hatch;
      pen.beginPath();
      for (let x = from - (bottom - top); x < to; x += 8) {
        pen.moveTo(x, bottom);
        pen.lineTo(x + bottom - top, top);
      }
      pen.stroke();
      pen.restore();
    }
  }

  // Draw an axis of time below; labels are lengths since the origin.
  times(pen, bottom, ink, nanoseconds) {
    const step = nice(((this.b - this.a) * nanoseconds) / Math.max(this.plot / 110, 1)) || 1;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (let time = Math.ceil((this.a * nanoseconds) / step) * step; time <= this.b * nanoseconds; time += step) {
      const x = this.x(time / nanoseconds);
      pen.fillStyle = ink.axis;
      pen.fillRect(Math.round(x), bottom, 1, 4);
      pen.fillStyle = ink.faint;
      pen.fillText(ticked(time, step), x, bottom + 6);
    }
  }
}

// The next number of the form 1, 2 or 5 times a power of ten; at least 1.
function nice(value) {
  if (!(value > 1)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((factor) => factor * power >= value) * power;
}

// Write a time on an axis with as many digits as tell it from its neighbours.
function ticked(time, step) {
  const [scale, unit] = time >= 1e9 || step >= 1e9 ? [1e9, "s"] : time >= 1e6 || step >= 1e6 ? [1e6, "ms"] : time >= 1e3 || step >= 1e3 ? [1e3, "\u00b5s"] : [1, "ns"];
  const digits = Math.max(0, Math.ceil(-Math.log10(step / scale) - 1e-9));
  return (time / scale).toFixed(Math.min(digits, 9)) + " " + unit;
}
