// AP.jira.

import { view } from '@forge/bridge';
// imported by file: the package's main entry would add much code that the shell does not need
import { refreshIssueView } from '@forge/jira-bridge/out/issue-utils/refresh';
import { CreateIssueModal } from '@forge/jira-bridge/out/modal/issue-create';
import { ViewIssueModal } from '@forge/jira-bridge/out/modal/issue-view';
import { onConfigure } from '@forge/jira-bridge/out/workflow/onConfigure';

import type { Host } from './host';
import type { CreateIssueOptions } from './messages';
import type { Page } from './page';

/** The issue view's own operation is preferred, but not all places have it. */
export const refreshIssue = (): Promise<void> => refreshIssueView().catch(() => view.refresh());

export function createIssue({ projectId, issueTypeId, fields }: CreateIssueOptions): Promise<string[]> {
  const context = { ...fields, ...(projectId ? { projectId } : {}), ...(issueTypeId ? { issueTypeId } : {}) };
  return new Promise((resolve, reject) => {
    const onClose = (answer?: { payload?: { issueId: string }[] }): void => {
      resolve((answer?.payload ?? []).map(({ issueId }) => issueId));
    };
    new CreateIssueModal({ context, onClose }).open().catch(reject);
  });
}

export function openIssue(issueKey: string): Promise<void> {
  return new Promise((resolve, reject) => {
    new ViewIssueModal({ context: { issueKey }, onClose: () => resolve() }).open().catch(reject);
  });
}

export function getWorkflowConfiguration({ extension }: Host): string {
  return extension.conditionConfig ?? extension.validatorConfig ?? extension.postFunctionConfig ?? '';
}

/** Jira requests the configuration when the user saves; without one it does not save. */
export async function offerWorkflowConfiguration(page: Page): Promise<void> {
  await onConfigure(async () => {
    const configuration = await page.ask('workflowConfiguration');
    return configuration as string;
  });
}
