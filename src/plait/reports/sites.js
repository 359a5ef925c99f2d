"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const structure = JSON.parse(document.getElementById("structure-data").textContent);
  const byId = (id) => document.getElementById(id);
  const several = data.chains.length > 1;
  const POCKETS = ["#d55e00", "#cc79a7", "#0072b2", "#009e73", "#e69f00"]; // Okabe and Ito's, told apart by the colour-blind
  let highlight = () => {};
  let showPocket = () => {};

  const make = (tag, text, attributes = {}, ...inside) => {
    const made = document.createElement(tag);
    if (text !== null && text !== undefined) made.textContent = text;
    Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
    made.append(...inside);
    return made;
  };
  const nameOf = (chain) => chain.name || "(blank)";
  const numberOf = (chain, index) => `${chain.numbers[index]}${chain.codes[index]}`;
  const label = (chain, index) => `${several ? `${nameOf(chain)} ` : ""}${chain.names[index]} ${numberOf(chain, index)}`;
  const colour = (value) => {
    if (value === null) return data.absent;
    const share = Math.min(1, Math.max(0, value));
    return data.colours[Math.round(share * (data.colours.length - 1))];
  };
  const pocketColour = (rank) => POCKETS[(rank - 1) % POCKETS.length];
  const describe = (chain, index) => {
    const value = chain.probability[index];
    const pocket = chain.pockets[index];
    return `${label(chain, index)} (author number), sequence position ${chain.positions[index]}\n` +
      `probability ${value === null ? "none" : value.toFixed(3)}${pocket ? `, pocket ${pocket}` : ""}`;
  };

  const tip = byId("tip");
  const showTip = (event, text) => {
    tip.textContent = text;
    tip.hidden = false;
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${event.clientY + 18}px`;
  };
  const hideTip = () => { tip.hidden = true; };

  // -- words

  const words = () => {
    const chains = data.chains.map((chain) => `chain ${nameOf(chain)}: ${chain.numbers.length} residues`).join(", ");
    const count = data.chains.reduce((sum, chain) => sum + chain.probability.filter((one) => one !== null && one >= data.threshold).length, 0);
    byId("facts").textContent = `${count} residues predicted to bind, ${data.pockets.length} pocket${data.pockets.length === 1 ? "" : "s"}; ${chains}; model ${data.model.name}; plait ${data.version}`;
    byId("meaning").append(make("p", data.meaning));
    const list = make("ul");
    for (const [, place, text] of data.remarks) list.append(make("li", place ? `${place}: ${text}` : text));
    byId("remarks").append(data.remarks.length ? list : make("p", "Nothing.", { class: "quiet" }));
    const card = make("table");
    const lines = [["name", data.model.name], ["digest (SHA-256, shortened)", data.model.digest], ...data.model.card];
    for (const [key, value] of lines) if (value) card.append(make("tr", null, {}, make("th", key), make("td", value)));
    byId("card").append(card);
    byId("foot").textContent = "Made by plait. 3D view: 3Dmol.js (Rego & Koes 2015, BSD-3-Clause). The numbers are in sites.csv and pockets.csv, what was run in run.json.";
  };

  // -- tables

  const headOf = (titles) => {
    const row = make("tr");
    for (const [title, kind] of titles) row.append(make("th", title, kind ? { class: kind } : {}));
    return make("thead", null, {}, row);
  };

  const tabulatePockets = () => {
    const body = make("tbody");
    for (const pocket of data.pockets) {
      const rank = make("td", String(pocket.rank), { class: "number score" });
      rank.style.borderLeftColor = pocketColour(pocket.rank);
      const centre = pocket.centre.map((one) => one.toFixed(1)).join(", ");
      const residues = make("td", pocket.residues.join(" "));
      residues.style.whiteSpace = "normal";
      const row = make("tr", null, {}, rank, make("td", pocket.score.toFixed(1), { class: "number" }), make("td", centre), residues);
      row.addEventListener("click", () => showPocket(pocket));
      body.append(row);
    }
    if (!data.pockets.length) body.append(make("tr", null, {}, make("td", "none", { colspan: "4" })));
    byId("pockets").append(headOf([["rank", "number"], ["score", "number"], ["centre (angstrom)"], ["residues"]]), body);
  };

  const tabulateResidues = () => {
    const rows = data.chains.flatMap((chain) => chain.numbers.map((_, index) => ({ chain, index, value: chain.probability[index] })));
    rows.sort((a, b) => (b.value ?? -1) - (a.value ?? -1));
    const body = make("tbody");
    const find = make("input", null, { type: "search", placeholder: "residue number", size: "14" });
    const back = make("button", "Back", { type: "button" }), next = make("button", "Next", { type: "button" }), where = make("span");
    let page = 0;
    const size = 12;
    const paint = () => {
      const wanted = find.value.trim().toUpperCase();
      const kept = rows.filter(({ chain, index }) => !wanted || numberOf(chain, index).toUpperCase() === wanted || String(chain.positions[index]) === wanted);
      page = Math.max(0, Math.min(page, Math.ceil(kept.length / size) - 1));
      const shown = kept.slice(page * size, (page + 1) * size);
      body.replaceChildren(...shown.map(({ chain, index, value }) => {
        const probability = make("td", value === null ? "" : value.toFixed(3), { class: "number score" });
        probability.style.borderLeftColor = colour(value);
        const row = make("tr", null, {}, probability, make("td", label(chain, index)),
          make("td", String(chain.positions[index]), { class: "number" }), make("td", chain.pockets[index] ? String(chain.pockets[index]) : "", { class: "number" }));
        row.addEventListener("click", () => highlight(chain, index));
        return row;
      }));
      where.textContent = kept.length ? `${page * size + 1} to ${page * size + shown.length} of ${kept.length}` : "none found";
      back.disabled = page === 0;
      next.disabled = (page + 1) * size >= kept.length;
    };
    back.addEventListener("click", () => { page -= 1; paint(); });
    next.addEventListener("click", () => { page += 1; paint(); });
    find.addEventListener("input", () => { page = 0; paint(); });
    byId("table-controls").append(make("label", "find", {}, find));
    byId("table-pages").append(back, next, where);
    byId("table").append(headOf([["probability", "number"], ["residue (author number)"], ["sequence position", "number"], ["pocket", "number"]]), body);
    paint();
  };

  // -- bars along the chain

  const bars = (chain, width) => {
    const left = 34, height = 128, base = 100, ratio = Math.max(window.devicePixelRatio || 1, 2);
    const canvas = make("canvas", null, { role: "img", "aria-label": `Probability of each residue of chain ${nameOf(chain)}` });
    canvas.width = Math.round(width * ratio);
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const step = (width - left - 6) / chain.numbers.length;
    const y = (value) => base - value * (base - 10);
    chain.probability.forEach((value, index) => {
      pen.fillStyle = colour(value);
      pen.fillRect(left + index * step, y(value ?? 0.02), Math.max(0.6, step > 3 ? step - 0.6 : step), Math.max(0.7, base - y(value ?? 0.02)));
      if (chain.pockets[index]) {
        pen.fillStyle = pocketColour(chain.pockets[index]);
        pen.fillRect(left + index * step, base + 2, Math.max(1, step), 4);
      }
    });
    pen.strokeStyle = "#5b5b5b";
    pen.setLineDash([4, 3]);
    pen.beginPath();
    pen.moveTo(left, y(data.threshold));
    pen.lineTo(width - 6, y(data.threshold));
    pen.stroke();
    pen.fillStyle = "#5b5b5b";
    pen.font = "10px system-ui, sans-serif";
    pen.textAlign = "right";
    for (const value of [0, 0.5, 1]) pen.fillText(value.toFixed(1), left - 5, y(value) + 3);
    pen.textAlign = "center";
    let last = -Infinity;
    chain.numbers.forEach((number, index) => {
      const x = left + (index + 0.5) * step;
      if ((number % 10 && index) || x - last < 44) return;
      pen.fillText(numberOf(chain, index), x, base + 20);
      last = x;
    });
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      const index = Math.floor(((event.clientX - box.left) * (width / box.width) - left) / step);
      return index >= 0 && index < chain.numbers.length ? index : null;
    };
    canvas.addEventListener("pointermove", (event) => {
      const index = at(event);
      if (index === null) hideTip(); else showTip(event, describe(chain, index));
    });
    canvas.addEventListener("pointerleave", hideTip);
    canvas.addEventListener("click", (event) => { const index = at(event); if (index !== null) highlight(chain, index); });
    return canvas;
  };

  const drawBars = () => {
    const place = byId("profiles");
    place.replaceChildren();
    for (const chain of data.chains) {
      if (several) place.append(make("h3", `Chain ${nameOf(chain)}`));
      place.append(bars(chain, Math.max(320, place.clientWidth)));
    }
  };

  // -- the structure

  const showStructure = () => {
    const place = byId("viewer");
    const give = (text) => {
      place.style.height = "auto";
      place.replaceChildren(make("p", `${text} The coloured structure is in structure.cif (probability in the B-factor column): open it in PyMOL, ChimeraX or Mol*.`, { class: "fallback" }));
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
    for (const chain of data.chains) chain.numbers.forEach((number, index) => known.set(`${chain.name}|${number}|${chain.codes[index]}`, [chain, index]));
    const of = (atom) => known.get(`${(atom.chain || "").trim()}|${atom.resi}|${(atom.icode || "").trim()}`);
    const isProtein = (atom) => of(atom) !== undefined;
    const colourOf = (atom) => { const found = of(atom); return found ? colour(found[0].probability[found[1]]) : "#8a8a8a"; };
    const binds = (atom) => { const found = of(atom); return found !== undefined && found[0].probability[found[1]] >= data.threshold; };
    const model = viewer.addModel(structure, "cif", { keepH: false });
    viewer.setStyle({}, {});
    viewer.setStyle({ predicate: isProtein }, { cartoon: { colorfunc: colourOf } });
    viewer.addStyle({ predicate: binds }, { stick: { radius: 0.13, colorfunc: colourOf } });
    viewer.setStyle({ predicate: (atom) => !isProtein(atom) }, { stick: { radius: 0.18, colorscheme: "greenCarbon" } });
    const point = (centre) => ({ x: centre[0], y: centre[1], z: centre[2] });
    for (const pocket of data.pockets.slice(0, POCKETS.length)) {
      viewer.addSphere({ center: point(pocket.centre), radius: 1.8, color: pocketColour(pocket.rank), opacity: 0.7 });
      viewer.addLabel(String(pocket.rank), { position: point(pocket.centre), fontSize: 12, backgroundColor: "#1d1f21", backgroundOpacity: 0.75, inFront: true });
    }
    const reset = make("button", "Whole structure", { type: "button" });
    const said = make("span", "Click a pocket or a residue to see it here. Spheres: centres of the first pockets.", { class: "quiet" });
    const bar = make("span", null, { class: "ramp" });
    bar.style.width = "90px";
    bar.style.backgroundImage = `linear-gradient(to right, ${data.colours.join(",")})`;
    byId("viewer-controls").append(make("span", "probability 0 "), bar, make("span", "1"), reset, said);
    let ring = null, tag = null;
    const clear = () => {
      if (ring) viewer.removeShape(ring);
      if (tag) viewer.removeLabel(tag);
      ring = tag = null;
    };
    reset.addEventListener("click", () => { clear(); viewer.zoomTo({ predicate: isProtein }, 400); viewer.render(); });
    highlight = (chain, index) => {
      const atoms = model.selectedAtoms({ predicate: (atom) => { const found = of(atom); return found && found[0] === chain && found[1] === index; } });
      if (!atoms.length) return;
      const centre = atoms.find((atom) => atom.atom === "CA") || atoms[0];
      clear();
      ring = viewer.addSphere({ center: { x: centre.x, y: centre.y, z: centre.z }, radius: 2.2, color: "#0b62a4", opacity: 0.5 });
      tag = viewer.addLabel(label(chain, index), { position: { x: centre.x, y: centre.y, z: centre.z }, fontSize: 13, backgroundColor: "#1d1f21", backgroundOpacity: 0.85, inFront: true });
      viewer.center({ serial: centre.serial }, 300);
      viewer.render();
      said.textContent = describe(chain, index).replaceAll("\n", ", ");
    };
    showPocket = (pocket) => {
      clear();
      const inside = (atom) => { const found = of(atom); return found !== undefined && found[0].pockets[found[1]] === pocket.rank; };
      viewer.zoomTo({ predicate: inside }, 400);
      viewer.render();
      said.textContent = `pocket ${pocket.rank}: ${pocket.residues.length} residues`;
    };
    viewer.setClickable({ predicate: isProtein }, true, (atom) => { const found = of(atom); if (found) highlight(...found); });
    viewer.zoomTo({ predicate: isProtein });
    viewer.render();
  };

  words();
  tabulatePockets();
  tabulateResidues();
  drawBars();
  showStructure();
  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(drawBars, 150); });
})();
