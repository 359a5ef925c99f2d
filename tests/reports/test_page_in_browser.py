"""The page does what it shows: opened in a headless Chromium, without a network, with and without WebGL."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from tiny_models import tiny_ensemble

from plait.reports.writing import write
from plait.structure.reading import read_structure
from plait.tasks.mutation_effects import score

CHROMIUM = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]

PROBE = """
<pre id="probe"></pre>
<script>
(async () => {
  const answer = {errors: window.pageErrors};
  const wait = (time) => new Promise((done) => setTimeout(done, time));
  const tip = document.getElementById("tip");
  await wait(500);
  const map = document.querySelector("#maps canvas");
  map.scrollIntoView();
  const box = map.getBoundingClientRect();
  const cell = (box.width - 40) / Number(PLACES);
  const move = (y) => new PointerEvent("pointermove", {clientX: box.left + 20 + cell * 2.5, clientY: box.top + y});
  map.dispatchEvent(move(44 + cell * 1.5));
  answer.cell = tip.textContent;
  map.dispatchEvent(move(20));
  answer.bar = tip.textContent;
  answer.meaning = document.getElementById("meaning").textContent;
  answer.columns = [...document.querySelectorAll("#table th")].map((one) => one.dataset.name);
  const rows = () => [...document.querySelectorAll("#table tbody tr")].map((row) => row.cells[0].textContent);
  answer.ramps = [...document.querySelectorAll(".ramp")].map((one) => one.style.backgroundImage.split(",").length > 20);
  answer.first = rows().slice(0, 3);
  [...document.querySelectorAll("#table th button")].find((one) => one.textContent.startsWith("percentile")).click();
  [...document.querySelectorAll("#table th button")].find((one) => one.textContent.startsWith("percentile")).click();
  document.querySelector("#table tbody tr").dispatchEvent(new PointerEvent("pointermove", {clientX: 9, clientY: 9}));
  answer.row = tip.textContent;
  answer.last = rows().slice(0, 3);
  const find = document.querySelector("#table-controls input[type=search]");
  find.value = "I3";
  find.dispatchEvent(new Event("input"));
  answer.found = document.querySelector("#table-pages span").textContent;
  document.querySelector("#table tbody tr").click();
  await wait(300);
  answer.viewer = document.getElementById("viewer").textContent.slice(0, 60);
  answer.said = (document.querySelector("#viewer-controls .quiet") || {}).textContent;
  document.getElementById("probe").textContent = JSON.stringify(answer);
})();
</script>
"""


def opened(page, tmp_path, *flags) -> dict:
    text = page.read_text(encoding="utf-8")
    catcher = "<script>window.pageErrors=[];addEventListener('error',(e)=>pageErrors.push(e.message));</script>"
    places = re.search(r'"residues":"(\w+)"', text)[1]
    text = text.replace("<head>", "<head>" + catcher, 1)
    text = text.replace("</body>", PROBE.replace("PLACES", str(len(places))) + "</body>")
    probed = tmp_path / "probed.html"
    probed.write_text(text, encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--no-first-run", "--disable-background-networking"]
    command += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--window-size=1400,1200", "--virtual-time-budget=9000", *flags, "--dump-dom", probed.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    import html

    return json.loads(html.unescape(re.search(r'<pre id="probe">(.*?)</pre>', dom, re.S)[1]))


@pytest.fixture(scope="module")
def result(structures):
    class Model:
        name, card, digest = "fixed", {"licence": "none </script><b>"}, "0"

        def scores(self, protein):
            return np.random.default_rng(0).normal(-2, 1, size=(len(protein), 20)).astype(np.float32), None

        def describe_score(self):
            return "Higher is better."

    return score(read_structure(structures / "1ubi.pdb"), model=Model())


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    return write(result, tmp_path_factory.mktemp("out") / "run") / "report.html"


@pytest.fixture(scope="module")
def doubtful(structures):
    """An ensemble's scores of a predicted structure."""
    ubiquitin = read_structure(structures / "1ubi.pdb")
    confidence = np.where(np.arange(76) % 2, 91.0, 43.0).astype(np.float32)
    return score(ubiquitin.replace(predicted=True, b_factor=confidence), model=tiny_ensemble())


SOFTWARE_WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def test_hover_sort_find_and_click(page, result, tmp_path):
    answer = opened(page, tmp_path, *SOFTWARE_WEBGL)
    assert answer["errors"] == []
    third = result.protein.sequence[2]
    row = result.table[(result.table["sequence_position"] == 3) & (result.table["mutated"] == "A")].iloc[0]
    assert answer["cell"].startswith(f"{third}3A\nscore {row['plait_score']:+.2f}, percentile {row['percentile']:.2f}")
    assert f"sensitivity {result.sensitivity[2]:.2f}" in answer["bar"]
    assert answer["ramps"] == [True, True, True]  # beside the structure, and of scores and sensitivities above the map
    assert answer["columns"][-1] == "percentile"
    assert answer["first"] == result.table["mutant"][:3].tolist()
    assert answer["last"] == result.table["mutant"][::-1][:3].tolist()
    assert "19 found" in answer["found"]
    assert answer["said"].startswith("ILE 3: sensitivity")


def test_without_webgl_the_page_says_where_the_structure_is(page, tmp_path):
    answer = opened(page, tmp_path, "--disable-gpu", "--disable-3d-apis")
    assert answer["errors"] == []
    assert "needs WebGL" in answer["viewer"]
    assert answer["cell"]


def test_spread_and_confidence_stand_beside_the_scores(doubtful, tmp_path):
    answer = opened(write(doubtful, tmp_path / "run") / "report.html", tmp_path, "--disable-gpu", "--disable-3d-apis")
    assert answer["errors"] == []
    row = doubtful.table[(doubtful.table["sequence_position"] == 3) & (doubtful.table["mutated"] == "A")].iloc[0]
    assert f"score {row['plait_score']:+.2f} \u00b1 {row['spread']:.2f}, percentile" in answer["cell"]
    assert "pLDDT 43: uncertain structure" in answer["cell"]
    best = doubtful.table.iloc[:3]
    marks = ["pLDDT 43" if position % 2 else "" for position in best["sequence_position"]]
    assert answer["first"] == [mutant + mark for mutant, mark in zip(best["mutant"], marks)]
    assert "pLDDT" in answer["row"]
    assert "below 70" in answer["meaning"]
    assert answer["columns"][-1] == "spread"
