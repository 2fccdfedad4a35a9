// The backends of the app, as the build wrote them into the page. An answer of a backend cannot add to them: otherwise a
// compromised backend could make the shell, with its access to the product, show an attacker's page.

import { PROTOCOL } from './messages';

export interface Remotes {
  /** The origins of the pages that the shell may show. */
  origins: string[];
  /** The part of the backend's path before `/forge/open`: empty, or `/app` for example. */
  basePath: string;
  /** Which page of a module is shown, if it has several: a macro's editor, for example. */
  page?: string;
}

export function readRemotes(): Remotes {
  const block = document.getElementById('remotes');
  const { protocol, origins, basePath, page } = JSON.parse(block?.textContent ?? '{}') as Partial<Remotes> & { protocol?: number };
  if (protocol !== PROTOCOL || !origins?.length || typeof basePath !== 'string') {
    throw new Error('This shell was built without the URL of the app. Build it again with `npm run build`.');
  }
  return { origins, basePath, ...(page ? { page } : {}) };
}

/** The URL of a page, if it is one of the app's. */
export function pageUrl(url: string, { origins }: Remotes): URL {
  const parsed = new URL(url);
  if (!origins.includes(parsed.origin)) throw new Error(`The app answered with a page of another server, ${parsed.origin}.`);
  return parsed;
}
