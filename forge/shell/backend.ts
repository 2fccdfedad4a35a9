// The two calls to the app's backend. They go through Forge, which authenticates the user and the module.

import { invokeRemote } from '@forge/bridge';

import type { Host } from './host';
import { PROTOCOL } from './messages';
import { pageUrl, type Remotes } from './remotes';

/** A refusal by the backend, with its own message. */
class Refusal extends Error {
  constructor(message: string, readonly status: number) {
    super(message);
  }
}

export class Backend {
  /** The id of this page session for the backend. */
  private session: string | undefined;

  constructor(private readonly host: Host, private readonly remotes: Remotes) {}

  /** The URL of the page. It contains a token that is valid for two minutes. */
  async open(): Promise<URL> {
    const { context, extension } = this.host;
    const answer = await this.post('/forge/open', {
      shell: location.origin,
      locale: context.locale,
      timezone: context.timezone,
      location: extension.location,
    });
    if (typeof answer['url'] !== 'string' || typeof answer['session'] !== 'string') throw new Error('The app did not return a page.');
    this.session = answer['session'];
    return pageUrl(answer['url'], this.remotes);
  }

  /** A fresh session token for the page's calls to its own backend. */
  async getToken(): Promise<string> {
    try {
      return await this.askForToken();
    } catch (error) {
      // the state may have changed since the page was opened: the module may be gone, the site may be known now
      if (!(error instanceof Refusal) || ![403, 404].includes(error.status)) throw error;
      await this.open();
      return await this.askForToken();
    }
  }

  /** A dialog shows another module with the same shell. */
  private get page(): string | undefined {
    return this.host.dialog ? undefined : this.remotes.page;
  }

  private async askForToken(): Promise<string> {
    const { token } = await this.post('/forge/token', { session: this.session, shell: location.origin });
    if (typeof token !== 'string') throw new Error('The app did not return a token.');
    return token;
  }

  private async post(path: string, body: Record<string, unknown>): Promise<Record<string, unknown>> {
    let answer;
    try {
      answer = await invokeRemote({
        path: this.remotes.basePath + path,
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
        body: { protocol: PROTOCOL, moduleKey: this.host.moduleKey, page: this.page, ...body },
      });
    } catch (error) {
      console.warn(`${path}:`, error);
      throw new Error('The server of the app could not be reached.');
    }
    const { status, body: content = {} } = answer;
    if (status >= 200 && status < 300) return content;
    const message: unknown = content['message'];
    throw new Refusal(typeof message === 'string' && message ? message : `The server of the app answered ${status}.`, status);
  }
}
