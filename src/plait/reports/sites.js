(() => {
  const { data, byId, element, chainName, author, several, ramp, canvasOf, listen, openViewer } = plaitPage;
  const POCKETS = ["#d55e00", "#cc79a7", "#0072b2", "#009e73", "#e69f00"]; // Okabe and Ito's, told apart by the colour-blind
  let highlight = () => {};
  let showPocket = () => {};

  const label = (chain, index) => `${several ? `${chainName(chain)} ` : ""}${chain.names[index]} ${author(chain, index)}`;
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

  // -- words

  const words = () => {
    const chains = data.chains.map((chain) => `chain ${chainName(chain)}: ${chain.numbers.length} residues`).join(", ");
    const count = data.chains.reduce((sum, chain) => sum + chain.probability.filter((one) => one !== null && one >= data.threshold).length, 0);
    byId("facts").textContent = `${count} residues predicted to bind, ${data.pockets.length} pocket${data.pockets.length === 1 ? "" : "s"}; ${chains}; model ${data.model.name}; plait ${data.version}`;
    byId("meaning").append(element("p", data.meaning));
    const list = element("ul");
    for (const [, place, text] of data.remarks) list.append(element("li", place ? `${place}: ${text}` : text));
    byId("remarks").append(data.remarks.length ? list : element("p", "Nothing.", { class: "quiet" }));
    const card = element("table");
    const lines = [["name", data.model.name], ["digest (SHA-256, shortened)", data.model.digest], ...data.model.card];
    for (const [key, value] of lines) if (value) card.append(element("tr", null, {}, element("th", key), element("td", value)));
    byId("card").append(card);
    byId("foot").textContent = "Made by plait. 3D view: 3Dmol.js (Rego & Koes 2015, BSD-3-Clause). The numbers are in sites.csv and pockets.csv, what was run in run.json.";
  };

  // -- tables

  const headOf = (titles) => {
    const row = element("tr");
    for (const [title, kind] of titles) row.append(element("th", title, kind ? { class: kind } : {}));
    return element("thead", null, {}, row);
  };

  const tabulatePockets = () => {
    const body = element("tbody");
    const known = data.pockets.some((pocket) => pocket.probability !== null);
    const likely = (value) => (known ? [element("td", value < 0.01 ? "<0.01" : value.toFixed(2), { class: "number" })] : []);
    for (const pocket of data.pockets) {
      const rank = element("td", String(pocket.rank), { class: "number score" });
      rank.style.borderLeftColor = pocketColour(pocket.rank);
      const centre = pocket.centre.map((one) => one.toFixed(1)).join(", ");
      const residues = element("td", pocket.residues.join(" "));
      residues.style.whiteSpace = "normal";
      const row = element("tr", null, {}, rank, element("td", pocket.score >= 0.1 ? pocket.score.toFixed(1) : pocket.score.toPrecision(1), { class: "number" }), ...likely(pocket.probability), element("td", centre), residues);
      row.addEventListener("click", () => showPocket(pocket));
      body.append(row);
    }
    if (!data.pockets.length) body.append(element("tr", null, {}, element("td", "none", { colspan: "4" })));
    byId("pockets").append(headOf([["rank", "number"], ["score", "number"], ...(known ? [["holds a ligand", "number"]] : []), ["centre (angstrom)"], ["residues"]]), body);
  };

  const tabulateResidues = () => {
    const rows = data.chains.flatMap((chain) => chain.numbers.map((_, index) => ({ chain, index, value: chain.probability[index] })));
    rows.sort((a, b) => (b.value ?? -1) - (a.value ?? -1));
    const body = element("tbody");
    const find = element("input", null, { type: "search", placeholder: "residue number", size: "14" });
    const back = element("button", "Back", { type: "button" }), next = element("button", "Next", { type: "button" }), where = element("span");
    let page = 0;
    const size = 12;
    const paint = () => {
      const wanted = find.value.trim().toUpperCase();
      const kept = rows.filter(({ chain, index }) => !wanted || author(chain, index).toUpperCase() === wanted || String(chain.positions[index]) === wanted);
      page = Math.max(0, Math.min(page, Math.ceil(kept.length / size) - 1));
      const shown = kept.slice(page * size, (page + 1) * size);
      body.replaceChildren(...shown.map(({ chain, index, value }) => {
        const probability = element("td", value === null ? "" : value.toFixed(3), { class: "number score" });
        probability.style.borderLeftColor = colour(value);
        const row = element("tr", null, {}, probability, element("td", label(chain, index)),
          element("td", String(chain.positions[index]), { class: "number" }), element("td", chain.pockets[index] ? String(chain.pockets[index]) : "", { class: "number" }));
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
    byId("table-controls").append(element("label", "find", {}, find));
    byId("table-pages").append(back, next, where);
    byId("table").append(headOf([["probability", "number"], ["residue (author number)"], ["sequence position", "number"], ["pocket", "number"]]), body);
    paint();
  };

  // -- bars along the chain

  const bars = (chain, width) => {
    const left = 34, height = 128, base = 100;
    const [canvas, pen] = canvasOf(width, height, `Probability of each residue of chain ${chainName(chain)}`);
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
      pen.fillText(author(chain, index), x, base + 20);
      last = x;
    });
    listen(canvas, {
      width, left, step, count: chain.numbers.length,
      text: (index) => describe(chain, index), click: (index) => highlight(chain, index),
    });
    return canvas;
  };

  const drawBars = () => {
    const place = byId("profiles");
    place.replaceChildren();
    for (const chain of data.chains) {
      if (several) place.append(element("h3", `Chain ${chainName(chain)}`));
      place.append(bars(chain, Math.max(320, place.clientWidth)));
    }
  };

  // -- the structure

  const showStructure = () => {
    const opened = openViewer(byId("viewer"), "probability");
    if (!opened) return;
    const { viewer, of, isProtein, mark, clear, reset } = opened;
    const colourOf = (atom) => { const found = of(atom); return found ? colour(found[0].probability[found[1]]) : "#8a8a8a"; };
    const binds = (atom) => { const found = of(atom); return found !== undefined && found[0].probability[found[1]] >= data.threshold; };
    viewer.setStyle({}, {});
    viewer.setStyle({ predicate: isProtein }, { cartoon: { colorfunc: colourOf } });
    viewer.addStyle({ predicate: binds }, { stick: { radius: 0.13, colorfunc: colourOf } });
    viewer.setStyle({ predicate: (atom) => !isProtein(atom) }, { stick: { radius: 0.18, colorscheme: "greenCarbon" } });
    const point = (centre) => ({ x: centre[0], y: centre[1], z: centre[2] });
    for (const pocket of data.pockets.slice(0, POCKETS.length)) {
      viewer.addSphere({ center: point(pocket.centre), radius: 1.8, color: pocketColour(pocket.rank), opacity: 0.7 });
      viewer.addLabel(String(pocket.rank), { position: point(pocket.centre), fontSize: 12, backgroundColor: "#1d1f21", backgroundOpacity: 0.75, inFront: true });
    }
    const said = element("span", "Click a pocket or a residue to see it here. Spheres: centres of the first pockets.", { class: "quiet" });
    byId("viewer-controls").append(element("span", "probability 0 "), ramp(data.colours, "90px"), element("span", "1"), reset, said);
    highlight = (chain, index) => {
      if (!mark(chain, index, label(chain, index))) return;
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
