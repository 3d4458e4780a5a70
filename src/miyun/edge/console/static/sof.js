// The key agent of this machine (miyun agent), for pages: MiyunSof.call("SOF_Login", [certID, pin]) and shorter names.
// Every call answers a promise; what fails is a MiyunSof.Error with code, zh, en, and retries where a PIN was wrong.
// The page's Content-Security-Policy has to allow connections to AGENT, which <script data-agent> may name.
(function () {
  "use strict";
  var AGENT = (document.currentScript && document.currentScript.dataset.agent) || "http://127.0.0.1:8610";
  var CONSENT_NEEDED = 0x0B00F002, ASK_EVERY = 1000, ASK_FOR = 300000;
  var turn = 0; // calls of an earlier one wait no longer

  function SofError(code, zh, en, retries) {
    this.name = "SofError";
    this.code = code;
    this.zh = zh;
    this.en = en;
    this.retries = retries;
    this.message = document.documentElement.lang.indexOf("en") === 0 ? en : zh;
  }
  SofError.prototype = Object.create(Error.prototype);

  function wait(milliseconds) {
    return new Promise(function (resolve) { window.setTimeout(resolve, milliseconds); });
  }

  function ask(name, parameters) {
    return fetch(AGENT + "/sof/" + name, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(parameters || []),
      credentials: "omit",
      cache: "no-store"
    }).then(function (response) {
      return response.json();
    }, function () {
      throw new SofError(
        -1,
        "没有连上密码钥匙助手：请先在本机运行 miyun agent，并允许此网站：miyun agent allow " + window.location.origin,
        "The key agent does not answer: run miyun agent on this machine and allow this site: miyun agent allow " + window.location.origin
      );
    });
  }

  // Where the user has to say yes, the agent's page is opened, or given to `sof.onConsent`, and the call made again.
  function call(name, parameters) {
    var until = Date.now() + ASK_FOR, opened = false, mine = turn;
    function attempt() {
      return ask(name, parameters).then(function (answer) {
        if (answer.code === 0) { return answer.value; }
        if (answer.code === CONSENT_NEEDED && Date.now() < until) {
          if (!opened) {
            opened = true;
            sof.onConsent(answer.consent);
          }
          return wait(ASK_EVERY).then(function () {
            if (mine !== turn) { throw new SofError(-2, "已取消。", "Cancelled."); }
            return attempt();
          });
        }
        throw new SofError(answer.code, answer.message.zh, answer.message.en, answer.retries);
      });
    }
    return attempt();
  }

  var sof = {
    Error: SofError,
    call: call,
    // what waits for its user's consent is not asked again: a PIN that was given before must not be tried later
    cancel: function () { turn += 1; },
    onConsent: function (address) { window.open(address, "miyun-consent", "popup,width=620,height=560"); },
    // [{name, certID}] of the certificates on the keys that are plugged in
    users: function () {
      return call("SOF_GetUserList").then(function (list) {
        return list.split("&&&").filter(Boolean).map(function (entry) {
          var at = entry.lastIndexOf("||");
          return { name: entry.slice(0, at), certID: entry.slice(at + 2) };
        });
      });
    },
    certificate: function (certID) { return call("SOF_ExportUserCert", [certID]); },
    login: function (certID, pin) { return call("SOF_Login", [certID, pin]); },
    logout: function (certID) { return call("SOF_Logout", [certID]); },
    sign: function (certID, text) { return call("SOF_SignData", [certID, text]); },
    retries: function (certID) { return call("SOF_GetPinRetryCount", [certID]); }
  };
  window.MiyunSof = sof;
})();
