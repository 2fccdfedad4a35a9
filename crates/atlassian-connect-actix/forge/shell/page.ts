// The document in the frame, for as long as it exists.

import type { Answer, FromPage, FromShell, Outcome, PageEvent, Question, Theme } from './messages';

export class Page {
  private readonly cleanups: (() => void)[] = [];
  private readonly questions = new Map<number, (value: unknown) => void>();
  private questionCount = 0;
  isGone = false;

  /** `perform` executes the operations that the page calls. */
  constructor(private readonly port: MessagePort, perform: (name: string, argument: unknown, page: Page) => unknown) {
    port.onmessage = ({ data }: MessageEvent<FromPage | null>) => {
      if (typeof data !== 'object' || !data) return;
      if ('answer' in data) this.hear(data);
      else void this.answer(data.id, async () => perform(data.call, data.argument, this));
    };
  }

  tell(event: PageEvent): void {
    this.post({ notice: 'event', ...event });
  }

  tellHostEvent(name: string, data: unknown): void {
    this.tell({ kind: 'host', name, data: [data] });
  }

  showTheme(theme: Theme): void {
    this.post({ notice: 'theme', theme });
  }

  /** The answer of the page; undefined if the page is left before it answers. */
  ask(question: Question['question']): Promise<unknown> {
    if (this.isGone) return Promise.resolve(undefined);
    const id = ++this.questionCount;
    this.post({ question, id });
    return new Promise((resolve) => this.questions.set(id, resolve));
  }

  /** Runs when the document is gone. */
  atEnd(cleanup: () => void): void {
    if (this.isGone) cleanup();
    else this.cleanups.push(cleanup);
  }

  end(): void {
    this.isGone = true;
    this.port.close();
    for (const settle of this.questions.values()) settle(undefined);
    this.questions.clear();
    for (const cleanup of this.cleanups.splice(0)) cleanup();
  }

  private hear({ answer, value }: Answer): void {
    this.questions.get(answer)?.(value);
    this.questions.delete(answer);
  }

  private async answer(id: number, perform: () => unknown): Promise<void> {
    let outcome: Outcome;
    try {
      outcome = { outcome: id, value: await perform() };
    } catch (error) {
      outcome = { outcome: id, error: error instanceof Error ? error.message : String(error) };
    }
    try {
      this.post(outcome);
    } catch (error) {
      // a value that cannot be cloned cannot be posted, and the page must not wait for ever
      this.post({ outcome: id, error: `The answer could not be sent to the page: ${String(error)}` });
    }
  }

  private post(message: FromShell): void {
    if (!this.isGone) this.port.postMessage(message);
  }
}
