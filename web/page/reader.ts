// Reads what is on the drawing area: a drawing or a test sample.

import type { Client } from "./client.ts";
import { element } from "./dom.ts";
import { clearOverlay, drawOverlay } from "./overlay.ts";
import { Pad } from "./pad.ts";
import type { Guess } from "./protocol.ts";
import { showGuess, showProbabilities } from "./views.ts";

type Click = (id: string, work: () => Promise<unknown>) => void;

export class Reader {
  private readonly pad: Pad;
  private readonly overlay = element<HTMLCanvasElement>("overlay");
  private reading = false;
  private again = false;
  /** The test sample on the drawing area, if there is one. */
  private sample: Uint8Array | null = null;
  /** Number of the next test sample. */
  private next = 0;

  constructor(
    private readonly client: Client,
    click: Click,
    private readonly ready: () => boolean,
    private readonly problem: (message: string) => void,
  ) {
    this.pad = new Pad(element("pad"), () => void this.read());
    this.clear();
    click("clear", async () => this.clear());
    click("sample", () => this.showSample());
    for (const id of ["overlay-on", "overlay-class"]) element(id).addEventListener("change", () => void this.read());
  }

  private get empty(): boolean {
    return this.pad.empty && !this.sample;
  }

  /** The net has changed. */
  readAgain() {
    if (!this.empty) void this.read();
  }

  private async showSample() {
    const { pixels, width } = await this.client.call("sample", this.next++);
    this.clear();
    this.pad.show(pixels, width);
    this.sample = pixels;
    await this.read();
  }

  /** While one reading is under way, only the last of the next ones counts. */
  private async read() {
    // Strokes over a sample make a drawing of both.
    if (!this.pad.empty) this.sample = null;
    if (!this.ready()) return;
    if (this.reading || this.empty) {
      this.again = this.reading;
      return;
    }
    this.reading = true;
    try {
      const found = await this.ask();
      // It may have been cleared in the meantime.
      if (!this.empty) this.show(found);
    } catch (error) {
      // A success must not hide a problem of something else, so only this is shown.
      this.problem(error instanceof Error ? error.message : String(error));
    }
    this.reading = false;
    if (this.again) {
      this.again = false;
      void this.read();
    }
  }

  private ask(): Promise<Guess> {
    const value = element<HTMLSelectElement>("overlay-class").value;
    const of = value === "" ? null : Number(value);
    return this.sample ? this.client.call("guessPixels", this.sample, of) : this.client.call("guess", this.pad.picture(), of);
  }

  private show(found: Guess) {
    showGuess(found);
    if (element<HTMLInputElement>("overlay-on").checked) drawOverlay(this.overlay, found);
    else clearOverlay(this.overlay);
  }

  private clear() {
    this.pad.clear();
    this.sample = null;
    clearOverlay(this.overlay);
    showProbabilities(element("guess"), new Array(10).fill(0));
    element("steps").replaceChildren();
    element("answer").textContent = "";
  }
}
