// Records a film from camera and microphone.

import { fill, h, icon, type Icon } from "../view/dom.ts";
import { clock } from "../view/words.ts";

const KINDS = ["video/mp4;codecs=avc1.42E01E,mp4a.40.2", "video/webm;codecs=vp8,opus", "video/webm", "video/mp4"];
const LONGEST = 60;

export class Recorder {
  readonly element: HTMLDialogElement;
  private readonly video = h("video", { playsinline: true, muted: true, autoplay: true, "aria-label": "Camera" });
  private readonly told = h("p", { role: "status" });
  private readonly button = h("button", { type: "button", class: "button primary" }, [], { click: () => this.press() });
  private stream: MediaStream | null = null;
  private recorder: MediaRecorder | null = null;
  private pieces: Blob[] = [];
  private ticking = 0;

  constructor(private readonly onFilm: (film: File) => void) {
    const cancel = h("button", { type: "button", class: "button" }, "Cancel", { click: () => this.element.close() });
    this.element = h("dialog", { class: "recorder", "aria-label": "Record a film" }, [
      this.video, this.told, h("div", { class: "ways" }, [this.button, cancel]),
    ]);
    this.element.addEventListener("close", () => this.close());
  }

  /** Ask for camera and microphone, and show what they see. */
  async open(): Promise<void> {
    this.element.showModal();
    this.button.disabled = true;
    this.showButton("record", "Record");
    this.told.textContent = "Waiting for the camera …";
    try {
      const wanted = { video: { width: { ideal: 1280 } }, audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } };
      this.stream = await navigator.mediaDevices.getUserMedia(wanted);
    } catch (error) {
      this.told.textContent = reason(error);
      return;
    }
    if (!this.element.open) return this.close();
    this.video.srcObject = this.stream;
    this.video.muted = true;
    this.told.textContent = `Up to ${LONGEST} seconds. It stays here until you send it.`;
    this.button.disabled = false;
  }

  private press(): void {
    if (this.recorder) this.recorder.stop();
    else this.start();
  }

  private start(): void {
    if (!this.stream) return;
    const kind = KINDS.find((one) => MediaRecorder.isTypeSupported(one));
    this.pieces = [];
    this.recorder = new MediaRecorder(this.stream, kind ? { mimeType: kind } : {});
    this.recorder.ondataavailable = ({ data }) => this.pieces.push(data);
    this.recorder.onstop = () => this.finish();
    this.recorder.start();
    this.showButton("stop", "Stop");
    const began = performance.now();
    this.ticking = setInterval(() => this.tick((performance.now() - began) / 1000), 100);
  }

  private tick(seconds: number): void {
    this.told.textContent = `Recording: ${clock(seconds)}`;
    if (seconds >= LONGEST) this.recorder?.stop();
  }

  private finish(): void {
    const wanted = this.element.open;
    const type = (this.recorder?.mimeType ?? "video/webm").split(";")[0] as string;
    const name = `recording.${type.endsWith("mp4") ? "mp4" : "webm"}`;
    this.recorder = null;
    this.element.close();
    if (wanted && this.pieces.length) this.onFilm(new File(this.pieces, name, { type }));
  }

  private close(): void {
    clearInterval(this.ticking);
    if (this.recorder) {
      this.recorder.onstop = null;
      this.recorder.stop();
      this.recorder = null;
    }
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  private showButton(picture: Icon, text: string): void {
    fill(this.button, icon(picture), text);
  }
}

function reason(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "The browser does not let this page use camera and microphone. Allow it, and try again.";
  if (name === "NotFoundError") return "There is no camera, or no microphone.";
  return "Camera and microphone are not to be had: browsers give them only to pages by https, or of this machine.";
}
