// Calls of the worker, as promises.

import type { Calls, Event, Name, Reply, Request } from "./protocol.ts";

export class Client {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  private next = 1;

  constructor(onEvent: (event: Event) => void) {
    this.worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<Event | Reply>) => {
      if ("event" in data) {
        onEvent(data);
        return;
      }
      const waiting = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("error" in data) waiting?.reject(new Error(data.error));
      else waiting?.resolve(data.answer as never);
    };
    this.worker.onerror = (error) => {
      const message = `The worker has ended: ${error.message || "it could not be loaded"}. Reload the page.`;
      for (const { reject } of this.waiting.values()) reject(new Error(message));
      this.waiting.clear();
      onEvent({ event: "failed", message });
    };
  }

  call<N extends Name>(name: N, ...args: Calls[N]["args"]): Promise<Calls[N]["answer"]> {
    const id = this.next++;
    const request: Request = { id, name, args };
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage(request);
    });
  }
}
