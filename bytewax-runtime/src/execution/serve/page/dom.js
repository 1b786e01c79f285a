// Elements, built and changed with text alone: nothing from a run is read as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    } else if (name === "class") element.setAttribute("class", value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}

export const el = (name, attributes, ...children) =>
  fill(document.createElement(name), attributes, children);

export const svg = (name, attributes, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);

// Writes only what has changed, so that an idle page costs nothing.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// Makes the children of an element those of a list: made once for each key, then updated.
export function keyed(parent, values, key, make, update) {
  const known = (parent.known ??= new Map());
  const seen = new Set();
  let next = parent.firstElementChild;
  for (const value of values) {
    const id = key(value);
    seen.add(id);
    let child = known.get(id);
    if (!child) {
      child = make(value);
      known.set(id, child);
    }
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
    update?.(child, value);
  }
  for (const [id, child] of known) {
    if (!seen.has(id)) {
      child.remove();
      known.delete(id);
    }
  }
}
