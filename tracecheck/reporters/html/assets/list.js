// Lists of any length: only the rows in sight are elements.

const TALLEST = 8000000;
const SPARE = 6;
const PRINTED = 300;

// A list whose rows are made when they come into sight.
//
// options: label; row(i) gives the element of a row; choose(i) is called when a row is chosen; height(i) of a
// row in pixels, or a number; role ("listbox" or "grid").
class VirtualList {
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.size = 0;
    this.active = -1;
    this.name = "list-" + VirtualList.made++;
    this.inner = el("div", { class: "rows", role: "presentation" });
    host.classList.add("virtual");
    host.setAttribute("tabindex", "0");
    host.setAttribute("role", options.role || "listbox");
    host.setAttribute("aria-label", options.label);
    host.append(this.inner);
    host.addEventListener("scroll", () => this.draw(), { passive: true });
    host.addEventListener("keydown", (event) => this.key(event));
    host.addEventListener("click", (event) => {
      const row = event.target.closest("[data-row]");
      if (row && host.contains(row)) this.choose(Number(row.dataset.row));
    });
    new ResizeObserver(() => this.draw()).observe(host);
  }

  // Give the list its number of rows, and what was scrolled to stays where it is unless told otherwise.
  resize(size, keep) {
    const height = this.options.height;
    this.size = size;
    this.tops = null;
    if (typeof height === "function") {
      this.tops = new Float64Array(size + 1);
      for (let i = 0; i < size; i++) this.tops[i + 1] = this.tops[i] + height(i);
    }
    this.total = this.top(size);
    // Browsers do not lay out elements of more than some ten million pixels: long lists scroll faster.
    this.scale = this.total > TALLEST ? TALLEST / this.total : 1;
    this.inner.style.height = Math.min(this.total, TALLEST) + "px";
    this.host.setAttribute("aria-" + (this.options.role === "grid" ? "rowcount" : "setsize"), size);
    if (!keep) {
      this.active = -1;
      this.host.scrollTop = 0;
    }
    this.draw();
  }

  top(i) {
    return this.tops ? this.tops[i] : i * this.options.height;
  }

  // Find the row at a height.
  at(pixels) {
    if (!this.tops) return Math.min(Math.max(Math.floor(pixels / this.options.height), 0), this.size);
    let low = 0;
    for (let high = this.size; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (this.tops[middle] <= pixels) low = middle;
      else high = middle;
    }
    return low;
  }

  // Where the view begins, in the heights of rows.
  get offset() {
    if (this.scale === 1) return this.host.scrollTop;
    const room = Math.max(TALLEST - this.host.clientHeight, 1);
    return (this.host.scrollTop / room) * (this.total - this.host.clientHeight);
  }

  draw() {
    // A list that was replaced hears of its last resize when what it was of has gone.
    if (!this.host.isConnected) return;
    const offset = this.offset;
    let first = Math.max(this.at(offset) - SPARE, 0);
    let end = Math.min(this.at(offset + this.host.clientHeight) + SPARE + 1, this.size);
    if (this.printing) [first, end] = this.printed();
    const shift = this.host.scrollTop - offset;
    const rows = [];
    for (let i = first; i < end; i++) {
      const row = this.options.row(i);
      row.dataset.row = i;
      row.id = this.name + "-" + i;
      row.classList.add("row");
      row.classList.toggle("active", i === this.active);
      const cells = this.options.role === "grid";
      row.setAttribute("role", cells ? "row" : "option");
      row.setAttribute("aria-selected", String(i === this.active));
      row.setAttribute(cells ? "aria-rowindex" : "aria-posinset", i + 1);
      if (!cells) row.setAttribute("aria-setsize", this.size);
      row.style.height = this.top(i + 1) - this.top(i) + "px";
      if (!this.printing) row.style.top = this.top(i) + shift + "px";
      rows.push(row);
    }
    this.inner.replaceChildren(...rows);
    if (this.active >= first && this.active < end) this.host.setAttribute("aria-activedescendant", this.name + "-" + this.active);
    else this.host.removeAttribute("aria-activedescendant");
  }

  // Paper does not scroll: lay the rows out one after the other, those about the active one where they are many.
  print(on) {
    this.printing = on;
    this.inner.style.height = on ? "auto" : Math.min(this.total || 0, TALLEST) + "px";
    if (this.total !== undefined) this.draw();
  }

  printed() {
    const first = Math.max(Math.min(this.active - PRINTED / 2, this.size - PRINTED), 0);
    return [first, Math.min(first + PRINTED, this.size)];
  }

  // Make a row the active one and bring it into sight; nobody is told.
  select(i) {
    this.active = i;
    if (i >= 0 && i < this.size) this.reveal(i);
    this.draw();
  }

  reveal(i) {
    const view = this.host.clientHeight;
    const offset = this.offset;
    let wanted = offset;
    if (this.top(i) < offset) wanted = this.top(i);
    else if (this.top(i + 1) > offset + view) wanted = this.top(i + 1) - view;
    if (wanted === offset) return;
    this.host.scrollTop = this.scale === 1 ? wanted : (wanted / Math.max(this.total - view, 1)) * (TALLEST - view);
  }

  choose(i) {
    this.select(i);
    this.options.choose(i);
  }

  key(event) {
    const page = Math.max(this.at(this.offset + this.host.clientHeight) - this.at(this.offset) - 1, 1);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.size, End: this.size };
    if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey || !this.size) return;
    event.preventDefault();
    event.stopPropagation();
    this.choose(Math.min(Math.max(this.active + moves[event.key], 0), this.size - 1));
  }
}
VirtualList.made = 0;
