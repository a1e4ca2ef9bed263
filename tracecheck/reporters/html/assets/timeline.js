// The life of one context: its count over steps or time, a lane for each thread, gaps, faults.

const PLOT_TOP = 30;
const PLOT_HEIGHT = 150;
const LANE = 20;
const MOST_LANES = 8;
const LEAST_ROOM = 64;

class Timeline extends Chart {
  constructor(host, model, choose) {
    super(host, "Reference count of the context. Left and right choose a step, plus and minus zoom, Escape shows all.");
    this.model = model;
    this.choose = choose;
    this.mode = "steps";
  }

  // Show a life.
  //
  // marks: places of steps that prove the finding, the faulty one first; label: what the fault is called.
  set(steps, marks, label) {
    this.steps = steps;
    this.marks = new Set(marks);
    this.fault = marks.length ? marks[0] : -1;
    this.label = label;
    this.selected = -1;
    this.faults = [];
    for (let i = 0; i < steps.count; i++) if (this.model.effects.fault[steps.effect[i]] && this.model.fault(steps, i)) this.faults.push(i);
    this.faulty = new Set(this.faults);
    this.lay();
    this.lanes();
  }

  // Count the steps of each thread: the busiest have lanes of their own, the others share the last.
  lanes() {
    const { thread, count: size } = this.steps;
    const seen = new Map();
    for (let i = 0; i < size; i++) seen.set(thread[i], (seen.get(thread[i]) || 0) + 1);
    const order = [...seen.keys()];
    const busiest = order.length <= MOST_LANES ? order : [...order].sort((a, b) => seen.get(b) - seen.get(a)).slice(0, MOST_LANES - 1);
    const own = order.filter((each) => busiest.includes(each));
    this.laneOf = new Map(own.map((each, i) => [each, i]));
    this.laneNames = own.map((each) => this.model.thread(each));
    if (own.length < order.length) this.laneNames.push({ ids: "+" + (order.length - own.length), process: null });
  }

  // Put the steps on the axis.
  lay() {
    const { steps } = this;
    const at = (this.at = new Float64Array(steps.count));
    const latest = (this.latest = new Float64Array(steps.count));
    let time = -Infinity;
    for (let i = 0; i < steps.count; i++) {
      // Overlapping calls may be replayed in another order than the log's: the axis only goes on.
      latest[i] = time = Math.max(time, steps.time[i]);
      at[i] = this.mode === "steps" ? i + 0.5 : time;
    }
    const length = steps.count ? latest[steps.count - 1] - latest[0] : 0;
    const spare = Math.max(length * 0.03, 1);
    this.least = this.mode === "steps" ? 2 : Math.max(2e-9 * length, 0.5);
    // What was lost behind the last step may be the very step that is missing: it is shown behind it.
    const open = this.model.word(this.model.contexts.end[steps.life]) !== "freed";
    const behind = this.model.meta.losses.some((loss) => loss.end === null || loss.end > latest[steps.count - 1]);
    this.tail = open && behind ? 1 : 0;
    if (this.mode === "steps") this.reach(0, steps.count + this.tail);
    else this.reach(latest[0] - spare, latest[steps.count - 1] + spare);
    this.spans = this.model.meta.losses.map((loss) => [this.place(loss.start, -Infinity), this.place(loss.end, Infinity)]);
    this.spans = this.spans.filter(([start, end]) => end > this.from && start < this.to);
  }

  // Put a time on the axis; an open end lies beyond it.
  place(time, open) {
    if (time === null) return open < 0 ? this.from : this.to;
    if (this.mode === "time") return time;
    const { latest, steps } = this;
    const i = before(latest, time);
    if (i < 0) return 0;
    if (i === steps.count - 1) return time > latest[i] ? steps.count + (open < 0 ? 0.1 : 0.9) * this.tail : i + 0.5;
    return i + 0.5 + (time - latest[i]) / (latest[i + 1] - latest[i]);
  }

  setMode(mode) {
    this.mode = mode;
    this.lay();
    if (this.selected >= 0) this.bring(this.selected);
  }

  // Where the lanes begin: below the plot, and below the words on calls where there is room for them.
  get lanesTop() {
    return PLOT_TOP + PLOT_HEIGHT + (this.room() < LEAST_ROOM ? 10 : 42);
  }

  // How many pixels a step has for words.
  room() {
    return this.mode === "steps" ? this.plot / (this.b - this.a) - 10 : 0;
  }

  height() {
    return this.lanesTop + this.laneNames.length * LANE + 26;
  }

