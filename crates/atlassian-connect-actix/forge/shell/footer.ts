// The buttons below a page in a dialog. Connect's host draws them outside the app; Forge's does not, so the shell does.

import { view } from '@forge/bridge';

import type { DialogContext } from './host';
import type { ButtonOptions, ButtonState } from './messages';
import type { Page } from './page';
import { make } from './view';

/** The buttons that every dialog with buttons has, with their texts. */
const STANDARD = new Map([['submit', 'Submit'], ['cancel', 'Cancel']]);

export class Footer {
  private readonly element = make('footer', 'footer');
  private readonly buttons = new Map<string, HTMLButtonElement>();

  /** `page` returns the current document. */
  constructor(private readonly page: () => Page | null) {
    this.element.append(make('p', 'hint'));
  }

  /** Shows the footer as the page that opened the dialog configured it. */
  fill({ submitText, cancelText, buttons, hint }: NonNullable<DialogContext['footer']>): void {
    const [line] = this.element.getElementsByClassName('hint');
    if (line) line.textContent = hint ?? '';
    for (const { identifier, text } of buttons ?? []) this.set({ identifier, text });
    this.set({ identifier: 'submit', text: submitText ?? 'Submit' });
    this.set({ identifier: 'cancel', text: cancelText ?? 'Cancel' });
  }

  /** Changes a button. A missing one is created if it has a text or is a standard button. */
  set({ identifier, text, isEnabled, isHidden }: ButtonOptions): void {
    const isMade = text !== undefined || STANDARD.has(identifier);
    const button = this.buttons.get(identifier) ?? (isMade ? this.add(identifier) : null);
    if (!button) return;
    if (text !== undefined) button.textContent = text;
    if (isEnabled !== undefined) button.disabled = !isEnabled;
    if (isHidden !== undefined) button.hidden = isHidden;
  }

  get(identifier: string): ButtonState | null {
    const button = this.buttons.get(identifier);
    return button ? { isEnabled: !button.disabled, isHidden: Boolean(button.hidden) } : null;
  }

  private add(identifier: string): HTMLButtonElement {
    const button = make('button', identifier === 'submit' ? 'is-primary' : '', STANDARD.get(identifier) ?? identifier);
    button.type = 'button';
    button.dataset['identifier'] = identifier;
    button.addEventListener('click', () => this.clicked(identifier, button.textContent ?? ''));
    this.buttons.set(identifier, button);
    this.element.append(button);
    if (!this.element.isConnected) document.body.append(this.element);
    return button;
  }

  private clicked(identifier: string, text: string): void {
    const page = this.page();
    // a page that is not connected to the shell cannot close its own dialog
    if (!page) {
      view.close().catch((error: unknown) => console.warn('The dialog could not be closed:', error));
      return;
    }
    const event = { button: { name: identifier, identifier, text } };
    if (STANDARD.has(identifier)) page.tellHostEvent(`dialog.${identifier}`, event);
    page.tellHostEvent('dialog.button.click', event);
  }
}
