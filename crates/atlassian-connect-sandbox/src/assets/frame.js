// The page's side of the features that the npm package leaves to the products. It is appended to all.js, after
// dist/iframe.js of atlassian-connect-js, and runs in the add-on's page.
(() => {
  'use strict';

  const AP = window.AP;
  const ask = AP && AP.request;
  if (!ask) return;

  // Functions cannot be passed between frames, so `success` and `error` are called here, from the promise.
  AP.request = (first, second) => {
    const given = typeof first === 'object' ? first : { ...second, url: first };
    const { success, error, ...options } = given;
    const answer = ask(options).then(
      ({ body, xhr }) => ({ body, xhr: withHeaders(xhr) }),
      (problem) => {
        throw { err: problem.err, xhr: withHeaders(problem.xhr) };
      },
    );
    if (!success && !error) return answer;
    answer.then(
      ({ body, xhr }) => success && success(body, 'success', xhr),
      ({ err, xhr }) => error && error(xhr, 'error', err),
    );
    return answer.catch((problem) => {
      if (!error) throw problem;
    });
  };

  // Like the browser's XMLHttpRequest.
  function withHeaders({ headers, ...xhr }) {
    return {
      ...xhr,
      getResponseHeader: (name) => headers[name.toLowerCase()] ?? null,
      getAllResponseHeaders: () => Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join(''),
    };
  }

  if (AP.history) AP.history.popState = (listener) => AP.events.on('history.popstate', listener);
})();
