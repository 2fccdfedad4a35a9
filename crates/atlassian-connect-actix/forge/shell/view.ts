// The shell's own views: a skeleton while it waits, and an error.

const root = document.getElementById('page') as HTMLElement;

export function showSkeleton(): void {
  const skeleton = make('div', 'skeleton');
  skeleton.setAttribute('role', 'status');
  skeleton.append(make('span', 'hidden', 'Loading …'), make('div', 'bar'), make('div', 'bar'), make('div', 'bar is-short'));
  remove('.problem');
  remove('.skeleton');
  root.prepend(skeleton);
}

export function hideSkeleton(): void {
  remove('.skeleton');
}

export function showProblem(message: string, retry: () => void): void {
  const problem = make('section', 'problem');
  problem.setAttribute('role', 'alert');
  const button = make('button', '', 'Try again');
  button.addEventListener('click', retry, { once: true });
  problem.append(make('h1', '', 'This app could not be opened'), make('p', '', message), button);
  root.replaceChildren(problem);
}

/** Puts the frame into the shell and replaces the previous one. */
export function showFrame(frame: HTMLIFrameElement): void {
  remove('.problem');
  const former = root.querySelector('iframe');
  if (former) former.replaceWith(frame);
  else root.append(frame);
}

export function make<Name extends keyof HTMLElementTagNameMap>(name: Name, className = '', text = ''): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

function remove(selector: string): void {
  root.querySelector(selector)?.remove();
}
