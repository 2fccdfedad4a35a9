// The protocol between the shell and a page in its frame. ap.js, the page's script, takes its types from this file.
//
// 1. The page's script posts a `Hello` to its parent, addressed to the shell's origin.
// 2. The shell answers with a `Welcome` that carries one end of a MessageChannel. A hello is accepted only from the window
//    of the shell's own frame, and only from the origin with which the frame was opened.
// 3. Everything else uses this port. It closes with the document: after a navigation the next page sends a new hello.
//
// A change that an older shell or script would misunderstand raises PROTOCOL. The backend serves a script for every
// released version, because a deployed shell does not change until its app is deployed again.

export const PROTOCOL = 1;
export type Protocol = typeof PROTOCOL;

/** From the page to the shell, by `window.postMessage`. */
export interface Hello {
  connect: 'hello';
  protocol: Protocol;
}

/** From the shell to the page, by `window.postMessage`, with a MessagePort. */
export interface Welcome {
  connect: 'welcome';
  protocol: Protocol;
  theme: Theme;
  dialog: Dialog;
}

/** The name of the shell's frame: after a navigation, the URL of the page has no `xdm_shell`. */
export interface FrameName {
  connect: 'frame';
  shell: string;
}

/** The attributes of `<html>` that carry the host's theme. An attribute that is not set is null. */
export type Theme = Record<'data-color-mode' | 'data-theme' | 'data-contrast-mode', string | null>;

export interface Dialog {
  /** Whether the page is in a dialog that another page opened. */
  isOpen: boolean;
  /** The data from the page that opened the dialog. It never leaves the browser. */
  customData: unknown;
}

// ---- Over the port ------------------------------------------------------------------------------------------------

/** From the page: a call of an operation. */
export interface Call<Name extends OperationName = OperationName> {
  call: Name;
  id: number;
  argument: Argument<Name>;
}

/** From the shell: the outcome of a call. */
export type Outcome = { outcome: number; value: unknown } | { outcome: number; error: string };

/** From the shell: a notification. */
export type Notice = { notice: 'theme'; theme: Theme } | ({ notice: 'event' } & PageEvent);

/** From the shell: a request, which the page answers with an `Answer` of the same id. */
export interface Question {
  question: 'workflowConfiguration';
  id: number;
}

/** From the page. */
export interface Answer {
  answer: number;
  value: unknown;
}

export type FromPage = Call | Answer;
export type FromShell = Outcome | Notice | Question;

/** An event of `AP.events`. Those of the host itself (`dialog.close`, `flag.action`, …) are `kind: 'host'`. */
export interface PageEvent {
  kind: 'host' | 'app' | 'public';
  name: string;
  data: unknown[];
}

// ---- Operations ---------------------------------------------------------------------------------------------------

/** Everything that a page can ask of the shell. There is no other access to the bridge. */
export interface Operations {
  getToken(argument: None): string;
  /** In Connect's shape: `{jira: {issue: {…}, project: {…}}}` or `{confluence: {content: {…}, space: {…}}}`. */
  getContext(argument: None): ConnectContext;
  getUser(argument: None): User;
  /** The URL of the product's page. */
  getLocation(argument: None): string;
  getSelectedText(argument: None): string;

  request(argument: ProductRequest): ProductAnswer;

  resize(argument: { width?: string | number | undefined; height?: string | number | undefined }): void;
  /** Whether the page fills the product's main area, and so can be as high as it. Elsewhere, as in Connect, no effect. */
  sizeToParent(argument: None): boolean;
  setTitle(argument: { title: string }): void;
  /** Closes the dialog, or another view that Forge lets an app close. */
  close(argument: { data?: unknown }): void;

  createFlag(argument: FlagOptions): void;
  closeFlag(argument: { id: string }): void;

  openDialog(argument: DialogOptions): void;
  setButton(argument: ButtonOptions): void;
  getButton(argument: { identifier: string }): ButtonState | null;

