// AP.confluence. A body of a macro is a document in Atlassian's JSON format (ADF); Connect's was in storage format.

import { view } from '@forge/bridge';

import { Host } from './host';
import type { ContentProperty } from './messages';
import { requestJson } from './request';

export async function saveMacro(parameters: Record<string, unknown>, body: string | undefined): Promise<void> {
  await view.submit(body === undefined ? { config: parameters } : { config: parameters, body: adf(body) });
}

/** Always read again: the user may have saved since the shell was opened. */
export const getMacroData = async (): Promise<Record<string, unknown>> => (await Host.read()).extension.config ?? {};

export async function getMacroBody(): Promise<string> {
  const { body = '' } = (await Host.read()).extension.macro ?? {};
  return typeof body === 'string' ? body : JSON.stringify(body);
}

function adf(text: string): unknown {
  let document: unknown = null;
  try {
    document = JSON.parse(text);
  } catch {
    // reported below
  }
  if ((document as { type?: unknown } | null)?.type === 'doc') return document;
  throw new Error('Forge requires the body of a macro in the Atlassian Document Format, as JSON: {"type":"doc", …}.');
}

/** The collections of Confluence's REST API, by content type. All other types belong to apps. */
const COLLECTIONS = new Map([
  ['page', 'pages'],
  ['blogpost', 'blogposts'],
  ['comment', 'comments'],
  ['attachment', 'attachments'],
  ['whiteboard', 'whiteboards'],
  ['database', 'databases'],
  ['folder', 'folders'],
  ['embed', 'embeds'],
]);

export async function getContentProperty(key: string, host: Host): Promise<ContentProperty | null> {
  const found = await requestJson(`${properties(host)}?key=${encodeURIComponent(key)}`, host);
  return (found as { results?: ContentProperty[] }).results?.[0] ?? null;
}

export async function setContentProperty({ key, value, version }: ContentProperty, host: Host): Promise<ContentProperty> {
  const former = await getContentProperty(key, host);
  if (!former) return (await requestJson(properties(host), host, 'POST', { key, value })) as ContentProperty;
  const number = version?.number ?? (former.version?.number ?? 0) + 1;
  const url = `${properties(host)}/${encodeURIComponent(String(former.id))}`;
  return (await requestJson(url, host, 'PUT', { key, value, version: { number } })) as ContentProperty;
}

function properties({ extension: { content } }: Host): string {
  if (!content) throw new Error('There is no content here, so there are no content properties.');
  return `/wiki/api/v2/${COLLECTIONS.get(content.type ?? 'page') ?? 'custom-content'}/${encodeURIComponent(content.id)}/properties`;
}
