// The keys of the page, for people to read.

import { h } from "./dom.ts";

const KEYS: readonly (readonly [string, string])[] = [
  ["Space", "play, pause"],
  ["← →", "a second back, on"],
  [", .", "a frame back, on"],
  ["Page ↑ ↓", "ten seconds on, back"],
  ["1 … 9", "show or hide a track"],
  ["[ ]", "repeat from here, up to here"],
  ["Esc", "stop repeating"],
  ["+ −", "zoom of the timeline"],
  ["M", "mute"],
];

export function keyboardHelp(): HTMLElement {
  const rows = KEYS.map(([keys, does]) => h("li", {}, [h("kbd", {}, keys), does]));
  return h("details", { class: "keys" }, [h("summary", {}, "Keyboard"), h("ul", {}, rows)]);
}
