// What the pages of the add-on do in the browser. No framework: fork and replace.
(function () {
  'use strict';
  var AP = window.AP;
  var meta = function (name) { return document.querySelector('meta[name=' + name + ']').content; };
  var base = meta('ap-local-base-url');
  var token = meta('token');

  // follow the host's theme, light or dark
  if (AP && AP.theming && AP.theming.initializeTheming) AP.theming.initializeTheming();

  // The page brings a session token; one that came without (a cached iframe) asks the host for a context token.
  function currentToken() {
    if (token || !AP || !AP.context) return Promise.resolve(token);
    return AP.context.getToken();
  }

  // Calls the add-on. Every answer brings a fresh session token in X-acpt; a token that has died is replaced once.
  function call(path, again) {
    return currentToken().then(function (current) {
      return fetch(base + path, { headers: { Authorization: 'JWT ' + current, Accept: 'application/json' } });
    }).then(function (response) {
      if (response.status === 401 && token && AP && AP.context && !again) {
        token = '';
        return call(path, true);
      }
      token = response.headers.get('X-acpt') || token;
      return response.json().then(function (body) {
        if (!response.ok) throw new Error(body.message || 'The add-on answered ' + response.status + '.');
        return body;
      });
    });
  }

  var user = document.getElementById('user');
  if (user) {
    call('/api/me').then(
      function (answer) {
        var known = answer.status === 200;
        user.textContent = known ? answer.body.displayName : 'the host answered ' + answer.status;
        if (known) document.getElementById('greeting').textContent = answer.body.displayName;
      },
      function (error) { user.textContent = error.message; }
    );
  }

  window.addon = { call: call };
})();
