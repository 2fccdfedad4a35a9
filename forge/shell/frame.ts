// The frame with the app's page. The host measures the shell, so only the height of the frame has to be set.

import type { FrameName } from './messages';

export class PageFrame {
  readonly element: HTMLIFrameElement;
  readonly origin: string;
  private readonly isFixed: boolean;

  /** `isFixed`: the frame fills the shell, as in a dialog, whose size the host decides. */
  constructor(url: URL, { isFixed, isFullPage }: { isFixed: boolean; isFullPage: boolean }) {
    this.origin = url.origin;
    this.isFixed = isFixed;
    const name: FrameName = { connect: 'frame', shell: location.origin };
    this.element = document.createElement('iframe');
    this.element.className = isFixed ? 'page is-fixed' : isFullPage ? 'page is-full' : 'page';
    this.element.name = JSON.stringify(name);
    this.element.title = 'App';
    this.element.referrerPolicy = 'no-referrer';
    this.element.allow = 'clipboard-write; fullscreen';
    this.element.src = url.href;
  }

  get window(): Window | null {
    return this.element.contentWindow;
  }

  resize(width: string | number | undefined, height: string | number | undefined): void {
    if (this.isFixed || this.element.classList.contains('is-sized-to-parent')) return;
    if (width !== undefined) this.element.style.width = length(width, '%');
    // the shell is as high as its content, so a percentage of its height would be meaningless
    if (height !== undefined) this.element.style.height = length(height, 'vh');
  }

  sizeToParent(): void {
    this.element.style.width = '';
    this.element.style.height = '';
    this.element.classList.add('is-sized-to-parent');
  }

  /** The size of the frame that this one replaces. */
  takeSizeOf(other: PageFrame): void {
    this.element.style.cssText = other.element.style.cssText;
  }
}

function length(value: string | number, percent: string): string {
  const match = /^(\d{1,6}(?:\.\d+)?)(px|%)?$/.exec(String(value).trim());
  if (!match) throw new Error(`"${value}" is not a size. Use a number of pixels or a percentage.`);
  return `${match[1]}${match[2] === '%' ? percent : 'px'}`;
}
