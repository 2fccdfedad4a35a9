// The table of operations that a page can call. There are no others.

import { view } from '@forge/bridge';

import type { Backend } from './backend';
import * as confluence from './confluence';
import { openDialog } from './dialogs';
import { emit, subscribe } from './events';
import { closeFlag, createFlag } from './flags';
import type { Footer } from './footer';
import type { PageFrame } from './frame';
import * as history from './history';
import { Host } from './host';
import * as jira from './jira';
import type { Argument, OperationName, Value } from './messages';
import type { Page } from './page';
import { request } from './request';
import { go, openUrl, reload } from './router';

export interface Parts {
  host: Host;
  backend: Backend;
  footer: Footer;
  /** Whether this is the shell of a macro's editor. */
  isEditor: boolean;
  frame(): PageFrame | null;
  page(): Page | null;
}

type Table = { [Name in OperationName]: (argument: Argument<Name>, page: Page) => Value<Name> | Promise<Value<Name>> };

export function operations({ host, backend, footer, isEditor, frame, page: current }: Parts): Table {
  const { context, extension } = host;
  return {
    getToken: () => backend.getToken(),
    getContext: () => host.connectContext(),
    getUser: () => ({ accountId: context.accountId ?? null, locale: context.locale, timeZone: context.timezone }),
    // the product changes it without reloading the shell
    getLocation: async () => (await Host.read()).extension.location ?? context.siteUrl,
    getSelectedText: () => extension.selectedText ?? '',

    request: (argument) => request(argument, host),

    resize: ({ width, height }) => frame()?.resize(width, height),
    sizeToParent() {
      if (host.isFullPage) frame()?.sizeToParent();
      return host.isFullPage;
    },
    setTitle: ({ title }) => view.changeWindowTitle(String(title)),
    close: ({ data }) => view.close(data),

    createFlag,
    closeFlag: ({ id }, page) => closeFlag(id, page),

    openDialog,
    setButton(button) {
      if (!host.hasButtons(isEditor)) throw new Error('This page is not in a dialog with buttons.');
      footer.set(button);
    },
    getButton: ({ identifier }) => footer.get(identifier),

    subscribe: ({ name, isPublic }, page) => subscribe(name, isPublic, page),
    emit: ({ name, isPublic, data }) => emit(name, isPublic, data),

    go: ({ target, context: details }) => go(target, details, host),
    getPlace: () => host.place(),
    openUrl: ({ url, isNewTab }) => openUrl(url, isNewTab, host),
    reload,

    pushState: ({ state, isReplacement }) => history.pushState(String(state), isReplacement, current),
    goInHistory: ({ delta }) => history.goInHistory(delta, current),
    getState: async () => history.getState(current, (await Host.read()).extension.location ?? context.siteUrl),

    refreshIssue: () => jira.refreshIssue(),
    createIssue: (options) => jira.createIssue(options),
    openIssue: ({ issueKey }) => jira.openIssue(issueKey),
    getWorkflowConfiguration: () => jira.getWorkflowConfiguration(host),
    offerWorkflowConfiguration: (_, page) => jira.offerWorkflowConfiguration(page),
    isDashboardItemEditable: () => extension.entryPoint === 'edit',

    saveMacro: ({ parameters, body }) => confluence.saveMacro(parameters, body),
    getMacroData: confluence.getMacroData,
    getMacroBody: confluence.getMacroBody,
    getContentProperty: ({ key }) => confluence.getContentProperty(key, host),
    setContentProperty: ({ property }) => confluence.setContentProperty(property, host),
  };
}

/** Executes a call of the page. */
export function perform(table: Table, name: string, argument: unknown, page: Page): unknown {
  if (!Object.hasOwn(table, name)) throw new Error(`The shell has no operation "${name}".`);
  const operation = table[name as OperationName] as (argument: unknown, page: Page) => unknown;
  return operation(argument, page);
}
