// The picture as a place to work on: click, box, stroke, brush and eraser, with pointer and keyboard.

import { h, setAttribute, style } from "../view/dom.ts";
import { paintLine, type Pixels, type Point } from "./pixels.ts";

export type Tool = "look" | "click" | "box" | "stroke" | "brush" | "eraser";

export interface SurfaceEvents {
  /** A pointer is pressed down, which leaves the keys where they were: arrows move a cross for who comes by Tab. */
  onPress(): void;
  onPick(at: Point): void;
  onClick(at: Point, inside: boolean): void;
  onBox(box: readonly [number, number, number, number]): void;
  onStroke(points: readonly (readonly [number, number])[]): void;
  /** Return the mask to paint on; null if nothing may be painted. */
  onPaintBegin(): Pixels | null;
  onPainted(pixels: Pixels): void;
}

const STEP = 1 / 100;
const LONG_STEP = 1 / 20;
/** Points of a stroke that are sent at most; the service takes 1000. */
const MOST_POINTS = 500;

export class Surface {
  readonly element = h("canvas", { class: "surface", tabindex: 0, role: "application" });
  tool: Tool = "look";
  /** Radius of the brush as a share of the picture's width. */
  radius = 0.025;
  private pixels: Pixels | null = null;
  private from: Point | null = null;
  private last: Point | null = null;
  private stroke: [number, number][] = [];
  private cursor: Point | null = null;

  constructor(
    private readonly width: number,
    private readonly height: number,
    private readonly events: SurfaceEvents,
  ) {
    this.element.width = width;
    this.element.height = height;
    this.use("look");
    this.element.addEventListener("pointerdown", (event) => this.onDown(event));
    this.element.addEventListener("pointermove", (event) => this.onMove(event));
    this.element.addEventListener("pointerup", (event) => this.onUp(event));
    this.element.addEventListener("pointercancel", () => this.cancel());
    this.element.addEventListener("pointerleave", () => this.show(null));
    this.element.addEventListener("mousedown", (event) => event.preventDefault());
    this.element.addEventListener("contextmenu", (event) => event.preventDefault());
    this.element.addEventListener("keydown", (event) => this.onKey(event));
    this.element.addEventListener("blur", () => this.show(null));
  }

  use(tool: Tool): void {
    this.cancel();
    this.tool = tool;
    this.element.dataset["tool"] = tool;
    setAttribute(this.element, "aria-label", `Picture, tool: ${tool}. Arrows move the cross, Enter uses the tool, with Alt outside.`);
  }

  resize(by: number): void {
    this.radius = Math.min(0.2, Math.max(0.004, this.radius * by));
    this.draw();
  }

  cancel(): void {
    [this.pixels, this.from, this.last, this.stroke] = [null, null, null, []];
    this.draw();
  }

  private at(event: PointerEvent): Point {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    const within = (share: number, size: number) => Math.min(size - 1e-3, Math.max(0, share * size));
    return { x: within((event.clientX - left) / width, this.width), y: within((event.clientY - top) / height, this.height) };
  }

  private onDown(event: PointerEvent): void {
    this.element.setPointerCapture(event.pointerId);
    this.events.onPress();
    this.begin(this.at(event), event.button === 2 || event.altKey);
  }

  private onMove(event: PointerEvent): void {
    this.move(this.at(event));
  }

  private onUp(event: PointerEvent): void {
    this.end(this.at(event));
  }

  private begin(at: Point, outside: boolean): void {
    if (this.tool === "look") this.events.onPick(at);
    else if (this.tool === "click") this.events.onClick(at, !outside);
    else if (this.painting) {
      this.pixels = this.events.onPaintBegin();
      this.paint(at, at);
    } else [this.from, this.stroke] = [at, [[at.x, at.y]]];
    this.last = at;
  }

  private move(at: Point): void {
    this.cursor = at;
    if (this.pixels && this.last) this.paint(this.last, at);
    else if (this.from && this.tool === "stroke") this.stroke.push([at.x, at.y]);
    this.last = at;
    this.draw();
  }

