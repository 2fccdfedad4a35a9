// AP.flag. The host does not report that a user has closed a flag, so there is an event only if the page itself closes it.

import { showFlag } from '@forge/bridge';

import type { FlagOptions } from './messages';
import type { Page } from './page';

/** The flags that a page can still close. */
const flags = new Map<string, ReturnType<typeof showFlag>>();

export function createFlag({ id, title, body, type, isAutoDismissed, actions }: FlagOptions, page: Page): void {
  const flag = showFlag({
    id,
    title,
    description: body,
    type,
    isAutoDismiss: isAutoDismissed,
    actions: Object.entries(actions).map(([actionIdentifier, text]) => ({
      text,
      onClick: () => page.tellHostEvent('flag.action', { flagIdentifier: id, actionIdentifier }),
    })),
  });
  flags.set(id, flag);
  page.atEnd(() => {
    if (flags.get(id) === flag) flags.delete(id);
  });
}

export async function closeFlag(id: string, page: Page): Promise<void> {
  const flag = flags.get(id);
  if (!flag) return;
  flags.delete(id);
  await flag.close();
  page.tellHostEvent('flag.close', { flagIdentifier: id });
}
