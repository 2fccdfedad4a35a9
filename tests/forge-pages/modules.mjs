// The Forge modules of the played app, as the product knows them.
export const USER = '655362:user-1';

export function makeModules(site) {
  const module = (key, extension, more = {}, context = {}) => [key, {
    localId: `local-${key}`,
    title: key,
    ...more,
    context: {
      accountId: USER,
      cloudId: 'cloud-1',
      environmentId: 'environment-1',
      environmentType: 'PRODUCTION',
      license: { active: true, type: 'COMMERCIAL' },
      localId: `local-${key}`,
      locale: 'de-DE',
      moduleKey: key,
      siteUrl: site,
      timezone: 'Europe/Berlin',
      extension: { location: `${site}/browse/ISSUE-7`, ...extension },
      ...context,
    },
  }];
  const issue = {
    issue: { id: '10001', key: 'ISSUE-7', type: 'Task', typeId: '3' },
    project: { id: '10', key: 'ISSUE', type: 'software' },
  };
  const content = { content: { id: '98305', type: 'page' }, space: { id: '98304', key: 'DOCS' } };
  return Object.fromEntries([
    module('panel', { type: 'jira:issuePanel', ...issue }),
    module('glance', { type: 'jira:issueContext', ...issue }),
    module('action', { type: 'jira:issueAction', ...issue }, { isFixed: true }),
    module('global', { type: 'jira:globalPage', location: `${site}/jira/apps/x` }, { hasHistory: true }),
    module('anonymous', { type: 'jira:issuePanel', ...issue }, {}, { accountId: undefined }),
    module('gadget', { type: 'jira:dashboardGadget', dashboard: { id: '5' }, gadget: { id: '6' }, entryPoint: 'edit' }),
    module('rule', { type: 'jira:workflowPostFunction', postFunctionConfig: '{"color":"red"}' }),
    module('macro', {
      type: 'macro',
      ...content,
      config: { color: 'red' },
      macro: { body: { type: 'doc', version: 1, content: [] } },
    }),
    module('banner', { type: 'confluence:pageBanner', ...content, selectedText: 'chosen words' }),
    module('unknown', { type: 'jira:issuePanel', ...issue }),
    module('fixed', { type: 'jira:issuePanel', ...issue }),
    module('full', { type: 'jira:globalPage' }),
    module('fullPanel', { type: 'jira:issuePanel', ...issue }),
    module('growing', { type: 'jira:issuePanel', ...issue }),
    module('plain', { type: 'jira:issuePanel', ...issue }),
    module('silent', { type: 'jira:issuePanel', ...issue }),
  ]);
}
