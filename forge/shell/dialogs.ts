// AP.dialog.create: a dialog of the host that contains this shell again, with the page of another module.

import { Modal } from '@forge/bridge';

import type { DialogContext } from './host';
import type { DialogOptions } from './messages';
import type { Page } from './page';

type Size = NonNullable<NonNullable<ConstructorParameters<typeof Modal>[0]>['size']>;

/** Connect's names for sizes. */
const SIZES: Record<string, Size> = {
  small: 'small',
  medium: 'medium',
  large: 'large',
  'x-large': 'xlarge',
  maximum: 'max',
  fullscreen: 'fullscreen',
};

export async function openDialog(options: DialogOptions, page: Page): Promise<void> {
  const { key, customData, submitText, cancelText, buttons, hint } = options;
  const connect: DialogContext = { moduleKey: key, customData };
  if (options.chrome) connect.footer = { ...given({ submitText, cancelText, buttons, hint }) };
  await new Modal({
    resource: null,
    context: { connect },
    size: sizeOf(options),
    title: options.header ?? '',
    closeOnEscape: options.closeOnEscape !== false,
    closeOnOverlayClick: false,
    onClose: (data: unknown) => page.tellHostEvent('dialog.close', data),
  }).open();
}

function sizeOf({ size, width, height }: DialogOptions): Size {
  const named = SIZES[String(size ?? '').toLowerCase()];
  if (named) return named;
  if (width === undefined && height === undefined) return 'medium';
  return { width: length(width), height: length(height) };
}

/** A number is in pixels; the default is that of Connect, half of the window. */
function length(value: string | number = '50%'): string {
  const text = String(value).trim();
  return /^\d+(\.\d+)?$/.test(text) ? `${text}px` : text;
}

function given<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;
}
