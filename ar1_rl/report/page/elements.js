// Elements by name; every text goes in as text, never as HTML.
const content = JSON.parse(document.getElementById("content").textContent);
const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}
const element = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

const text = (index) => (index === null || index === undefined ? null : content.texts[index]);
const spoken = (name) => String(name).replaceAll("_", " ");

function figure(value, digits = 3, signed = false) {
  if (value === null || value === undefined) return "–";
  const plain = Math.abs(value).toFixed(digits);
  const sign = Number(plain) === 0 ? "" : value < 0 ? "−" : signed ? "+" : "";
  return sign + plain;
}
