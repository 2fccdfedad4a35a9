// AP.request: the product's REST API, called as the user. Forge checks the scopes.

import { requestConfluence, requestJira } from '@forge/bridge';

import type { Host } from './host';
import type { ProductAnswer, ProductRequest } from './messages';
import { sitePath } from './paths';

export async function request({ url, method, headers, body, isBinary }: ProductRequest, host: Host): Promise<ProductAnswer> {
  const path = sitePath(url).replace(/#.*$/, '');
  const isInWiki = path.startsWith('/wiki/');
  // in Connect paths are relative to the product, which is at /wiki for Confluence
  const [ask, target] = host.isConfluence || isInWiki ? [requestConfluence, isInWiki ? path : `/wiki${path}`] : [requestJira, path];
  const response = await ask(target, { method, headers, ...(body === undefined ? {} : { body: bodyOf(body) }) });
  return {
    status: response.status,
    statusText: response.statusText,
    headers: Object.fromEntries(response.headers),
    body: isBinary && response.ok ? await response.arrayBuffer() : await response.text(),
  };
}

/** For the shell's own `AP.confluence`. */
export async function requestJson(url: string, host: Host, method = 'GET', body?: unknown): Promise<unknown> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await request({ url, method, headers, body: text, isBinary: false }, host);
  if (answer.status < 200 || answer.status > 299) throw new Error(`${method} ${url} was answered with ${answer.status}.`);
  return JSON.parse(String(answer.body) || 'null');
}

function bodyOf(body: string | Record<string, string | Blob>): string | FormData {
  if (typeof body === 'string') return body;
  const form = new FormData();
  for (const [name, value] of Object.entries(body)) {
    // the bridge sends every other field as a string
    if (value instanceof Blob && name !== 'file') throw new Error(`Forge sends a file only in the field "file", not in "${name}".`);
    form.append(name, value);
  }
  return form;
}
