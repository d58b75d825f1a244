// A film with what is drawn over it, in step with the picture that is shown, and captions below.

import type { Frame } from "../answer/answer.ts";
import { css } from "./colours.ts";
import { fill, h, icon, setAttribute, style } from "./dom.ts";
import { drawMasks, type Look } from "./overlay.ts";
import { plain, sentence } from "./words.ts";

/** Gives what is to be drawn at a time: an answer, or what somebody draws. */
export interface Frames {
  frameAt(time: number): Frame | null;
}

/** A part of the film that is played over and over. */
export interface Loop {
  readonly start: number;
  readonly end: number;
}

export interface PlayerEvents {
  /** Another picture is shown, or another time. */
  onTime(time: number): void;
  onPlaying(playing: boolean): void;
  onReady(): void;
}

const WITHOUT_FRAMES = 1 / 25;
const SETTLE_MS = 200;

/** Labels that are nearer than this, as shares of the picture, would lie on each other: they are stacked. */
const [LABEL_WIDTH, LABEL_HEIGHT] = [0.16, 0.06];

export class Player {
  readonly element: HTMLElement;
  readonly masks = h("canvas", { class: "masks", role: "img", "aria-label": "Masks over the film" });
  readonly video: HTMLVideoElement;
  loop: Loop | null = null;
  /** Seconds from a picture to the next. */
  frameSeconds = WITHOUT_FRAMES;
  private readonly labels = h("div", { class: "labels", "aria-hidden": "true" });
  private readonly captions = h("ul", { class: "captions", "aria-label": "What sounds now" });
  private readonly picture: HTMLElement;
  private readonly note = h("p", { class: "no-picture", hidden: true });
  private shown = 0;
  private told = "";

  /** Without a film, times can be looked at but not played. */
  constructor(
    private readonly film: string | null,
    private readonly frames: Frames,
    private readonly look: Look,
    private readonly events: PlayerEvents,
  ) {
    this.video = h("video", { playsinline: true, preload: "auto", "aria-label": "The film" });
    this.picture = h("div", { class: "picture" }, [this.video, this.masks, this.labels, this.note]);
    const keys = "Film. Space plays, arrows go a second, comma and point a picture, numbers hide tracks.";
    this.element = h("div", { class: "player", role: "group", tabindex: 0, "aria-label": keys }, [this.picture, this.captions]);
    if (film) this.open(film);
    else this.sayNoPicture("The film is not at hand: only the masks are shown.");
  }

  /** The time of the picture that is shown. */
  get time(): number {
    return this.shown;
  }

  get duration(): number {
    return Number.isFinite(this.video.duration) ? this.video.duration : 0;
  }

  get playing(): boolean {
    return !this.video.paused;
  }

  /** Whether the browser shows the film; if not, masks are shown alone. */
  get playable(): boolean {
    return this.film !== null && !this.video.error;
  }

  toggle(): void {
    if (!this.playable) return;
    if (this.playing) this.video.pause();
    else void this.video.play().catch(() => undefined);
  }

  pause(): void {
    this.video.pause();
  }

  seek(time: number): void {
    const within = Math.max(0, this.duration ? Math.min(time, this.duration - 1e-3) : time);
    if (this.playable) this.video.currentTime = within;
    else this.show(within);
  }

  /** Go so many pictures on, or back. */
  step(frames: number): void {
    this.pause();
    // To the middle of the picture's time, so that rounding does not show its neighbour.
    const index = Math.round(this.time / this.frameSeconds - 0.25) + frames;
    this.seek((index + 0.5) * this.frameSeconds);
  }

  /** Draw again: the answer has grown, or looks otherwise. */
  refresh(): void {
    this.show(this.shown);
  }

  /** Give the place the shape of the film, before or without its pictures. */
  shape(width: number, height: number): void {
    style(this.picture, { "--ratio": `${width / height}` });
  }

  close(): void {
    this.video.removeAttribute("src");
    this.video.load();
  }

  private open(film: string): void {
    const { video } = this;
    video.src = film;
    video.addEventListener("loadedmetadata", () => this.onMetadata());
    video.addEventListener("error", () => {
      this.sayNoPicture("This browser cannot show the film. Its masks are shown alone.");
      this.events.onReady();
    });
    for (const name of ["play", "pause", "ended"] as const) {
      video.addEventListener(name, () => this.onPlaying());
    }
    if ("requestVideoFrameCallback" in video) this.watchPictures();
    else this.watchTime();
    video.addEventListener("click", () => this.toggle());
  }