  /** Sends events of this name to the page from now on. */
  subscribe(argument: { name: string; isPublic: boolean }): void;
  emit(argument: { name: string; isPublic: boolean; data: unknown[] }): void;

  go(argument: { target: string; context: Record<string, unknown> }): void;
  getPlace(argument: None): Place;
  openUrl(argument: { url: string; isNewTab: boolean }): void;
  reload(argument: None): void;

  pushState(argument: { state: string; isReplacement: boolean }): void;
  goInHistory(argument: { delta: number }): void;
  getState(argument: None): HistoryState;

  refreshIssue(argument: None): void;
  /** Resolves when the dialog is closed, with the ids of the created issues. */
  createIssue(argument: CreateIssueOptions): string[];
  /** Resolves when the dialog is closed. */
  openIssue(argument: { issueKey: string }): void;
  getWorkflowConfiguration(argument: None): string;
  /** The page answers the request `workflowConfiguration` from now on. */
  offerWorkflowConfiguration(argument: None): void;
  isDashboardItemEditable(argument: None): boolean;

  saveMacro(argument: { parameters: Record<string, unknown>; body?: string | undefined }): void;
  getMacroData(argument: None): Record<string, unknown>;
  getMacroBody(argument: None): string;
  getContentProperty(argument: { key: string }): ContentProperty | null;
  setContentProperty(argument: { property: ContentProperty }): ContentProperty;
}

export type OperationName = keyof Operations;
export type Argument<Name extends OperationName> = Parameters<Operations[Name]>[0];
export type Value<Name extends OperationName> = ReturnType<Operations[Name]>;

/** The argument of an operation without one. */
export type None = null;

export interface IdAndKey {
  id?: string;
  key?: string;
}

export interface ConnectContext {
  jira?: { issue?: IdAndKey & { issuetype?: { id: string } }; project?: IdAndKey } & Record<string, unknown>;
  confluence?: { content?: { id: string; type?: string; subtype?: string }; space?: IdAndKey } & Record<string, unknown>;
}

export interface User {
  /** Missing if nobody is logged in. */
  accountId: string | null;
  locale: string;
  timeZone: string;
}

/** A call of the product's REST API as the user. */
export interface ProductRequest {
  /** A path: `/rest/api/3/myself`. */
  url: string;
  method: string;
  headers: Record<string, string>;
  /** A string, or the fields of a form, one of which may be a file. */
  body?: string | Record<string, string | Blob> | undefined;
  /** Whether to return the answer's body as bytes. */
  isBinary: boolean;
}

export interface ProductAnswer {
  status: number;
  statusText: string;
  headers: Record<string, string>;
  body: string | ArrayBuffer;
}

export interface FlagOptions {
  id: string;
  title: string;
  body: string;
  type: 'info' | 'success' | 'warning' | 'error';
  isAutoDismissed: boolean;
  /** Their texts, by identifier. */
  actions: Record<string, string>;
}

/** The options of Connect's `AP.dialog.create`. */
export interface DialogOptions {
  key: string;
  size?: string;
  width?: string | number;
  height?: string | number;
  chrome?: boolean;
  header?: string;
  submitText?: string;
  cancelText?: string;
  customData?: unknown;
  closeOnEscape?: boolean;
  buttons?: { text: string; identifier: string }[];
  hint?: string;
}

export interface ButtonOptions extends Partial<ButtonState> {
  identifier: string;
  text?: string;
}

export interface ButtonState {
  isEnabled: boolean;
  isHidden: boolean;
}

/** A place in the product, in the terms of Connect's `AP.navigator`. */
export interface Place {
  target: string;
  context: Record<string, unknown>;
}

export interface HistoryState {
  state: string;
  href: string;
}

export interface CreateIssueOptions {
  projectId?: string | undefined;
  issueTypeId?: string | undefined;
  fields: Record<string, unknown>;
}

export interface ContentProperty {
  key: string;
  value: unknown;
  version?: { number: number };
  id?: string;
}
