// The product's context of the shell.

import { view, type FullContext } from '@forge/bridge';

import type { ConnectContext, DialogOptions, IdAndKey, Place } from './messages';

/** The parts of Forge's context that the shell reads. Which of them exist depends on the module. */
export interface Extension {
  type?: string;
  location?: string;
  issue?: IdAndKey & { type?: string; typeId?: string };
  project?: IdAndKey & { type?: string };
  content?: { id: string; type?: string; subtype?: string };
  space?: IdAndKey;
  board?: { id?: string; type?: string };
  sprint?: { id?: string; state?: string };
  dashboard?: { id?: string };
  gadget?: { id?: string };
  entryPoint?: string;
  selectedText?: string;
  config?: Record<string, unknown>;
  macro?: { body?: unknown };
  conditionConfig?: string;
  validatorConfig?: string;
  postFunctionConfig?: string;
  /** In a dialog: the data from the shell that opened it. */
  modal?: { connect?: DialogContext };
}

/** Passed from the shell that opens a dialog to the shell in it. */
export interface DialogContext {
  moduleKey: string;
  customData: unknown;
  /** Set if the dialog has a footer, as Connect's `chrome`. */
  footer?: Pick<DialogOptions, 'submitText' | 'cancelText' | 'buttons' | 'hint'>;
}

export class Host {
  private constructor(readonly context: FullContext) {}

  static async read(): Promise<Host> {
    return new Host(await view.getContext());
  }

  get extension(): Extension {
    return this.context.extension as Extension;
  }

  get dialog(): DialogContext | undefined {
    return this.extension.modal?.connect;
  }

  /** The module whose page is shown. */
  get moduleKey(): string {
    return this.dialog?.moduleKey ?? this.context.moduleKey;
  }

  get isConfluence(): boolean {
    const { type = '', content, space } = this.extension;
    return type.startsWith('confluence:') || type === 'macro' || Boolean(content ?? space);
  }

  /** Whether the page fills the product's main area. */
  get isFullPage(): boolean {
    return /(Page|Settings|queuePage)$/.test(this.extension.type ?? '') && !this.dialog;
  }

  /**
   * Whether the shell draws a dialog's buttons: as in Connect, and if Forge itself shows a module in a dialog.
   * `isEditor`: the page is a macro's editor, which is in a dialog; the macro is not.
   */
  hasButtons(isEditor: boolean): boolean {
    if (this.dialog) return Boolean(this.dialog.footer);
    const { type = '' } = this.extension;
    return type === 'macro' ? isEditor : /(Action|:contextMenu)$/.test(type);
  }

  connectContext(): ConnectContext {
    const { issue, project, content, space, board, sprint, dashboard, gadget } = this.extension;
    if (this.isConfluence) return { confluence: defined({ content, space: space && idAndKey(space) }) };
    return {
      jira: defined({
        issue: issue && { ...idAndKey(issue), ...(issue.typeId ? { issuetype: { id: issue.typeId } } : {}) },
        project: project && idAndKey(project),
        board: board && defined({ id: board.id, type: board.type }),
        sprint: sprint && defined({ id: sprint.id, state: sprint.state }),
        dashboard: dashboard && defined({ id: dashboard.id }),
        dashboardItem: gadget && defined({ id: gadget.id }),
      }),
    };
  }

  /** The closest equivalent of Connect's `AP.navigator.getLocation` in Forge's context. */
  place(): Place {
    const { issue, project, content, space, dashboard, type = '' } = this.extension;
    const of = (target: string, context: Record<string, unknown>): Place => ({ target, context: defined(context) });
    const isPage = this.isFullPage;
    if (issue && !isPage) return of('issue', { issueKey: issue.key, issueId: issue.id, projectKey: project?.key });
    if (dashboard && !isPage) return of('dashboard', { dashboardId: dashboard.id });
    if (content && !isPage) {
      return of('contentview', { contentId: content.id, contentType: content.type, spaceKey: space?.key });
    }
    return of(type === 'confluence:spaceSettings' ? 'spacetools' : 'addonmodule', {
      moduleKey: this.context.moduleKey,
      context: this.connectContext(),
      projectKey: project?.key,
      spaceKey: space?.key,
    });
  }
}

const idAndKey = ({ id, key }: IdAndKey): IdAndKey => defined({ ...(id ? { id } : {}), ...(key ? { key } : {}) });

/** Removes the undefined members. */
function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;
}
