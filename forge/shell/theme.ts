// The host writes its theme to the shell's `<html>`. The page in the frame gets it from there.

import { view } from '@forge/bridge';

import type { Theme } from './messages';

const ATTRIBUTES = ['data-color-mode', 'data-theme', 'data-contrast-mode'] as const satisfies (keyof Theme)[];

export function currentTheme(): Theme {
  const root = document.documentElement;
  return Object.fromEntries(ATTRIBUTES.map((name) => [name, root.getAttribute(name)])) as Theme;
}

/** Follows the host's theme. A host without themes still shows the app. */
export async function followTheme(changed: (theme: Theme) => void): Promise<void> {
  new MutationObserver(() => changed(currentTheme())).observe(document.documentElement, { attributeFilter: [...ATTRIBUTES] });
  await view.theme.enable().catch((error: unknown) => console.warn('No theme:', error));
}
