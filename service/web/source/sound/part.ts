// Plays a part of a film's sound, without its picture.

export class PartPlayer {
  private readonly audio = new Audio();
  private end = 0;
  private watching = 0;

  constructor(address: string) {
    this.audio.src = address;
    this.audio.preload = "auto";
  }

  /** Play from one second to another, instead of what is played now. */
  async play(start: number, end: number): Promise<void> {
    this.stop();
    this.end = end;
    this.audio.currentTime = start;
    try {
      await this.audio.play();
    } catch {
      return; // the browser wants a click first, or another part was asked for
    }
    this.watching = requestAnimationFrame(this.watch);
  }

  stop(): void {
    cancelAnimationFrame(this.watching);
    this.audio.pause();
  }

  close(): void {
    this.stop();
    this.audio.removeAttribute("src");
    this.audio.load();
  }

  get playing(): boolean {
    return !this.audio.paused;
  }

  get time(): number {
    return this.audio.currentTime;
  }

  private readonly watch = (): void => {
    if (this.audio.currentTime >= this.end) this.audio.pause();
    else this.watching = requestAnimationFrame(this.watch);
  };
}
