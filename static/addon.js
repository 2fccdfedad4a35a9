// What the pages of the add-on do in the browser. No framework: fork and replace.
(function () {
  'use strict';
  var AP = window.AP;
  var base = document.querySelector('meta[name=ap-local-base-url]').content;
  var token = document.querySelector('meta[name=token]').content;

  // follow the host's theme, light or dark
  if (AP && AP.theming && AP.theming.initializeTheming) AP.theming.initializeTheming();

  // Every answer of the add-on brings a fresh token in X-acpt.
  function call(path) {
    return fetch(base + path, { headers: { Authorization: 'JWT ' + token, Accept: 'application/json' } }).then(function (response) {
      token = response.headers.get('X-acpt') || token;
      if (!response.ok) throw new Error('The add-on answered ' + response.status + '.');
      return response.json();
    });
  }

  var session = document.getElementById('session');
  if (session) {
    call('/api/session').then(
      function (answer) { session.textContent = 'confirmed for ' + answer.clientKey; },
      function (error) { session.textContent = error.message; }
    );
  }
})();
