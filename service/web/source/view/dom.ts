// Makes elements. Text is never parsed as HTML.

type Child = Node | string | null | undefined | false;
type Value = string | number | boolean | null | undefined;
type Handlers = { [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void };

/** Return an element with attributes, handlers of events, and what is in it; false leaves one out. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, Value>> = {},
  children: Child | readonly Child[] = [],
  on: Handlers = {},
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...present(Array.isArray(children) ? children : [children as Child]));
  for (const [name, handler] of Object.entries(on)) {
    element.addEventListener(name, handler as EventListener);
  }
  return element;
}

/** Set an attribute; false, null and undefined remove it. */
export function setAttribute(element: Element, name: string, value: Value): void {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Put these into an element in place of what was there. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...present(children));
}

/** Set variables of a style. */
export function style(element: HTMLElement, values: Readonly<Record<string, string | number>>): void {
  for (const [name, value] of Object.entries(values)) element.style.setProperty(name, String(value));
}

function present(children: readonly Child[]): (Node | string)[] {
  return children.filter((child): child is Node | string => Boolean(child) || child === "");
}

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  back: "M15 5v14l-8-7zM5 5h2v14H5z",
  check: "m5 12 5 5 9-10",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  download: "M12 4v11m0 0 4-4m-4 4-4-4M5 19h14",
  ear: "M6 9.500a6 6 0 0 1 12 0c0 3.200-1.500 4.500-3 6-1.200 1.200-1 2.500-1.600 3.500a3 3 0 0 1-5.400-1.800M9 10a3 3 0 0 1 6-.3c0 1.900-2.600 1.700-2.600 4",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 9.200a2.800 2.800 0 1 1 0 5.600 2.800 2.800 0 0 1 0-5.600",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9.500h4M4 14.500h4M16 9.500h4M16 14.500h4",
  forward: "M9 5v14l8-7zM17 5h2v14h-2z",
  hidden: "M4 4l16 16M9.500 5.800A9.600 9.600 0 0 1 12 5.500c6 0 9.500 6.500 9.500 6.500a17 17 0 0 1-2.700 3.400M6 7.600A16 16 0 0 0 2.500 12S6 18.500 12 18.500a9.400 9.400 0 0 0 4.400-1.100",
  key: "M14.500 9.500a4 4 0 1 1-2.800-3.800 4 4 0 0 1 2.800 3.800zM13.500 12l6.500 6.500M17 15.500l2-2",
  loop: "M17 3l3 3-3 3M4 11V9a3 3 0 0 1 3-3h13M7 21l-3-3 3-3M20 13v2a3 3 0 0 1-3 3H4",
  minus: "M6 12h12",
  mute: "M4 9.500v5h3.500L12 19V5L7.500 9.500zM16 9.500l5 5M21 9.500l-5 5",
  pause: "M8 5v14M16 5v14",
  play: "M7 4.500v15l12-7.500z",
  plus: "M12 6v12M6 12h12",
  record: "M12 6a6 6 0 1 1 0 12 6 6 0 0 1 0-12",
  sound: "M4 9.500v5h3.500L12 19V5L7.500 9.500zM16 9a4.500 4.500 0 0 1 0 6M18.500 6.500a8 8 0 0 1 0 11",
  stop: "M7 7h10v10H7z",
  upload: "M12 16V5m0 0L8 9m4-4 4 4M5 19h14",
  warning: "M12 4 2.500 20h19zM12 10v4.500M12 17.200v.3",
} as const;

export type Icon = keyof typeof ICONS;

/** Return a picture that says nothing to a screen reader. */
export function icon(name: Icon): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon", `icon-${name}`);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Download something under a name. */
export function save(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
