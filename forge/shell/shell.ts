// The shell: a static page on Forge's CDN that shows a page of the app's own server in a frame, and executes the calls
// of this page to the product. Of the app it only knows the origins of its servers.

import { Backend } from './backend';
import { Footer } from './footer';
import { PageFrame } from './frame';
import { Handshake } from './handshake';
import { Host } from './host';
import type { Page } from './page';
import { operations, perform } from './operations';
import { readRemotes } from './remotes';
import { currentTheme, followTheme } from './theme';
import { hideSkeleton, showFrame, showProblem, showSkeleton } from './view';

/** How often the shell may reopen a page by itself at most, in milliseconds. */
const REOPENING_INTERVAL = 60_000;

class Shell {
  private frame: PageFrame | null = null;
  private readonly handshake: Handshake;
  private readonly backend: Backend;
  /** When the shell last reopened the page by itself, because the document did not connect. */
  private reopenedAt = -Infinity;

  constructor(private readonly host: Host) {
    const remotes = readRemotes();
    this.backend = new Backend(host, remotes);
    const page = (): Page | null => this.handshake.page;
    const footer = new Footer(page);
    if (host.dialog) document.documentElement.classList.add('is-dialog');
    if (host.dialog?.footer) footer.fill(host.dialog.footer);
    const isEditor = remotes.page === 'editor';
    const table = operations({ host, backend: this.backend, footer, isEditor, frame: () => this.frame, page });
    this.handshake = new Handshake({
      perform: (name, argument, caller) => perform(table, name, argument, caller),
      theme: currentTheme,
      dialog: { isOpen: Boolean(host.dialog), customData: host.dialog?.customData },
      greeted: hideSkeleton,
      silent: () => void this.silent(),
      failed: (error) => this.fail(error),
    });
    void followTheme((theme) => this.handshake.page?.showTheme(theme));
  }

  async open(): Promise<void> {
    try {
      const url = await this.backend.open();
      const frame = new PageFrame(url, { isFixed: Boolean(this.host.dialog), isFullPage: this.host.isFullPage });
      if (this.frame) frame.takeSizeOf(this.frame);
      this.handshake.watch(frame);
      this.frame = frame;
      showFrame(frame.element);
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * The frame shows a document that did not connect to the shell. Most likely the page was reloaded after its page token
   * had expired, and the document is the backend's 401. A new URL then helps. If it does not, or only for a while, the
   * user decides: a page that leads to one that does not connect would otherwise be reopened without end.
   */
  private async silent(): Promise<void> {
    const now = performance.now();
    if (now - this.reopenedAt < REOPENING_INTERVAL) return this.fail(new Error('The page of the app did not answer.'));
    this.reopenedAt = now;
    await this.open();
  }

  private fail(error: unknown): void {
    this.handshake.leave();
    this.frame = null;
    showProblem(error instanceof Error ? error.message : String(error), () => void this.retry());
  }

  private async retry(): Promise<void> {
    this.reopenedAt = -Infinity;
    showSkeleton();
    await this.open();
  }
}

async function start(): Promise<void> {
  showSkeleton();
  try {
    await new Shell(await Host.read()).open();
  } catch (error) {
    showProblem(error instanceof Error ? error.message : String(error), () => void start());
  }
}

void start();
