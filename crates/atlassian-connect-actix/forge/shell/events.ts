// AP.events on top of Forge's events: within the app, and public ones between apps.

import { events } from '@forge/bridge';

import type { Page } from './page';

export async function subscribe(name: string, isPublic: boolean, page: Page): Promise<void> {
  const kind = isPublic ? 'public' : 'app';
  const heard = (data: unknown): void => page.tell({ kind, name, data: Array.isArray(data) ? data : [data] });
  const subscription = await (isPublic ? events.onPublic(name, heard) : events.on(name, heard));
  const unsubscribe = async (): Promise<void> => subscription.unsubscribe();
  page.atEnd(() => {
    unsubscribe().catch((error: unknown) => console.warn(`The subscription to "${name}" could not be ended:`, error));
  });
}

export async function emit(name: string, isPublic: boolean, data: unknown[]): Promise<void> {
  await (isPublic ? events.emitPublic(name, data) : events.emit(name, data));
}