  private onMetadata(): void {
    const { video } = this;
    if (video.videoWidth) this.shape(video.videoWidth, video.videoHeight);
    if (Number.isFinite(video.duration)) {
      this.events.onReady();
      return;
    }
    // A recording does not say how long it is, until its end has been looked for.
    const settle = () => {
      if (!Number.isFinite(video.duration)) return;
      video.removeEventListener("durationchange", settle);
      video.currentTime = 0;
      this.events.onReady();
    };
    video.addEventListener("durationchange", settle);
    video.currentTime = Number.MAX_SAFE_INTEGER;
  }

  private watchPictures(): void {
    const onPicture = (_: number, { mediaTime }: VideoFrameCallbackMetadata) => {
      this.show(mediaTime);
      this.video.requestVideoFrameCallback(onPicture);
    };
    this.video.requestVideoFrameCallback(onPicture);
    // A picture that was passed over in haste may be the last that is told of.
    this.video.addEventListener("seeked", () => setTimeout(() => this.catchUp(), SETTLE_MS));
    // After the last picture, time goes on with the sound.
    this.video.addEventListener("timeupdate", () => this.turnBack());
  }

  private catchUp(): void {
    const { currentTime, paused, seeking } = this.video;
    const off = Math.abs(currentTime - this.shown);
    if (paused && !seeking && off > 1.5 * this.frameSeconds) this.show(currentTime);
  }

  private watchTime(): void {
    const onTime = () => this.show(this.video.currentTime);
    for (const name of ["timeupdate", "seeked", "loadeddata"] as const) {
      this.video.addEventListener(name, onTime);
    }
  }

  private show(time: number): void {
    this.shown = time;
    const frame = this.frames.frameAt(time);
    drawMasks(this.masks, frame, this.look);
    this.masks.dataset["time"] = String(time);
    this.label(frame);
    this.tell(frame);
    this.turnBack();
    this.events.onTime(time);
  }

  /** Begin the loop again at its end. */
  private turnBack(): void {
    if (!this.loop || !this.playing) return;
    const time = Math.max(this.video.currentTime, this.shown);
    if (time >= this.loop.end - this.frameSeconds / 2) this.video.currentTime = this.loop.start;
  }

  private onPlaying(): void {
    if (this.loop && this.video.ended) {
      this.video.currentTime = this.loop.start;
      void this.video.play();
    }
    // A screen reader says what is paused at, not each sentence of a film that plays.
    setAttribute(this.captions, "aria-live", this.playing ? "off" : "polite");
    this.events.onPlaying(this.playing);
  }

  private label(frame: Frame | null): void {
    const marks = (frame?.regions ?? []).filter(({ track }) => this.look.isShown(track));
    while (this.labels.childElementCount < marks.length) this.labels.append(h("span", { class: "label" }));
    while (this.labels.childElementCount > marks.length) this.labels.lastElementChild?.remove();
    const places = marks.map(({ mask, bbox: [x, y, width] }) => {
      const [rows, columns] = mask?.size ?? [1, 1];
      return { x: (x + width / 2) / columns, y: y / rows };
    });
    marks.forEach((region, i) => {
      const label = this.labels.children[i] as HTMLElement;
      const { x, y } = places[i] as (typeof places)[number];
      const text = this.look.labelOf(region);
      if (label.textContent !== text) label.textContent = text;
      const below = places.slice(0, i).filter((other) => Math.abs(other.x - x) < LABEL_WIDTH && Math.abs(other.y - y) < LABEL_HEIGHT);
      style(label, { "--x": x, "--y": y, "--row": below.length, "--colour": css(this.look.colourOf(region.track)) });
    });
  }

  private tell(frame: Frame | null): void {
    const regions = (frame?.regions ?? []).filter(({ track }) => this.look.isShown(track));
    const unseen = (frame?.heard ?? []).filter(({ region }) => region === null);
    const told = [
      ...regions.map((one) => [css(this.look.colourOf(one.track)), one.description ?? plain(one.category)]),
      ...unseen.map((one) => ["", one.description ?? `${plain(one.category)}, out of sight`]),
    ];
    const now = JSON.stringify(told);
    if (now === this.told) return;
    this.told = now;
    fill(
      this.captions,
      ...told.map(([colour, text]) => {
        const mark = colour ? h("span", { class: "swatch" }) : icon("ear");
        if (colour) style(mark as HTMLElement, { "--colour": colour });
        return h("li", {}, [mark, sentence(text as string)]);
      }),
    );
  }

  private sayNoPicture(text: string): void {
    this.note.textContent = text;
    this.note.hidden = false;
    this.element.classList.add("without-picture");
  }
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
