// The keys of the studio: what they are called, and what each does.

import { h } from "../view/dom.ts";

export type Command =
  | "look" | "click" | "box" | "stroke" | "brush" | "eraser" | "smaller" | "larger"
  | "new_track" | "hide" | "remove_mask" | "lock" | "forward" | "backward" | "cancel"
  | "new_interval" | "split" | "remove_interval" | "write" | "start_earlier" | "start_later" | "end_earlier" | "end_later"
  | "snap_start" | "snap_end" | "accept" | "reject" | "next_doubt" | "last_doubt" | "undo" | "redo" | "help"
  | "play" | "frame_back" | "frame_on" | "second_back" | "second_on" | "first" | "last" | "mute";

interface Key {
  /** As `KeyboardEvent.key` gives them, lower case; `shift+` and `ctrl+` before. */
  readonly keys: readonly string[];
  readonly shown: string;
  readonly does: string;
}

const KEYS: Readonly<Record<Command, Key>> = {
  play: { keys: [" ", "k"], shown: "Space", does: "play, pause" },
  frame_back: { keys: [","], shown: ",", does: "an annotation frame back" },
  frame_on: { keys: ["."], shown: ".", does: "an annotation frame on" },
  second_back: { keys: ["arrowleft"], shown: "←", does: "a second back" },
  second_on: { keys: ["arrowright"], shown: "→", does: "a second on" },
  first: { keys: ["home"], shown: "Home", does: "to the first frame" },
  last: { keys: ["end"], shown: "End", does: "to the last frame" },
  mute: { keys: ["m"], shown: "M", does: "mute" },
  look: { keys: ["v"], shown: "V", does: "look, and choose a track by its mask" },
  click: { keys: ["c"], shown: "C", does: "mask from clicks (Alt or right: outside)" },
  box: { keys: ["b"], shown: "B", does: "mask from a box" },
  stroke: { keys: ["s"], shown: "S", does: "mask from a stroke" },
  brush: { keys: ["d"], shown: "D", does: "brush" },
  eraser: { keys: ["e"], shown: "E", does: "eraser" },
  smaller: { keys: ["["], shown: "[", does: "a smaller brush" },
  larger: { keys: ["]"], shown: "]", does: "a larger brush" },
  new_track: { keys: ["t"], shown: "T", does: "a new track" },
  hide: { keys: ["h"], shown: "H", does: "hide or show the track" },
  remove_mask: { keys: ["delete"], shown: "Delete", does: "remove the mask of this frame" },
  lock: { keys: ["l"], shown: "L", does: "lock or unlock the frame" },
  forward: { keys: ["f"], shown: "F", does: "carry the mask on" },
  backward: { keys: ["shift+f"], shown: "Shift F", does: "carry the mask back" },
  cancel: { keys: ["escape"], shown: "Esc", does: "cancel what runs" },
  new_interval: { keys: ["w"], shown: "W", does: "it sounds from here" },
  split: { keys: ["x"], shown: "X", does: "split the interval here" },
  remove_interval: { keys: ["shift+delete"], shown: "Shift Delete", does: "remove the interval" },
  write: { keys: ["enter"], shown: "Enter", does: "write the sentence" },
  start_earlier: { keys: ["u", "shift+u"], shown: "U", does: "begin 20 ms earlier (Shift: a frame)" },
  start_later: { keys: ["i", "shift+i"], shown: "I", does: "begin later" },
  end_earlier: { keys: ["o", "shift+o"], shown: "O", does: "end earlier" },
  end_later: { keys: ["p", "shift+p"], shown: "P", does: "end later" },
  snap_start: { keys: ["j"], shown: "J", does: "begin at the nearest onset" },
  snap_end: { keys: ["shift+j"], shown: "Shift J", does: "end at the nearest onset" },
  accept: { keys: ["a"], shown: "A", does: "accept the clip" },
  reject: { keys: ["r"], shown: "R", does: "reject the clip" },
  next_doubt: { keys: ["n"], shown: "N", does: "next doubt" },
  last_doubt: { keys: ["shift+n"], shown: "Shift N", does: "doubt before" },
  undo: { keys: ["ctrl+z"], shown: "Ctrl Z", does: "undo" },
  redo: { keys: ["ctrl+y", "ctrl+shift+z"], shown: "Ctrl Y", does: "redo" },
  help: { keys: ["?", "shift+?"], shown: "?", does: "these keys" },
};

const BY_KEY = new Map(Object.entries(KEYS).flatMap(([name, { keys }]) => keys.map((key) => [key, name as Command] as const)));

/** Return what a key stands for. */
export function commandOf(event: KeyboardEvent): Command | undefined {
  if (event.altKey) return undefined;
  const ctrl = event.ctrlKey || event.metaKey ? "ctrl+" : "";
  const shift = event.shiftKey ? "shift+" : "";
  return BY_KEY.get(ctrl + shift + event.key.toLowerCase());
}

/** A button's title with its key. */
export function keyOf(command: Command): string {
  return KEYS[command].shown;
}

/** All keys, to be read. */
export function helpDialog(): HTMLDialogElement {
  const rows = Object.values(KEYS).map(({ shown, does }) => h("li", {}, [h("kbd", {}, shown), does]));
  const numbers = h("li", {}, [h("kbd", {}, "1 … 9"), "choose a track"]);
  const close = h("button", { type: "submit", class: "button small" }, "Close");
  return h("dialog", { class: "help", "aria-labelledby": "help-title" }, [
    h("form", { method: "dialog" }, [h("h2", { id: "help-title" }, "Keys"), h("ul", { class: "key-list" }, [...rows, numbers]), close]),
  ]);
}
