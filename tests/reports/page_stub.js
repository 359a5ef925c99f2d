// A document just large enough to run a page's script in node: elements keep text, children, attributes and listeners.
// usage: node page_stub.js PAGE.html; prints what the page shows, and what it says when pockets and residues are clicked.
"use strict";
const fs = require("fs");
const page = fs.readFileSync(process.argv[2], "utf8");
const anything = () => new Proxy(function () {}, {
  get: (_, name) => (name === Symbol.toPrimitive ? () => 0 : name === "selectedAtoms" ? () => [{ atom: "CA", x: 0, y: 0, z: 0, serial: 1 }] : anything()),
  apply: () => anything(),
  set: () => true,
});
class Element {
  constructor(tag) { Object.assign(this, { tag, children: [], own: "", listeners: {}, attributes: {}, style: {}, clientWidth: 900, offsetWidth: 100, value: "" }); }
  set textContent(text) { this.own = String(text); this.children = []; }
  get textContent() { return this.own + this.children.map((one) => (typeof one === "string" ? one : one.textContent)).join(" "); }
  append(...parts) { this.children.push(...parts); }
  replaceChildren(...parts) { this.own = ""; this.children = parts; }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, call) { this.listeners[name] = call; }
  getContext() { return anything(); }
  getBoundingClientRect() { return { left: 0, top: 0, width: 900, height: 100 }; }
  rows() { return this.children.flatMap((one) => (one.tag === "tbody" ? one.children : [])); }
  find(tag) { for (const one of this.children) { if (one.tag === tag) return one; const deep = one.find && one.find(tag); if (deep) return deep; } return null; }
}
const places = {};
for (const [, id] of page.matchAll(/ id="([\w-]+)"/g)) places[id] = new Element(id);
for (const id of ["data", "structure-data"]) places[id].textContent = page.match(new RegExp(`id="${id}">(.*?)</script>`, "s"))[1];
globalThis.document = { getElementById: (id) => places[id], createElement: (tag) => new Element(tag) };
Object.assign(globalThis, { $3Dmol: anything(), addEventListener: () => {}, innerWidth: 1000, innerHeight: 800, window: { devicePixelRatio: 1 } });
eval(page.match(/<script>("use strict";.*?)<\/script>\s*<\/body>/s)[1]);

const answer = { facts: places.facts.textContent, remarks: places.remarks.textContent, card: places.card.textContent };
answer.pockets = places.pockets.rows().map((row) => row.textContent);
answer.residues = places.table.rows().map((row) => row.textContent);
answer.pages = places["table-pages"].textContent;
const said = () => places["viewer-controls"].children.at(-1).textContent;
places.table.rows()[0].listeners.click();
answer.residue = said();
if (answer.pockets.length && places.pockets.rows()[0].listeners.click) {
  places.pockets.rows()[0].listeners.click();
  answer.pocket = said();
}
const find = places["table-controls"].find("input");
find.value = "168";
find.listeners.input();
answer.found = places.table.rows().map((row) => row.textContent);
const canvas = places.profiles.find("canvas");
canvas.listeners.pointermove({ clientX: 400, clientY: 50 });
answer.tip = places.tip.textContent;
console.log(JSON.stringify(answer));