  // Choose a step from outside: it is brought into sight.
  select(i) {
    this.selected = i;
    if (i >= 0) this.bring(i);
    this.draw();
  }

  bring(i) {
    const at = this.at[i];
    const half = (this.b - this.a) / 2;
    if (at < this.a || at > this.b) this.show(at - half, at + half);
  }

  focusPlace() {
    const at = this.selected >= 0 ? (this.at[this.selected] - this.a) / (this.b - this.a) : 0.5;
    return at >= 0 && at <= 1 ? at : 0.5;
  }

  keys() {
    const to = (i) => () => this.steps.count && this.choose(Math.min(Math.max(i, 0), this.steps.count - 1));
    return { ArrowLeft: to(this.selected - 1), ArrowRight: to(this.selected + 1), Home: to(0), End: to(this.steps.count - 1), "[": () => this.pan(-0.3), "]": () => this.pan(0.3), t: () => this.host.dispatchEvent(new CustomEvent("mode")) };
  }

  // Find the step that is nearest to a place; -1 where none is near.
  nearest(x, y) {
    const { steps } = this;
    const wanted = this.value(x);
    const i = before(this.at, wanted);
    const lane = Math.floor((y - this.lanesTop) / LANE);
    let best = -1;
    for (let near = Math.max(i - 20, 0); near <= Math.min(i + 20, steps.count - 1); near++) {
      const far = Math.abs(this.x(this.at[near]) - x) + (lane >= 0 && this.lane(near) !== lane ? 6 : 0);
      if (far < 40 && (best < 0 || far < best.far)) best = { far, near };
    }
    return best === -1 ? -1 : best.near;
  }

  lane(i) {
    const own = this.laneOf.get(this.steps.thread[i]);
    return own === undefined ? this.laneNames.length - 1 : own;
  }

  click(x, y) {
    const i = this.nearest(x, y);
    if (i >= 0) this.choose(i);
  }

  hover(x, y) {
    const i = this.steps ? this.nearest(x, y) : -1;
    if (i < 0) {
      this.tip.hidden = true;
      return;
    }
    const { model, steps } = this;
    const call = model.call(steps.call[i]);
    const thread = model.thread(steps.thread[i]);
    const change = steps.change[i];
    this.say(this.x(this.at[i]), y, [
      el("b", null, said(call.routine), " ", change > 0 ? "+" + change : String(change)),
      el("div", null, said(model.site(steps.call[i]) || "no call site")),
      el("div", { class: "faint" }, "count " + (steps.owned[i] + steps.link[i]) + ", thread ", said(thread.ids + (thread.process ? " " + thread.process : ""))),
      el("div", { class: "faint" }, clock(model.nanoseconds(steps.time[i]))),
    ]);
  }

