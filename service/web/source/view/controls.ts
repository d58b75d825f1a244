// The buttons below a film, and the keys that do the same.

import { h, icon, fill, setAttribute, type Icon } from "./dom.ts";
import type { Player } from "./player.ts";
import { clock } from "./words.ts";

const RATES = [0.25, 0.5, 1, 1.5, 2];

/** A button with a picture and a name. */
export function iconButton(name: Icon, label: string, onClick: () => void): HTMLButtonElement {
  const attributes = { type: "button", class: "icon-button", "aria-label": label, title: label };
  return h("button", attributes, icon(name), { click: onClick });
}

export class Controls {
  readonly element: HTMLElement;
  private readonly play: HTMLButtonElement;
  private readonly mute: HTMLButtonElement;
  private readonly time = h("output", { class: "clock", "aria-label": "Time" });
  private duration = 0;

  constructor(
    private readonly player: Player,
    private readonly onOpacity: (opacity: number) => void,
    opacity: number,
  ) {
    this.play = iconButton("play", "Play (space)", () => player.toggle());
    this.play.classList.add("play");
    this.mute = iconButton("sound", "Mute (M)", () => this.toggleSound());
    const back = iconButton("back", "One picture back (,)", () => player.step(-1));
    const forward = iconButton("forward", "One picture on (.)", () => player.step(1));
    const rest = h("span", { class: "spread" });
    this.element = h("div", { class: "controls", role: "group", "aria-label": "Playback" }, [
      back, this.play, forward, this.time, rest, this.mute, this.rates(), this.opacity(opacity),
    ]);
  }

  show(time: number, duration: number): void {
    this.duration = duration;
    this.time.textContent = `${clock(time)} / ${clock(duration)}`;
  }

  showPlaying(playing: boolean): void {
    const label = playing ? "Pause (space)" : "Play (space)";
    setAttribute(this.play, "aria-label", label);
    setAttribute(this.play, "title", label);
    fill(this.play, icon(playing ? "pause" : "play"));
  }

  showPlayable(playable: boolean): void {
    for (const control of this.element.querySelectorAll<HTMLButtonElement>("button, select")) {
      control.disabled = !playable;
    }
  }

  /** Do what a key stands for; return whether it stands for anything. */
  onKey(event: KeyboardEvent): boolean {
    const action = this.keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return false;
    action();
    return true;
  }

  private readonly keys: Readonly<Record<string, () => void>> = {
    " ": () => this.player.toggle(),
    k: () => this.player.toggle(),
    m: () => this.toggleSound(),
    ",": () => this.player.step(-1),
    ".": () => this.player.step(1),
    ArrowLeft: () => this.player.seek(this.player.time - 1),
    ArrowRight: () => this.player.seek(this.player.time + 1),
    PageDown: () => this.player.seek(this.player.time - 10),
    PageUp: () => this.player.seek(this.player.time + 10),
    Home: () => this.player.seek(0),
    End: () => this.player.seek(this.duration),
  };

  private toggleSound(): void {
    const { video } = this.player;
    video.muted = !video.muted;
    setAttribute(this.mute, "aria-label", video.muted ? "Sound on (M)" : "Mute (M)");
    fill(this.mute, icon(video.muted ? "mute" : "sound"));
  }

  private rates(): HTMLElement {
    const options = RATES.map((rate) =>
      h("option", { value: rate, selected: rate === 1 }, `${rate}×`),
    );
    const choice = h("select", { "aria-label": "Speed", title: "Speed" }, options, {
      change: () => (this.player.video.playbackRate = Number(choice.value)),
    });
    return choice;
  }

  private opacity(value: number): HTMLElement {
    const range = h(
      "input",
      { type: "range", min: 0, max: 100, value: value * 100, step: 5 },
      [],
      { input: () => this.onOpacity(Number(range.value) / 100) },
    );
    return h("label", { class: "opacity" }, [h("span", {}, "Masks"), range]);
  }
}
