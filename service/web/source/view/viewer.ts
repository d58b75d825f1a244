// A film, its timeline and its sentences, which show one answer and one time.

import { Answer, type Region } from "../answer/answer.ts";
import { lanesOf, unseenOf } from "../answer/lanes.ts";
import { PartPlayer } from "../sound/part.ts";
import { soundOf } from "../sound/sound.ts";
import { css, TrackColours } from "./colours.ts";
import { Controls } from "./controls.ts";
import { h } from "./dom.ts";
import { percent, Player, type Loop } from "./player.ts";
import { Sentences } from "./sentences.ts";
import { Timeline } from "./timeline.ts";
import { plain } from "./words.ts";

const OPACITY = 0.4;

export class Viewer {
  readonly stage: HTMLElement;
  readonly timeline: Timeline;
  readonly sentences: Sentences;
  readonly player: Player;
  private readonly controls: Controls;
  private readonly colours: TrackColours;
  private readonly part: PartPlayer | null;
  private readonly hidden = new Set<number>();
  private readonly address: string | null;
  private answer = new Answer();
  private opacity = OPACITY;
  private waiting = 0;

  /** Without a film, only the answer is shown; `onReady` is called once the film is known. */
  constructor(
    private readonly film: Blob | null,
    private readonly onReady: () => void,
  ) {
    this.address = film && URL.createObjectURL(film);
    this.colours = new TrackColours(this.address, () => this.refresh());
    this.part = this.address ? new PartPlayer(this.address) : null;
    this.player = this.makePlayer();
    this.controls = new Controls(this.player, (opacity) => this.setOpacity(opacity), OPACITY);
    this.timeline = this.makeTimeline();
    this.sentences = new Sentences({
      onSeek: (time) => this.player.seek(time),
      onLoop: (part) => this.repeat(part),
    });
    this.controls.showPlayable(film !== null);
    this.stage = h("section", { class: "stage card", "aria-label": "Film" }, [this.player.element, this.controls.element]);
    if (!film) this.timeline.setSound(null);
  }

  /** Show an answer, which may still grow: `refresh` then. */
  show(answer: Answer): void {
    this.answer = answer;
    this.hidden.clear();
    this.refresh();
  }

  /** Draw all that depends on the answer, soon. */
  refresh(): void {
    cancelAnimationFrame(this.waiting);
    this.waiting = requestAnimationFrame(() => this.draw());
  }

  /** Seconds of the film, as far as they are known. */
  get seconds(): number {
    return this.player.duration || this.answer.tail?.clip.duration || this.answer.until;
  }

  onKey(event: KeyboardEvent): void {
    if (takesKeys(event)) return;
    const number = Number.parseInt(event.key, 10);
    if (number) this.toggle(this.tracks[number - 1]);
    const used = number || this.timeline.onKey(event) || this.controls.onKey(event);
    if (used) event.preventDefault();
  }

  close(): void {
    this.player.close();
    this.part?.close();
    this.colours.close();
    if (this.address) URL.revokeObjectURL(this.address);
  }

  private get tracks(): number[] {
    return lanesOf(this.answer).map(({ track }) => track);
  }

  private makePlayer(): Player {
    const viewer = this;
    const frames = { frameAt: (time: number) => viewer.answer.frameAt(time) };
    const look = {
      colourOf: (track: number) => viewer.colours.of(track),
      isShown: (track: number) => !viewer.hidden.has(track),
      labelOf: ({ category, score }: Region) => `${plain(category)} ${percent(score)}`,
      get opacity() {
        return viewer.opacity;
      },
    };
    return new Player(this.address, frames, look, {
      onTime: (time) => this.onTime(time),
      onPlaying: (playing) => this.onPlaying(playing),
      onReady: () => this.onFilm(),
    });
  }

  private makeTimeline(): Timeline {
    return new Timeline({
      onSeek: (time) => this.player.seek(time),
      onLoop: (loop) => this.onLoop(loop),
      onToggle: (track) => this.toggle(track),
      onHear: (part) => {
        this.player.pause();
        if (part) void this.part?.play(part.start, part.end);
        else this.part?.stop();
      },
    });
  }

  private draw(): void {
    const lanes = lanesOf(this.answer);
    const unseen = unseenOf(this.answer);
    const { clip } = this.answer.tail ?? {};
    if (clip?.fps) this.player.frameSeconds = 1 / clip.fps;
    if (this.answer.head && !this.player.playable) {
      const [height, width] = this.answer.head.mask_size;
      this.player.shape(width, height);
    }
    this.colours.learn(this.answer);
    this.timeline.setSeconds(this.seconds);
    this.timeline.setUntil(this.answer.tail ? this.seconds : this.answer.until);
    this.timeline.setLanes(lanes, unseen, (track) => {
      return { colour: css(this.colours.of(track)), shown: !this.hidden.has(track) };
    });
    if (this.answer.head) this.sentences.show(lanes, unseen, (track) => css(this.colours.of(track)));
    this.player.refresh();
  }

  private onFilm(): void {
    this.controls.showPlayable(this.player.playable);
    this.timeline.setSeconds(this.seconds);
    this.onTime(this.player.time);
    this.onReady();
    if (this.film) void soundOf(this.film, this.seconds).then((sound) => this.timeline.setSound(sound));
  }

  private onTime(time: number): void {
    this.controls.show(time, this.seconds);
    this.timeline.setTime(time);
    this.sentences.mark(time);
  }

  private onPlaying(playing: boolean): void {
    if (playing) this.part?.stop();
    this.controls.showPlaying(playing);
  }

  private onLoop(loop: Loop | null): void {
    this.player.loop = loop;
  }

  private repeat(part: Loop): void {
    this.timeline.setLoop(part);
    this.player.seek(part.start);
    if (!this.player.playing) this.player.toggle();
  }

  private toggle(track: number | undefined): void {
    if (track === undefined) return;
    if (!this.hidden.delete(track)) this.hidden.add(track);
    this.refresh();
  }

  private setOpacity(opacity: number): void {
    this.opacity = opacity;
    this.player.refresh();
  }
}

/** Whether the focused control uses this key itself. */
function takesKeys(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  if (target.matches("input:not([type=checkbox]), select, textarea")) return true;
  const presses = event.key === " " || event.key === "Enter";
  return presses && target.matches("button, summary, a, label, input");
}
