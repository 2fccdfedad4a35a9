// AP.navigator, and links that leave the frame. The frame's sandbox forbids new tabs and the top window; the host's
// router may use both.

import { router } from '@forge/bridge';

import type { Host } from './host';
import { sitePath } from './paths';

type Context = Record<string, unknown>;
type Destination = Parameters<typeof router.navigate>[0];

/** The targets by Connect's names, in lower case. */
const TARGETS: Record<string, (context: Context, host: Host) => Destination> = {
  issue: (context) => ({ target: 'issue', issueKey: text(context, 'issueKey') }),
  dashboard: (context, host) =>
    context['dashboardId'] === undefined
      ? host.isConfluence ? '/wiki' : '/jira/dashboards'
      : { target: 'dashboard', dashboardId: text(context, 'dashboardId') },
  userprofile: (context) => ({ target: 'userProfile', accountId: text(context, 'userAccountId') }),
  projectadminsummary: (context) => ({ target: 'projectSettingsDetails', projectKey: text(context, 'projectKey') }),
  projectadmintabpanel: (context) => ({
    target: 'module',
    moduleKey: text(context, 'adminPageKey'),
    projectKey: text(context, 'projectKey'),
  }),
  addonmodule: (context) => ({
    target: 'module',
    moduleKey: text(context, 'moduleKey'),
    ...optional(context, 'projectKey'),
    ...optional(context, 'spaceKey'),
  }),
  contentview: (context) => ({
    target: 'contentView',
    contentId: text(context, 'contentId'),
    ...(context['versionOverride'] === undefined ? {} : { version: text(context, 'versionOverride') }),
  }),
  contentedit: (context) => ({ target: 'contentEdit', contentId: text(context, 'contentId') }),
  contentlist: (context) => ({
    target: 'contentList',
    contentType: context['contentType'] === 'blogpost' ? 'blogpost' : 'page',
    spaceKey: text(context, 'spaceKey'),
  }),
  spaceview: (context) => ({ target: 'spaceView', spaceKey: text(context, 'spaceKey') }),
  spacetools: (context) => `/wiki/spaces/viewspacesummary.action?key=${encodeURIComponent(text(context, 'spaceKey'))}`,
  simplesearch: (context) => `/wiki/search?text=${encodeURIComponent(text(context, 'query'))}`,
  site: (context, host) => {
    if (context['relativeUrl'] !== undefined) return sitePath(text(context, 'relativeUrl'));
    const url = new URL(text(context, 'absoluteUrl'));
    if (url.origin !== siteOrigin(host)) throw new Error(`${url.origin} is not this site.`);
    return onSite(url);
  },
};

export async function go(target: string, context: Context, host: Host): Promise<void> {
  const name = String(target).toLowerCase();
  const destination = Object.hasOwn(TARGETS, name) ? TARGETS[name] : undefined;
  if (!destination) throw new Error(`Forge cannot navigate to the target "${target}".`);
  await router.navigate(destination(context ?? {}, host));
}

export async function openUrl(address: string, isNewTab: boolean, host: Host): Promise<void> {
  const url = new URL(address);
  if (!['http:', 'https:'].includes(url.protocol)) throw new Error(`Links to "${url.protocol}" are not followed.`);
  // the host asks the user before it opens another site
  const destination = url.origin === siteOrigin(host) ? onSite(url) : url.href;
  await (isNewTab ? router.open(destination) : router.navigate(destination));
}

export const reload = (): Promise<void> => router.reload();

/** Undefined if the host does not tell it. */
function siteOrigin({ context }: Host): string | null {
  return URL.canParse(context.siteUrl) ? new URL(context.siteUrl).origin : null;
}

const onSite = ({ pathname, search, hash }: URL): string => sitePath(pathname + search + hash);

function text(context: Context, name: string): string {
  const value = context[name];
  if (typeof value === 'number' || (typeof value === 'string' && value)) return String(value);
  throw new Error(`AP.navigator.go needs "${name}" here.`);
}

function optional<Name extends string>(context: Context, name: Name): { [K in Name]?: string } {
  return context[name] === undefined ? {} : ({ [name]: text(context, name) } as { [K in Name]?: string });
}
