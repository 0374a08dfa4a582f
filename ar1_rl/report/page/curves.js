// Curves of the run, by plotly: unpacked and drawn when they come into view.
let charts = null;
const drawnPanels = new Map();

function unpackCharts() {
  charts = charts || (async () => {
    const packed = Uint8Array.from(atob(byId("charts").textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    document.head.append(element("script", {}, await new Response(stream).text()));
    return window.Plotly;
  })();
  return charts;
}

// A colour of the present theme; `light-dark()` is resolved only where it is used.
function colour(name) {
  document.body.style.setProperty("caret-color", `var(${name})`);
  return getComputedStyle(document.body).caretColor;
}
const sampleColour = (number) => `var(--sample-${number % 8})`;

function layoutOf() {
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line"), automargin: true };
  return {
    height: 230, margin: { l: 44, r: 10, t: 8, b: 34 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 11, color: colour("--ink") },
    xaxis: { ...axis, title: { text: "step", standoff: 4 } }, yaxis: { ...axis, exponentformat: "power" },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 10 } }, hovermode: "x unified", dragmode: false,
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
  };
}

function tracesOf(panel) {
  const main = { training: "--muted", validation: "--after" };
  return panel.series.map((series, place) => {
    const shade = colour(main[series.name] || `--sample-${place % 8}`);
    const validation = series.name === "validation";
    return {
      x: series.steps, y: series.values, name: series.name, type: "scatter", connectgaps: true,
      mode: validation || series.steps.length < 3 ? "lines+markers" : "lines", marker: { size: 6, color: shade },
      line: { color: shade, width: validation ? 2.4 : 1.5 }, hovertemplate: "%{y:.4g}",
    };
  });
}

async function drawPanel(node, panel) {
  const Plotly = await unpackCharts();
  drawnPanels.set(node, panel);
  await Plotly.react(node, tracesOf(panel), { ...layoutOf(), showlegend: panel.series.length > 1 },
    { responsive: true, displayModeBar: false, scrollZoom: false });
  node.dataset.drawn = "yes";
}

function recolourCurves() {
  for (const [node, panel] of drawnPanels) drawPanel(node, panel);
}

function showCurves() {
  const place = byId("curves");
  if (content.curves_told) place.append(element("p", { class: "note" }, content.curves_told));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      watch.unobserve(entry.target);
      drawPanel(entry.target, panels.get(entry.target));
    }
  }, { rootMargin: "200px" });
  const panels = new Map();
  for (const group of [...new Set(content.curves.map((panel) => panel.group))]) {
    const cards = content.curves.filter((panel) => panel.group === group).map((panel) => {
      const chart = element("div", { class: "chart" });
      panels.set(chart, panel);
      return element("figure", { class: "card" }, element("figcaption", {}, spoken(panel.title)), chart);
    });
    place.append(element("h3", {}, group), element("div", { class: "panels" }, cards));
  }
  for (const chart of panels.keys()) watch.observe(chart);
}