  render(pen, width, height, ink) {
    if (!this.steps) return;
    const bottom = PLOT_TOP + PLOT_HEIGHT;
    const right = LEFT + this.plot;
    const end = this.lanesTop + this.laneNames.length * LANE;
    const [low, high] = this.extent();
    const y = this.scale(pen, low, high, PLOT_TOP, bottom, right, ink);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, this.plot, height);
    pen.clip();
    this.curve(pen, y, ink);
    pen.globalAlpha = 0.6;
    this.gaps(pen, this.spans, PLOT_TOP, end, ink);
    pen.globalAlpha = 1;
    this.faultLines(pen, y, end, ink);
    pen.restore();
    this.drawLanes(pen, this.lanesTop, right, ink);
    if (this.mode === "steps") this.numbers(pen, end, ink);
    else this.times(pen, end, ink, this.model.unit);
    this.words(pen, ink);
  }

  extent() {
    if (this.extentOf === this.steps) return this.extentIs;
    let low = 0;
    let high = 1;
    for (let i = 0; i < this.steps.count; i++) {
      const total = this.steps.owned[i] + this.steps.link[i];
      if (total > high) high = total;
      if (total < low) low = total;
    }
    this.extentOf = this.steps;
    return (this.extentIs = [low, high]);
  }

  // The steps in view, and one beyond either end.
  view() {
    return [Math.max(before(this.at, this.a), 0), Math.min(before(this.at, this.b) + 2, this.steps.count)];
  }

  // Draw the count: an area for the object's reference below one for the driver's.
  curve(pen, y, ink) {
    const [first, last] = this.view();
    const { owned, link } = this.steps;
    const before0 = first === 0 ? this.startCount() : null;
    const dense = last - first > 3 * this.plot;
    const outline = (value) => {
      const points = [];
      if (before0) points.push([LEFT, value(-1)]);
      let from = first;
      while (from < last) {
        let until = from + 1;
        let low = value(from);
        let high = low;
        // Many steps on one pixel are drawn as the stretch between their least and their greatest count.
        if (dense) {
          const pixel = Math.floor(this.x(this.at[from]));
          for (; until < last && Math.floor(this.x(this.at[until])) === pixel; until++) {
            const here = value(until);
            if (here < low) low = here;
            if (here > high) high = here;
          }
          points.push([this.x(this.at[from]), low], [this.x(this.at[from]), high]);
        }
        points.push([this.x(this.at[from]), value(until - 1)]);
        from = until;
      }
      return points;
    };
    const counts = (i) => (i < 0 ? before0 : [owned[i], link[i]]);
    const total = outline((i) => counts(i)[0] + counts(i)[1]);
    const linked = outline((i) => counts(i)[1]);
    this.area(pen, total, y, ink.owned);
    this.area(pen, linked, y, ink.link);
    this.line(pen, total, y, ink.line);
  }

  // The counts before the first step: of a life that began before the capture they are not zero.
  startCount() {
    const { steps, model } = this;
    if (!steps.count || model.word(model.contexts.birth[steps.life]) === "allocated") return [0, 0];
    const effect = steps.effect[0];
    return [steps.owned[0] - model.effects.delta_owned[effect], steps.link[0] - model.effects.delta_link[effect]];
  }

  path(pen, points, y) {
    const end = LEFT + this.plot;
    points.forEach(([x, value], i) => {
      if (!i) pen.moveTo(x, y(value));
      else {
        pen.lineTo(x, y(points[i - 1][1]));
        pen.lineTo(x, y(value));
      }
    });
    if (points.length) pen.lineTo(end, y(points[points.length - 1][1]));
  }

  area(pen, points, y, colour) {
    if (!points.length) return;
    pen.fillStyle = colour;
    pen.beginPath();
    pen.moveTo(points[0][0], y(0));
    pen.lineTo(points[0][0], y(points[0][1]));
    this.path(pen, points, y);
    pen.lineTo(LEFT + this.plot, y(0));
    pen.fill();
  }

  line(pen, points, y, colour) {
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.beginPath();
    this.path(pen, points, y);
    pen.stroke();
    pen.lineWidth = 1;
  }

  faultLines(pen, y, end, ink) {
    const shown = new Map(this.faults.map((i) => [i, this.model.fault(this.steps, i)]));
    if (this.fault >= 0) shown.set(this.fault, this.label);
    let free = -Infinity;
    for (const [i, name] of [...shown].sort((a, b) => a[0] - b[0])) {
      const x = this.x(this.at[i]);
      if (x < LEFT - 1 || x > LEFT + this.plot + 1) continue;
      pen.fillStyle = ink.error;
      this.upright(pen, Math.round(x) - 0.5, 1.5, PLOT_TOP - 8, end);
      const text = harmless(name);
      const wide = pen.measureText(text).width + 12;
      const left = Math.min(Math.max(x - wide / 2, LEFT), LEFT + this.plot - wide);
      if (left < free) continue;
      free = left + wide + 4;
      pen.beginPath();
      pen.roundRect(left, PLOT_TOP - 25, wide, 17, 4);
      pen.fill();
      pen.fillStyle = ink.onerror;
      pen.textAlign = "left";
      pen.textBaseline = "middle";
      pen.fillText(text, left + 6, PLOT_TOP - 16);
    }
    if (this.selected >= 0) {
      pen.fillStyle = ink.accent;
      this.upright(pen, Math.round(this.x(this.at[this.selected])) - 1, 2, PLOT_TOP, end);
    }
  }

  // Draw a line through plot and lanes, not through the words between them.
  upright(pen, x, width, top, end) {
    pen.fillRect(x, top, width, PLOT_TOP + PLOT_HEIGHT - top);
    pen.fillRect(x, this.lanesTop, width, end - this.lanesTop);
  }

  drawLanes(pen, top, right, ink) {
    pen.textBaseline = "middle";
    this.laneNames.forEach((name, lane) => {
      const y = top + lane * LANE + LANE / 2;
      pen.fillStyle = ink.grid;
      pen.fillRect(LEFT, Math.round(y), right - LEFT, 1);
      pen.fillStyle = ink.faint;
      pen.textAlign = "right";
      pen.fillText(fitted(pen, name.ids.replace(/^.*:/, ""), LEFT - 12), LEFT - 8, y);
    });
    const [first, last] = this.view();
    if (last - first > this.plot / 4) this.dashes(pen, first, last, top, ink);
    for (let i = first; i < last; i++) {
      const fault = this.isFault(i);
      if (!fault && !this.marks.has(i) && last - first > this.plot / 4) continue;
      const x = this.x(this.at[i]);
      if (x >= LEFT - 1 && x <= right + 1) this.dot(pen, x, top + this.lane(i) * LANE + LANE / 2, fault, i, ink);
    }
  }

  isFault(i) {
    return i === this.fault || this.faulty.has(i);
  }

  // Draw many steps as dashes: which kinds of step a lane has on a pixel, pixels that touch as one.
  dashes(pen, first, last, top, ink) {
    const wide = Math.ceil(this.plot) + 1;
    const seen = new Uint8Array(this.laneNames.length * 3 * wide);
    for (let i = first; i < last; i++) {
      const pixel = Math.round(this.x(this.at[i]) - LEFT);
      if (pixel >= 0 && pixel < wide) seen[(this.lane(i) * 3 + 1 + Math.sign(this.steps.change[i])) * wide + pixel] = 1;
    }
    [ink.drop, ink.use, ink.take].forEach((colour, kind) => {
      pen.fillStyle = colour;
      for (let lane = 0; lane < this.laneNames.length; lane++) {
        const row = seen.subarray((lane * 3 + kind) * wide, (lane * 3 + kind + 1) * wide);
        const y = top + lane * LANE + LANE / 2 + [0, -2, -7][kind];
        for (let x = 0; x < wide; x++) {
          const from = x;
          while (row[x]) x++;
          if (x > from) pen.fillRect(LEFT + from - 0.5, y, x - from, kind === 1 ? 4 : 7);
        }
      }
    });
  }

  // Draw a step: up for a reference taken, down for one dropped, so that colour is not all that tells.
  dot(pen, x, y, fault, i, ink) {
    const up = Math.sign(this.steps.change[i]);
    pen.fillStyle = fault ? ink.error : up > 0 ? ink.take : up < 0 ? ink.drop : ink.use;
    pen.beginPath();
    if (up) {
      pen.moveTo(x - 5, y + up * 4);
      pen.lineTo(x + 5, y + up * 4);
      pen.lineTo(x, y - up * 5);
      pen.closePath();
    } else pen.arc(x, y, 3.5, 0, 7);
    pen.fill();
    if (!this.marks.has(i)) return;
    pen.strokeStyle = fault ? ink.error : ink.accent;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.arc(x, y, 8, 0, 7);
    pen.stroke();
    pen.lineWidth = 1;
  }

  numbers(pen, bottom, ink) {
    const step = nice((this.b - this.a) / Math.max(this.plot / 70, 1));
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (let i = Math.ceil(this.a / step) * step; i < this.b; i += step) {
      pen.fillStyle = ink.faint;
      if (i + 0.5 <= this.b && i < this.steps.count) pen.fillText("#" + (i + 1).toLocaleString("en"), this.x(i + 0.5), bottom + 6);
    }
  }

  // Write routines and functions below the curve where there is room for them.
  words(pen, ink) {
    const [first, last] = this.view();
    const room = this.room();
    if (room < LEAST_ROOM) return;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (let i = first; i < last; i++) {
      const x = this.x(this.at[i]);
      if (x < LEFT + 20 || x > LEFT + this.plot - 20) continue;
      const call = this.model.call(this.steps.call[i]);
      pen.fillStyle = ink.soft;
      pen.fillText(fitted(pen, harmless(call.routine.replace(/^Flt|Context$/g, "")), room), x, PLOT_TOP + PLOT_HEIGHT + 8);
      pen.fillStyle = ink.faint;
      pen.fillText(fitted(pen, harmless(call.function || call.site), room), x, PLOT_TOP + PLOT_HEIGHT + 23);
    }
  }
}

// Find the last place whose number is not above a wanted one, in ascending numbers; -1 where there is none.
function before(sorted, wanted) {
  let low = -1;
  for (let high = sorted.length; high - low > 1; ) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= wanted) low = middle;
    else high = middle;
  }
  return low;
}

// Cut a text to a width.
function fitted(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let size = Math.min(text.length, Math.floor(room / 4));
  while (size > 1 && pen.measureText(text.slice(0, size) + "\u2026").width > room) size--;
  return text.slice(0, size) + "\u2026";
}