  private end(at: Point): void {
    const { pixels, from, stroke, tool } = this;
    this.cancel();
    if (pixels) this.events.onPainted(pixels);
    if (!from) return;
    const [width, height] = [Math.abs(at.x - from.x), Math.abs(at.y - from.y)];
    if (tool === "box" && width > 2 && height > 2) this.events.onBox([Math.min(at.x, from.x), Math.min(at.y, from.y), width, height]);
    if (tool === "stroke" && stroke.length) this.events.onStroke(thinned(stroke));
  }

  private get painting(): boolean {
    return this.tool === "brush" || this.tool === "eraser";
  }

  private paint(from: Point, to: Point): void {
    if (this.pixels) paintLine(this.pixels, from, to, this.radius * this.width, this.tool === "brush" ? 1 : 0);
  }

  /** The cross goes by arrows; Enter is a press, or the two ends of a box or a stroke. */
  private onKey(event: KeyboardEvent): void {
    const { x, y } = this.cursor ?? { x: this.width / 2, y: this.height / 2 };
    const step = this.width * (event.shiftKey ? LONG_STEP : STEP);
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (dx || dy) {
      const within = (value: number, size: number) => Math.min(size - 1, Math.max(0, value));
      this.move({ x: within(x + (dx as number) * step, this.width), y: within(y + (dy as number) * step, this.height) });
    } else if (event.key === "Enter") {
      const dragged = this.tool === "box" || this.tool === "stroke";
      if (dragged && this.from) this.end({ x, y });
      else {
        this.begin({ x, y }, event.altKey);
        if (!dragged) this.end({ x, y });
      }
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private show(cursor: Point | null): void {
    this.cursor = cursor;
    this.draw();
  }

  private draw(): void {
    const context = this.element.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, this.width, this.height);
    const line = Math.max(1.5, this.width / 400);
    context.lineWidth = line;
    context.strokeStyle = "#fff";
    if (this.pixels) this.drawPixels(context, this.pixels);
    const { cursor, from } = this;
    context.setLineDash([line * 3, line * 2]);
    if (from && cursor && this.tool === "box") context.strokeRect(from.x, from.y, cursor.x - from.x, cursor.y - from.y);
    if (this.stroke.length > 1) {
      context.beginPath();
      for (const [x, y] of this.stroke) context.lineTo(x, y);
      context.stroke();
    }
    context.setLineDash([]);
    if (!cursor || this.tool === "look") return;
    const radius = this.painting ? this.radius * this.width : line * 4;
    for (const [colour, wide] of [["#000", line * 2], ["#fff", line]] as const) {
      [context.strokeStyle, context.lineWidth] = [colour, wide];
      context.beginPath();
      context.arc(cursor.x, cursor.y, radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  private drawPixels(context: CanvasRenderingContext2D, { data, width, height }: Pixels): void {
    const picture = context.createImageData(width, height);
    const drawn = new Uint32Array(picture.data.buffer);
    data.forEach((inside, i) => (drawn[i] = inside ? 0x80ffffff : 0));
    context.putImageData(picture, 0, 0);
  }
}

function thinned<Point>(points: readonly Point[]): Point[] {
  const every = Math.ceil(points.length / MOST_POINTS);
  return points.filter((_, i) => i % every === 0);
}

/** The picture of one annotation frame, laid over the film while it stands. */
export class Still {
  readonly element = h("img", { class: "still", alt: "", hidden: true });
  private address = "";
  private wanted = -1;

  constructor(private readonly fetch: (frame: number) => Promise<Blob>) {}

  async show(frame: number): Promise<void> {
    if (frame === this.wanted) return;
    this.wanted = frame;
    const picture = await this.fetch(frame).catch(() => null);
    if (this.wanted !== frame || !picture) return;
    URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(picture);
    this.element.src = this.address;
    this.element.hidden = false;
    style(this.element, { "--frame": frame });
  }

  hide(): void {
    this.wanted = -1;
    this.element.hidden = true;
  }
}
