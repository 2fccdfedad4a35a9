// The connection to the page: only a document of the app in the shell's own frame is accepted.

import type { PageFrame } from './frame';
import { PROTOCOL, type Dialog, type Hello, type Theme, type Welcome } from './messages';
import { Page } from './page';

/** How long a loaded document may take until its hello. */
const PATIENCE = 5_000;
/** How long a document may take to load, if its hello does not come first. */
const LOADING_PATIENCE = 30_000;

interface Handlers {
  perform(name: string, argument: unknown, page: Page): unknown;
  theme(): Theme;
  dialog: Dialog;
  /** A document has connected. */
  greeted(): void;
  /** A document did not connect, for example because its token has expired, or did not load at all. */
  silent(): void;
  failed(error: Error): void;
}

export class Handshake {
  page: Page | null = null;
  private frame: PageFrame | null = null;
  /** Runs from the `load` of a document to its hello. */
  private timer: number | undefined;
  /** Runs from the opening of the frame to the first hello or `load`. */
  private loadingTimer: number | undefined;
  /** Whether the hello of the loading document has come. It may come before or after its `load`. */
  private isGreeted = false;

  constructor(private readonly handlers: Handlers) {
    window.addEventListener('message', (event) => this.hear(event));
  }

  watch(frame: PageFrame): void {
    this.leave();
    this.frame = frame;
    this.isGreeted = false;
    this.loadingTimer = setTimeout(() => this.handlers.silent(), LOADING_PATIENCE);
    frame.element.addEventListener('load', () => {
      if (frame === this.frame) this.loaded();
    });
  }

  /** Closes the connection to the document in the frame. */
  leave(): void {
    this.stopWaiting();
    this.page?.end();
    this.page = null;
    this.frame = null;
  }

  private stopWaiting(): void {
    clearTimeout(this.timer);
    clearTimeout(this.loadingTimer);
    this.timer = undefined;
  }

  private loaded(): void {
    this.stopWaiting();
    if (this.isGreeted) {
      this.isGreeted = false;
      return;
    }
    // the document that had the port is gone
    this.page?.end();
    this.page = null;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.handlers.silent();
    }, PATIENCE);
  }

  private hear({ source, origin, data }: MessageEvent<unknown>): void {
    const { frame } = this;
    if (!frame?.window || source !== frame.window || origin !== frame.origin || !isHello(data)) return;
    if (data.protocol !== PROTOCOL) {
      const versions = `the app's page speaks version ${data.protocol} of its protocol, Forge has version ${PROTOCOL}`;
      this.handlers.failed(new Error(`The app must be deployed to Forge again: ${versions}.`));
      return;
    }
    // A hello after `load` ends the wait for this document; an earlier one is remembered until `load`.
    if (this.timer === undefined) this.isGreeted = true;
    this.stopWaiting();
    // A second hello comes from the next document, or from the same one, which then uses the new port.
    this.page?.end();
    const { port1, port2 } = new MessageChannel();
    this.page = new Page(port1, this.handlers.perform);
    const welcome: Welcome = {
      connect: 'welcome',
      protocol: PROTOCOL,
      theme: this.handlers.theme(),
      dialog: this.handlers.dialog,
    };
    frame.window.postMessage(welcome, frame.origin, [port2]);
    this.handlers.greeted();
  }
}

/** Other code posts messages too, such as the host's own measuring of the frame. */
function isHello(data: unknown): data is Hello {
  return typeof data === 'object' && data !== null && (data as Partial<Hello>).connect === 'hello';
}
