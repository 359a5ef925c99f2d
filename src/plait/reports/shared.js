"use strict";
// What all pages draw with: what they were given, elements, the tip, canvases, and the structure.
const plaitPage = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const structure = JSON.parse(document.getElementById("structure-data").textContent);
  const byId = (id) => document.getElementById(id);
  const element = (tag, text, attributes = {}, ...inside) => {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...inside);
    return made;
  };
  const chainName = (chain) => chain.name || "(blank)";
  const ramp = (colours, width = "") => {
    const bar = element("span", null, { class: "ramp" });
    bar.style.width = width;
    bar.style.backgroundImage = `linear-gradient(to right, ${colours.join(",")})`;
    return bar;
  };
  const author = (chain, index) => `${chain.numbers[index]}${chain.codes[index]}`;

  // -- the tip that follows the pointer

  const tip = byId("tip");
  const showTip = (event, text) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
    tip.style.top = `${event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18}px`;
  };
  const hideTip = () => { tip.hidden = true; };

  // -- canvases

  const canvasOf = (width, height, label) => {
    const canvas = element("canvas", null, { role: "img", "aria-label": label });
    const ratio = Math.max(window.devicePixelRatio || 1, 2);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    return [canvas, pen];
  };
  // One column a residue, `step` wide from `left` on: its text under the pointer, and what a click does.
  const listen = (canvas, { width, left, step, count, text, click }) => {
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      const index = Math.floor(((event.clientX - box.left) * (width / box.width) - left) / step);
      return index >= 0 && index < count ? index : null;
    };
    canvas.addEventListener("pointermove", (event) => {
      const index = at(event);
      if (index === null) hideTip(); else showTip(event, text(index));
    });
    canvas.addEventListener("pointerleave", hideTip);
    canvas.addEventListener("click", (event) => { const index = at(event); if (index !== null) click(index); });
  };

  // -- the structure

  // The viewer with the model in it and which residue an atom is of; null, and words in its place, where there is none.
  const openViewer = (place, coloured) => {
    const give = (text) => {
      const elsewhere = `The coloured structure is in structure.cif (${coloured} in the B-factor column): open it in PyMOL, ChimeraX or Mol*.`;
      place.replaceChildren(element("p", `${text} ${elsewhere}`, { class: "fallback" }));
      place.style.height = "auto";
      return null;
    };
    if (!structure) return give("No structure in this page.");
    let viewer;
    try {
      const probe = document.createElement("canvas");
      if (!(probe.getContext("webgl2") || probe.getContext("webgl"))) throw new Error("no WebGL");
      viewer = $3Dmol.createViewer(place, { backgroundColor: "white", antialias: true });
      if (!viewer) throw new Error("no viewer");
    } catch (error) {
      return give("The 3D view needs WebGL, which this browser does not offer.");
    }
    const known = new Map();
    for (const chain of data.chains) {
      chain.numbers.forEach((number, index) => known.set(`${chain.name}|${number}|${chain.codes[index]}`, [chain, index]));
    }
    const of = (atom) => known.get(`${(atom.chain || "").trim()}|${atom.resi}|${(atom.icode || "").trim()}`);
    const isProtein = (atom) => of(atom) !== undefined;
    const model = viewer.addModel(structure, "cif", { keepH: false });
    let ring = null, tag = null;
    const clear = () => {
      if (ring) viewer.removeShape(ring);
      if (tag) viewer.removeLabel(tag);
      ring = tag = null;
    };
    // Whether there is an atom to mark.
    const mark = (chain, index, text) => {
      const atoms = model.selectedAtoms({ predicate: (atom) => { const found = of(atom); return found && found[0] === chain && found[1] === index; } });
      if (!atoms.length) return false;
      const centre = atoms.find((atom) => atom.atom === "CA") || atoms[0];
      const position = { x: centre.x, y: centre.y, z: centre.z };
      clear();
      ring = viewer.addSphere({ center: position, radius: 2.2, color: "#0b62a4", opacity: 0.55 });
      tag = viewer.addLabel(text, { position, fontSize: 13, backgroundColor: "#1d1f21", backgroundOpacity: 0.85, inFront: true });
      viewer.center({ predicate: (atom) => atom === centre || atom.serial === centre.serial }, 300);
      viewer.render();
      return true;
    };
    const reset = element("button", "Whole structure", { type: "button" });
    reset.addEventListener("click", () => { clear(); viewer.zoomTo({ predicate: isProtein }, 400); viewer.render(); });
    return { viewer, of, isProtein, mark, clear, reset };
  };

  return { data, byId, element, chainName, author, several: data.chains.length > 1, ramp, showTip, hideTip, canvasOf, listen, openViewer };
})();
