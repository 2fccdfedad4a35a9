// AP.history: Connect keeps an app's state after `#!` in the URL, Forge in the path below the app's page.

import { view } from '@forge/bridge';

import type { HistoryState } from './messages';
import type { Page } from './page';

type History = Awaited<ReturnType<typeof view.createHistory>>;

/** The shell's only history; it outlives the documents in the frame. */
let opened: Promise<History> | undefined;
let state = '';

/** `page` returns the current document. */
function open(page: () => Page | null): Promise<History> {
  opened ??= view.createHistory().then((history) => {
    state = stateOf(history.location);
    history.listen((location, action) => {
      const oldState = state;
      state = stateOf(location);
      if (action === 'POP') page()?.tellHostEvent('history.popstate', { hash: state, oldHash: oldState });
    });
    return history;
  });
  // if the host has no history, the next call asks again
  opened.catch(() => (opened = undefined));
  return opened;
}

export async function pushState(newState: string, isReplacement: boolean, page: () => Page | null): Promise<void> {
  if (hasDots(newState)) throw new Error(`"${newState}" is not a state: "." and ".." would leave the app's page.`);
  const history = await open(page);
  const path = `/${newState.replace(/^\/+/, '')}`;
  await (isReplacement ? history.replace(path) : history.push(path));
  // the location of a remote history is updated later
  state = path.slice(1);
}

export async function goInHistory(delta: number, page: () => Page | null): Promise<void> {
  await (await open(page)).go(delta);
}

export async function getState(page: () => Page | null, href: string): Promise<HistoryState> {
  await open(page);
  return { state, href };
}

/** Whether the path has a segment that browsers resolve. They drop some control characters and read %2e as a dot. */
function hasDots(newState: string): boolean {
  const [path = ''] = newState.replace(/[\t\n\r]/g, '').replace(/%2e/gi, '.').split(/[?#]/);
  return path.split(/[/\\]/).some((segment) => segment === '.' || segment === '..');
}

function stateOf({ pathname = '', search = '', hash = '' }: { pathname?: string; search?: string; hash?: string }): string {
  return pathname.replace(/^\/+/, '') + search + hash;
}
