(() => {
  const { data, byId, element, chainName, author, several, ramp, showTip, hideTip, canvasOf, listen, openViewer } = plaitPage;
  const scored = data.chains.filter((chain) => chain.sensitivity.some((value) => value !== null));
  const column = Object.fromEntries([...data.letters].map((letter, index) => [letter, index]));
  let highlight = () => {};
  let printing = false;

  const signed = (value, digits = 2) => (value === null ? "no score" : (value > 0 ? "+" : "") + value.toFixed(digits));
  const INK = "#1a1a1a", QUIET = "#5b5b5b"; // plots stand on white in the dark too: dark bars are the ones that matter

  // -- colours

  const pick = (colours, share) => colours[Math.round(Math.min(1, Math.max(0, share)) * (colours.length - 1))];
  const scoreColour = (value) =>
    value === null ? data.colours.absent : pick(data.colours.score, (value / data.limit + 1) / 2);
  const sensitivityShare = (value) =>
    (value - data.sensitivity_limits[0]) / (data.sensitivity_limits[1] - data.sensitivity_limits[0]);
  const sensitivityColour = (value) =>
    value === null ? data.colours.absent : pick(data.colours.sensitivity, 0.1 + 0.9 * Math.min(1, Math.max(0, sensitivityShare(value))));

  // -- what the tip says

  const residueLine = (chain, index) => {
    const lines = [`${several ? `chain ${chainName(chain)}, ` : ""}${chain.names[index]} ${author(chain, index)} (author number)`];
    lines.push(`sequence position ${chain.positions[index]}`);
    const confidence = chain.b_factor ? chain.b_factor[index] : null;
    if (confidence !== null) lines.push(`pLDDT ${confidence.toFixed(0)}${confidence < data.low_plddt ? ": uncertain structure" : ""}`);
    return lines.join("\n");
  };
  const residueText = (chain, index) => {
    const value = chain.sensitivity[index];
    return `${residueLine(chain, index)}\nsensitivity ${value === null ? "none: not scored" : value.toFixed(2)}`;
  };
  const cellText = (chain, index, letter) => {
    const wildType = chain.residues[index];
    if (letter === wildType) return `${wildType}${author(chain, index)}: wild type\n${residueText(chain, index)}`;
    const at = column[letter];
    const score = chain.scores[index][at];
    const rank = chain.percentiles[index][at];
    const spread = chain.spread ? chain.spread[index][at] : null;
    return `${wildType}${author(chain, index)}${letter}\nscore ${signed(score)}${spread === null ? "" : ` \u00b1 ${spread.toFixed(2)}`}` +
      `${rank === null ? "" : `, percentile ${rank.toFixed(2)}`}\n${residueLine(chain, index)}`;
  };

  // -- canvases

  const jumps = (chain, index) => {
    if (index === 0) return true;
    const step = chain.numbers[index] - chain.numbers[index - 1];
    return step !== 0 && step !== 1;
  };
  const ticks = (chain, start, end, room, every) => {
    const found = [];
    let last = -Infinity;
    for (let index = start; index < end; index += 1) {
      const ten = chain.numbers[index] % every === 0 && !chain.codes[index];
      if (!ten && index !== start && !jumps(chain, index)) continue;
      if ((index - last) * room < 9 + 6 * author(chain, index).length) continue;
      found.push(index);
      last = index;
    }
    return found;
  };

  const drawProfile = (chain, width) => {
    const left = 34, height = 118, base = 92;
    const step = (width - left - 6) / chain.residues.length;
    const values = chain.sensitivity.filter((value) => value !== null);
    const top = Math.max(...values, 0.001), low = Math.min(...values, 0);
    const y = (value) => base - ((value - low) / (top - low)) * (base - 8);
    const [canvas, pen] = canvasOf(width, height, `Sensitivity of each residue of chain ${chainName(chain)}`);
    pen.font = "10px system-ui, sans-serif";
    pen.fillStyle = QUIET;
    pen.textAlign = "right";
    pen.fillText(top.toFixed(1), left - 5, 14);
    pen.fillText("0", left - 5, y(0) + 3);
    if (low < -0.05 * top) pen.fillText(low.toFixed(1), left - 5, base + 3);
    chain.sensitivity.forEach((value, index) => {
      pen.fillStyle = sensitivityColour(value);
      const x = left + index * step;
      if (value === null) pen.fillRect(x, y(0) - 3, Math.max(step - 0.4, 0.6), 3);
      else pen.fillRect(x, Math.min(y(value), y(0)), Math.max(step > 3 ? step - 0.6 : step, 0.6), Math.max(Math.abs(y(value) - y(0)), 0.7));
    });
    pen.strokeStyle = QUIET;
    pen.lineWidth = 0.5;
    pen.beginPath();
    pen.moveTo(left, y(0) + 0.5);
    pen.lineTo(width - 6, y(0) + 0.5);
    pen.stroke();
    pen.textAlign = "center";
    pen.fillStyle = QUIET;
    const every = [10, 20, 50, 100, 200, 500].find((one) => one * step > 42) || 1000;
    for (const index of ticks(chain, 0, chain.residues.length, step, every)) {
      const x = left + (index + 0.5) * step;
      pen.fillRect(x - 0.25, base + 3, 0.5, 4);
      pen.fillText(author(chain, index), x, base + 19);
    }
    listen(canvas, {
      width, left, step, count: chain.residues.length,
      text: (index) => residueText(chain, index), click: (index) => highlight(chain, index),
    });
    return canvas;
  };

  const drawMap = (chain, start, end, cell) => {
    const left = 20, rowsTop = 44, count = end - start, rows = data.rows.length;
    const width = left + count * cell + 20, height = rowsTop + rows * cell + 36;
    const [canvas, pen] = canvasOf(width, height, `Scores of residues ${author(chain, start)} to ${author(chain, end - 1)} of chain ${chainName(chain)}`);
    const font = (size) => `${size}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let index = start; index < end; index += 1) {
      const x = left + (index - start) * cell;
      const value = chain.sensitivity[index];
      if (value !== null) {
        const tall = 2 + Math.min(1, Math.max(0, sensitivityShare(value))) * (rowsTop - 10);
        pen.fillStyle = sensitivityColour(value);
        pen.fillRect(x + 0.5, rowsTop - 3 - tall, cell - 1, tall);
      }
      for (let row = 0; row < rows; row += 1) {
        const letter = data.rows[row];
        const y = rowsTop + row * cell;
        const wildType = letter === chain.residues[index];
        pen.fillStyle = scoreColour(wildType && value !== null ? 0 : chain.scores[index][column[letter]]);
        pen.fillRect(x, y, cell + 0.2, cell + 0.2);
        if (wildType && value !== null) {
          pen.fillStyle = "#000000";
          pen.beginPath();
          pen.arc(x + cell / 2, y + cell / 2, Math.max(1.4, cell * 0.16), 0, 7);
          pen.fill();
        }
      }
      pen.fillStyle = INK;
      pen.font = font(Math.min(11, cell - 1));
      pen.fillText(chain.residues[index], x + cell / 2, rowsTop + rows * cell + 8);
      if (index > start && jumps(chain, index)) {
        pen.fillStyle = "#000000";
        pen.fillRect(x - 0.6, rowsTop, 1.2, rows * cell);
      }
    }
    pen.fillStyle = QUIET;
    pen.font = font(Math.min(10, cell - 1));
    for (let row = 0; row < rows; row += 1) {
      for (const x of [left - 9, left + count * cell + 9]) pen.fillText(data.rows[row], x, rowsTop + (row + 0.5) * cell);
    }
    pen.font = font(10);
    for (const index of ticks(chain, start, end, cell, 10)) {
      const x = left + (index - start + 0.5) * cell;
      pen.fillRect(x - 0.25, rowsTop + rows * cell + 14, 0.5, 4);
      pen.fillText(author(chain, index), Math.max(x, 10), rowsTop + rows * cell + 25);
    }
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      const scale = width / box.width;
      const place = Math.floor(((event.clientX - box.left) * scale - left) / cell);
      const row = Math.floor(((event.clientY - box.top) * scale - rowsTop) / cell);
      if (place < 0 || place >= count || row >= rows) return null;
      return [start + place, row < 0 ? null : data.rows[row]];
    };
    canvas.addEventListener("pointermove", (event) => {
      const found = at(event);
      if (!found) hideTip();
      else showTip(event, found[1] === null ? residueText(chain, found[0]) : cellText(chain, found[0], found[1]));
    });
    canvas.addEventListener("pointerleave", hideTip);
    canvas.addEventListener("click", (event) => { const found = at(event); if (found) highlight(chain, found[0]); });
    return canvas;
  };

  const drawAll = () => {
    const width = Math.max(320, byId("maps").clientWidth);
    const maps = byId("maps"), profiles = byId("profiles");
    maps.replaceChildren();
    profiles.replaceChildren();
    for (const chain of scored) {
      const length = chain.residues.length;
      if (several) {
        profiles.append(element("h3", `Chain ${chainName(chain)}`));
        maps.append(element("h3", `Chain ${chainName(chain)}: ${length} residues`));
      }
      profiles.append(drawProfile(chain, width));
      const most = Math.max(10, Math.floor((width - 42) / (width < 700 ? 10 : 13) / 10) * 10);
      const lines = Math.ceil(length / most);
      const step = lines === 1 ? length : Math.min(most, Math.ceil(length / lines / 10) * 10);
      const cell = Math.min(18, (width - 42) / step);
      for (let start = 0; start < length; start += step) maps.append(drawMap(chain, start, Math.min(length, start + step), cell));
    }
  };

  // -- words

  const facts = () => {
    const parts = data.chains.map((chain) => `chain ${chainName(chain)}: ${chain.residues.length} residues`);
    const count = data.mutants ? `${data.mutants.total} mutant${data.mutants.total === 1 ? "" : "s"}` : "every single substitution";
    const model = `model ${data.model.name}` + (data.alignment ? ` with an alignment (${data.alignment})` : "");
    byId("facts").textContent = `${count}; ${parts.join(", ")}; ${model}; plait ${data.version}`;
    const meaning = byId("meaning");
    for (const text of [data.meaning, data.sensitivity, data.percentile, data.spread]) if (text) meaning.append(element("p", text));
    const numbering = data.numbering === "author" ? "author numbers" : "sequence positions (residues present in the chain, from 1)";
    meaning.append(element("p", `Mutations in the table are named by ${numbering}; the axes show author numbers.`));
    for (const text of data.warnings) meaning.append(element("p", text, { class: "notice" }));
    const legend = byId("legend");
    const scale = (before, colours, after) => legend.append(element("span", `${before} `, {}, ramp(colours), ` ${after}`));
    scale(`score ${(-data.limit).toFixed(1)} harmful`, data.colours.score, `favoured ${signed(data.limit, 1)}`);
    scale(`sensitivity ${data.sensitivity_limits[0].toFixed(1)} tolerant`, data.colours.sensitivity, `sensitive ${data.sensitivity_limits[1].toFixed(1)}`);
    const swatch = (colour, sign, text) => {
      const line = element("span"), box = element("span", sign, { class: "swatch" });
      box.style.background = colour;
      line.append(box, text);
      legend.append(line);
    };
    swatch("#ffffff", "\u2022", "wild type");
    swatch(data.colours.absent, "", "no score");
    if (data.remarks.length) {
      const list = element("ul");
      for (const [, place, text] of data.remarks) list.append(element("li", place ? `${place}: ${text}` : text));
      byId("remarks").append(list);
    } else byId("remarks").append(element("p", "Nothing.", { class: "quiet" }));
    const card = element("table");
    const lines = [["name", data.model.name], ["weights (SHA-256, shortened)", data.model.digest], ...data.model.card.filter((line) => line[0] !== "name")];
    for (const [key, value] of lines) {
      if (!value) continue;
      const row = element("tr");
      row.append(element("th", key), element("td", value));
      card.append(row);
    }
    byId("card").append(card);
    byId("foot").textContent = "Made by plait. 3D view: 3Dmol.js (Rego & Koes 2015, BSD-3-Clause). The numbers are in scores.csv, what was run in run.json.";
  };

  // -- the ranked table

  const tabulate = () => {
    let columns, rows;
    if (data.mutants) ({ columns, rows } = data.mutants);
    else {
      columns = ["mutant", "chain", "sequence_position", "author_number", "wild_type", "mutated", "plait_score", "percentile", "spread"];
      rows = [];
      for (const chain of scored) {
        for (let index = 0; index < chain.residues.length; index += 1) {
          const wildType = chain.residues[index];
          for (const letter of data.letters) {
            const score = chain.scores[index][column[letter]];
            if (letter === wildType || score === null) continue;
            const number = data.numbering === "author" ? author(chain, index) : chain.positions[index];
            const at = column[letter];
            rows.push([`${wildType}${number}${letter}`, chain.name, chain.positions[index], author(chain, index), wildType, letter, score, chain.percentiles[index][at], chain.spread ? chain.spread[index][at] : null]);
          }
        }
      }
    }
    const at = Object.fromEntries(columns.map((name, index) => [name, index]));
    const shown = columns.filter((name) => !["wild_type", "mutated", "hgvs"].includes(name) && (several || name !== "chain") && (data.spread || name !== "spread"));
    const numeric = new Set(columns.filter((name, index) => rows.length && rows.every((row) => row[index] === null || typeof row[index] === "number")));
    const decimals = { percentile: 2, spread: 3 };
    const state = { by: "plait_score", down: true, page: 0, size: 14, found: [] };

    const controls = byId("table-controls");
    const filter = element("input", null, { type: "search", placeholder: "A24, 24, A24C ...", size: "14" });
    const chains = element("select");
    chains.append(element("option", "all", { value: "" }));
    for (const chain of scored) chains.append(element("option", chainName(chain), { value: `=${chain.name}` }));
    const most = element("input", null, { type: "number", min: "1", step: "1", value: String(Math.min(100, rows.length)) });
    const labelled = (text, control) => { const label = element("label", text); label.append(control); return label; };
    const download = element("button", "Download CSV", { type: "button" });
    controls.append(labelled("find", filter));
    if (scored.length > 1) controls.append(labelled("chain", chains));
    controls.append(labelled("top", most), download);

    const head = element("thead"), body = element("tbody");
    const headRow = element("tr");
    for (const name of shown) {
      const cell = element("th", null, numeric.has(name) ? { class: "number" } : {});
      const button = element("button", name.replaceAll("_", " "), { type: "button", title: "sort" });
      button.addEventListener("click", () => {
        state.down = state.by === name ? !state.down : numeric.has(name) && name !== "sequence_position";
        state.by = name;
        refresh();
      });
      cell.append(button);
      cell.dataset.name = name;
      headRow.append(cell);
    }
    head.append(headRow);
    byId("table").append(head, body);

    const pages = byId("table-pages");
    const back = element("button", "Back", { type: "button" });
    const next = element("button", "Next", { type: "button" });
    const where = element("span");
    pages.append(back, next, where);
    back.addEventListener("click", () => { state.page -= 1; paint(); });
    next.addEventListener("click", () => { state.page += 1; paint(); });

    const collator = new Intl.Collator("en", { numeric: true });
    const refresh = () => {
      const text = filter.value.trim().toUpperCase();
      const pattern = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + (/\d$/.test(text) ? "(?!\\d)" : "")); // A24 is not A241
      const keep = rows.filter((row) => {
        if (chains.value && row[at.chain] !== chains.value.slice(1)) return false;
        if (!text) return true;
        if (/^-?\d+$/.test(text)) return String(row[at.sequence_position]) === text || String(row[at.author_number]) === text;
        return pattern.test(String(row[at.mutant]).toUpperCase());
      });
      const key = at[state.by], sign = state.down ? -1 : 1;
      keep.sort((a, b) => {
        if (a[key] === null || b[key] === null) return (a[key] === null) - (b[key] === null);
        return sign * (numeric.has(state.by) ? a[key] - b[key] : collator.compare(a[key], b[key]));
      });
      state.total = keep.length;
      state.found = keep.slice(0, Math.max(1, Number(most.value) || keep.length));
      state.page = 0;
      for (const cell of headRow.children) {
        if (cell.dataset.name === state.by) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
        cell.firstChild.textContent = cell.dataset.name.replaceAll("_", " ") + (cell.dataset.name === state.by ? (state.down ? " \u25be" : " \u25b4") : "");
      }
      paint();
    };
    const paint = () => {
      const size = printing ? 50 : state.size;
      const start = state.page * size;
      body.replaceChildren();
      for (const row of state.found.slice(start, start + size)) {
        const line = element("tr");
        for (const name of shown) {
          const value = row[at[name]];
          const cell = element("td", value === null ? "" : name === "plait_score" ? signed(value, 3) : decimals[name] && numeric.has(name) ? value.toFixed(decimals[name]) : String(value), numeric.has(name) ? { class: "number" } : {});
          if (name === "plait_score") { cell.classList.add("score"); cell.style.borderLeftColor = scoreColour(value); }
          line.append(cell);
        }
        const chain = data.chains.find((one) => one.name === row[at.chain]);
        const places = chain ? String(row[at.sequence_position]).split(":").map((one) => chain.positions.indexOf(Number(one))).filter((one) => one >= 0) : [];
        if (places.length) {
          line.addEventListener("click", () => highlight(chain, places[0]));
          line.addEventListener("pointermove", (event) => showTip(event, places.map((one) => residueText(chain, one)).join("\n\n")));
          line.addEventListener("pointerleave", hideTip);
          const low = chain.b_factor ? places.map((one) => chain.b_factor[one]).filter((one) => one !== null && one < data.low_plddt) : [];
          if (low.length) line.cells[0].append(element("span", `pLDDT ${Math.min(...low).toFixed(0)}`, { class: "doubt" }));
        }
        body.append(line);
      }
      const end = Math.min(start + size, state.found.length);
      const whole = data.mutants && data.mutants.total > rows.length ? ` (the best ${rows.length} of ${data.mutants.total}; scores.csv has all)` : "";
      where.textContent = state.found.length ? `${start + 1} to ${end} of ${state.found.length}; ${state.total} found${whole}` : "none found";
      back.disabled = state.page === 0;
      next.disabled = end >= state.found.length;
    };
    const quoted = (value) => {
      const text = value === null ? "" : String(value);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    download.addEventListener("click", () => {
      const lines = [columns, ...state.found].map((row) => row.map(quoted).join(","));
      const link = element("a", null, { download: "top-mutations.csv" });
      link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    for (const control of [filter, chains, most]) control.addEventListener("input", refresh);
    refresh();
    return paint;
  };

  // -- the structure

  const showStructure = () => {
    const opened = openViewer(byId("viewer"), "sensitivity");
    if (!opened) return;
    const { viewer, of, isProtein, mark, reset } = opened;
    const colourOf = (atom) => { const found = of(atom); return found ? sensitivityColour(found[0].sensitivity[found[1]]) : "#8a8a8a"; };
    const style = (sticks) => {
      viewer.setStyle({}, {});
      viewer.setStyle({ predicate: isProtein }, { cartoon: { colorfunc: colourOf }, ...(sticks ? { stick: { radius: 0.13, colorfunc: colourOf } } : {}) });
      viewer.setStyle({ predicate: (atom) => !isProtein(atom) }, { stick: { radius: 0.2, colorscheme: "greenCarbon" }, sphere: { scale: 0.22, colorscheme: "greenCarbon" } });
      viewer.render();
    };
    style(false);
    viewer.zoomTo({ predicate: isProtein });
    viewer.render();

    const controls = byId("viewer-controls");
    const sticks = element("input", null, { type: "checkbox" });
    const label = element("label");
    label.append(sticks, "side chains");
    sticks.addEventListener("change", () => style(sticks.checked));
    const said = element("span", "Click a residue in the table, the plot or the map to see it here.", { class: "quiet" });
    const legend = element("span", "tolerant ", {}, ramp(data.colours.sensitivity, "90px"), " sensitive");
    controls.append(legend, label, reset, said);
    highlight = (chain, index) => {
      const text = `${several ? `${chain.name} ` : ""}${chain.names[index]} ${author(chain, index)}`;
      if (!mark(chain, index, text)) return;
      const value = chain.sensitivity[index];
      said.textContent = `${text}: sensitivity ${value === null ? "none" : value.toFixed(2)}`;
    };
    viewer.setHoverable({ predicate: isProtein }, true, (atom, _, event) => {
      const found = of(atom);
      if (found) said.textContent = residueText(...found).replaceAll("\n", ", ");
    }, () => {});
    viewer.setClickable({ predicate: isProtein }, true, (atom) => { const found = of(atom); if (found) highlight(...found); });
    viewer.render();
  };

  facts();
  const paintTable = tabulate();
  drawAll();
  showStructure();
  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => { if (!printing) drawAll(); }, 150); });
  addEventListener("beforeprint", () => { printing = true; paintTable(); });
  addEventListener("afterprint", () => { printing = false; drawAll(); paintTable(); });
})();
