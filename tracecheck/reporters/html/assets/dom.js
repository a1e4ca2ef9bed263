// What every part of the page is made of. Text of a capture goes through said() or harmless(), and is never markup.

const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

// Show what can't be seen: control characters as their symbols, all else as an escape.
function harmless(text) {
  return String(text).replace(UNSEEN, (char) => {
    const code = char.codePointAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return code < 0x100 ? "\\x" + code.toString(16) : code < 0x10000 ? "\\u" + code.toString(16).padStart(4, "0") : "\\U" + code.toString(16).padStart(8, "0");
  });
}

// Make an element: properties that begin with "on" are listeners, all others attributes; null is left out.
function el(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

// Text of a capture: harmless, and isolated from the direction of what stands around it.
function said(text, name) {
  return el("bdi", { class: name }, harmless(text));
}

// Text of the book: words in backticks are code.
function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? el("code", null, part) : part));
}

const count = (number, noun) => number.toLocaleString("en") + " " + noun + (number === 1 ? "" : "s");

function severityBadge(severity) {
  return el("span", { class: "badge " + severity }, severity);
}

function confidenceTag(confidence) {
  return el("span", { class: "tag " + confidence }, confidence);
}

// A list of facts: pairs of a name and what stands beside it; a fact of nothing is left out.
function facts(pairs, name) {
  const shown = pairs.filter(([, value]) => value !== null && value !== "" && value !== undefined);
  return el("dl", { class: "facts " + (name || "") }, shown.map(([key, value]) => el("div", null, el("dt", null, key), el("dd", null, value))));
}

function table(heads, rows, name) {
  const cell = (value, i) => el("td", { class: typeof value === "number" ? "number" : null }, typeof value === "number" ? value.toLocaleString("en") : value);
  return el("div", { class: "scroll-x" }, el("table", { class: name || null },
    el("thead", null, el("tr", null, heads.map(([head, right]) => el("th", { scope: "col", class: right ? "number" : null }, head)))),
    el("tbody", null, rows.map((row) => el("tr", null, row.map(cell))))));
}

// A date and time with all nine digits.
function stamp(nanoseconds) {
  const whole = nanoseconds / 1000000000n;
  const rest = nanoseconds % 1000000000n;
  const date = new Date(Number(rest < 0n ? whole - 1n : whole) * 1000);
  if (Number.isNaN(date.getTime())) return nanoseconds + " ns";
  return date.toISOString().slice(0, 19).replace("T", " ") + "." + String(rest < 0n ? rest + 1000000000n : rest).padStart(9, "0") + " UTC";
}

// The time of day alone.
function clock(nanoseconds) {
  return stamp(nanoseconds).slice(11, 29);
}

// The time of day in a cell, which is not broken.
function moment(model, units) {
  return el("span", { class: "nowrap" }, clock(model.nanoseconds(units)));
}

// A length of time, given in nanoseconds.
function duration(nanoseconds) {
  const size = Math.abs(nanoseconds);
  for (const [limit, scale, unit] of [[1e3, 1, "ns"], [1e6, 1e3, "\u00b5s"], [1e9, 1e6, "ms"], [12e10, 1e9, "s"]]) {
    if (size < limit) return (nanoseconds / scale).toFixed(scale === 1 ? 0 : size / scale < 10 ? 3 : size / scale < 100 ? 2 : 1) + " " + unit;
  }
  return (nanoseconds / 6e10).toFixed(1) + " min";
}

// The colours of the theme that holds, by the names of their variables; each is asked for once.
function colours() {
  const style = getComputedStyle(document.documentElement);
  const known = {};
  return new Proxy(known, { get: (_, name) => (known[name] ??= style.getPropertyValue("--" + name).trim()) });
}

// Say something to who can't see it.
function announce(text) {
  document.getElementById("announcer").textContent = text;
}
