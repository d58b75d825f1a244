// Edits that the service does not have yet, kept by the browser: they outlive the tab and the service.

import type { Edit } from "./layer.ts";

/** Edits as they were sent, under an id that makes sending them again safe. */
export interface Batch {
  readonly id: string;
  readonly base_revision: number;
  readonly edits: readonly Edit[];
}

/** What one tab has not saved of one layer. */
export interface Draft {
  /** Sent, and maybe saved: no answer came. */
  readonly sent: Batch | null;
  readonly waiting: readonly Edit[];
  /** What the service held of each subject before the first of these edits. */
  readonly before: Readonly<Record<string, string>>;
}

export const EMPTY: Draft = { sent: null, waiting: [], before: {} };

const DATABASE = "ssu-studio";
const STORE = "drafts";

/** Return an id that nobody else has. */
export function freshId(): string {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The drafts of one layer: one of this tab, and those that tabs which are gone have left. */
export class Drafts {
  private readonly own: string;
  private writing: Promise<void> = Promise.resolve();
  private release = (): void => {};

  /** `layer` names a layer of a service and its annotator. */
  constructor(private readonly layer: string) {
    this.own = `${layer}|${freshId()}`;
    void this.hold();
  }

  /** Return what tabs that are gone have left, and take it over; it is kept until `forget`. */
  async left(): Promise<Map<string, Draft>> {
    const found = new Map<string, Draft>();
    for (const [key, draft] of await this.all()) {
      if (key !== this.own && key.startsWith(`${this.layer}|`) && (await this.isLeft(key))) found.set(key, draft);
    }
    return found;
  }

  /** Keep the draft of this tab; of several calls, the last counts. */
  keep(draft: Draft): Promise<void> {
    const nothing = !draft.sent && !draft.waiting.length;
    return (this.writing = this.writing
      .then(() => this.change((store) => (nothing ? store.delete(this.own) : store.put(draft, this.own))))
      .catch(() => undefined));
  }

  async forget(key: string): Promise<void> {
    await this.change((store) => store.delete(key));
  }

  close(): void {
    this.release();
  }

  /** A lock that ends with the tab tells others that its draft is looked after. */
  private async hold(): Promise<void> {
    await navigator.locks?.request(this.own, () => new Promise<void>((resolve) => (this.release = resolve)));
  }

  private async isLeft(key: string): Promise<boolean> {
    if (!navigator.locks) return true;
    return navigator.locks.request(key, { ifAvailable: true }, (lock) => lock !== null);
  }

  private async all(): Promise<[string, Draft][]> {
    const database = await open();
    const store = database.transaction(STORE).objectStore(STORE);
    const [keys, values] = await Promise.all([done(store.getAllKeys()), done(store.getAll() as IDBRequest<Draft[]>)]);
    database.close();
    return keys.map((key, i) => [String(key), values[i] as Draft]);
  }

  private async change(how: (store: IDBObjectStore) => IDBRequest): Promise<void> {
    const database = await open();
    await done(how(database.transaction(STORE, "readwrite").objectStore(STORE)));
    database.close();
  }
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return done(request);
}

function done<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the browser keeps nothing"));
  });
}
